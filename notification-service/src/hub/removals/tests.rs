//! Tests of joining and leaving chats in the order of their events.

use futures_util::FutureExt as _;
use neonchat_common::{
    chat::{ChatClass, Role},
    ids::TokenId,
};

use super::*;
use crate::{
    close::CloseReason,
    hub::{
        Accepted, CatchUp, CatchUpProgress, CatchUpStart, DurableEvent, EventFrames, HiddenFrame, Socket, UserChat,
        outbox::Next,
    },
    protocol::{Frame, ServerFrame},
};
use std::sync::Arc;

mod without_event;

/// A group on an instance.
struct Fixture {
    hub: Hub,
    chat: ChatId,
}

impl Fixture {
    fn new() -> Self {
        Self { hub: Hub::default(), chat: ChatId::new() }
    }

    /// Returns the group as a member sees it who joined at `joined_seq` and sees no earlier history.
    fn group(&self, last_seq: Seq, joined_seq: Seq) -> UserChat {
        UserChat {
            id: self.chat,
            last_seq,
            partner: None,
            presence: Vec::new(),
            from_seq: (joined_seq - 1).max(0),
            class: ChatClass::Small,
            role: Role::Member,
            joined_seq,
            send_role: Role::Member,
            restricted_until: None,
            access_version: None,
        }
    }

    fn open(&self, user: UserId, scope: Option<ChatId>, chats: &[UserChat]) -> Arc<Socket> {
        self.hub.reserve(user);
        self.hub.register(user, TokenId::new(), scope, chats)
    }

    /// Opens the socket of a founding member.
    fn founder(&self) -> (UserId, Arc<Socket>) {
        let user = UserId::new();
        (user, self.open(user, None, &[self.group(0, 0)]))
    }

    fn send(&self, seq: Seq) -> Accepted {
        self.hub.deliver(self.chat, message(seq))
    }

    fn kick(&self, seq: Seq, user: UserId) -> Accepted {
        self.hub.deliver(self.chat, kick(seq, user))
    }

    fn removed(&self, reason: RemovalReason) -> String {
        ServerFrame::ChatRemoved { chat_id: self.chat, reason }.encode().as_str().to_owned()
    }

    fn lagged(&self, from_seq: Seq, head_seq: Seq) -> String {
        ServerFrame::Lagged { chat_id: self.chat, from_seq, head_seq }.encode().as_str().to_owned()
    }

    fn is_member(&self, user: UserId) -> bool {
        self.hub.joined_seq(user, self.chat).is_some()
    }
}

fn frames(json: &str, hidden: Option<HiddenFrame>) -> EventFrames {
    EventFrames::of_change(Frame::opaque(json), None, hidden)
}

fn message(seq: Seq) -> DurableEvent {
    DurableEvent::new(seq, Some(UserId::new()), frames(&seq.to_string(), None))
}

fn changed(seq: Seq, change: MembershipChange) -> DurableEvent {
    DurableEvent { membership: Some(change), ..message(seq) }
}

fn kick(seq: Seq, user: UserId) -> DurableEvent {
    let change =
        MembershipChange { removed: vec![user], reason: RemovalReason::Kicked, closes: false, roles: Vec::new() };
    changed(seq, change)
}

/// Takes the frames from the outbox. A close is the last one.
fn received(socket: &Socket) -> Vec<String> {
    let mut frames = Vec::new();
    while let Some(next) = socket.outbox.next().now_or_never() {
        match next {
            Next::Frame(frame) => frames.push(frame.as_str().to_owned()),
            Next::Close(reason) => {
                frames.push(reason.code().0.to_string());
                break;
            }
        }
    }
    frames
}

#[test]
fn removed_member_gets_the_event_then_chat_removed_then_nothing() {
    let fixture = Fixture::new();
    let ((kicked, socket), (_, other)) = (fixture.founder(), fixture.founder());
    let second = fixture.open(kicked, None, &[fixture.group(0, 0)]);
    fixture.send(1);
    // The removal waits for an earlier event.
    assert_eq!(fixture.kick(3, kicked), Accepted::Buffered);
    fixture.send(4);
    assert_eq!(received(&socket), ["1"]);
    fixture.send(2);
    assert_eq!(received(&socket), ["2", "3", &fixture.removed(RemovalReason::Kicked)]);
    assert_eq!(received(&second), ["1", "2", "3", &fixture.removed(RemovalReason::Kicked)]);
    assert_eq!(received(&other), ["1", "2", "3", "4"]);
    assert!(!fixture.is_member(kicked) && !fixture.hub.is_joined(&socket, fixture.chat));
    fixture.hub.unregister(&other);
    assert!(!fixture.hub.needs_channel(Channel::Chat(fixture.chat)));
}

#[test]
fn closing_a_chat_removes_everybody_and_closes_scoped_sockets() {
    let fixture = Fixture::new();
    let (user, socket) = fixture.founder();
    let scoped = fixture.open(user, Some(fixture.chat), &[fixture.group(0, 0)]);
    let elsewhere = fixture.open(user, Some(ChatId::new()), &[fixture.group(0, 0)]);
    let change =
        MembershipChange { removed: Vec::new(), reason: RemovalReason::Closed, closes: true, roles: Vec::new() };
    fixture.hub.deliver(fixture.chat, changed(1, change));
    let closed = fixture.removed(RemovalReason::Closed);
    assert_eq!(received(&socket), ["1", &closed]);
    assert_eq!(received(&scoped), ["1", &closed, &CloseReason::Removed.code().0.to_string()]);
    assert_eq!(received(&elsewhere), [""; 0]);
    assert!(!fixture.is_member(user) && !fixture.hub.needs_channel(Channel::Chat(fixture.chat)));
}

#[test]
fn newcomer_gets_the_announcement_then_events_after_the_join() {
    let fixture = Fixture::new();
    let (_, founder) = fixture.founder();
    let newcomer = UserId::new();
    let socket = fixture.open(newcomer, None, &[]);
    // The announcement arrives before the events 1 to 5. The user joined with event 5.
    fixture.hub.announce_chat(newcomer, fixture.group(5, 5), &Frame::opaque("announcement"));
    for seq in 1..=6 {
        fixture.send(seq);
    }
    assert_eq!(received(&socket), ["announcement", "6"]);
    assert_eq!(received(&founder), ["1", "2", "3", "4", "5", "6"]);
    // A second socket joins from the list.
    let second = fixture.open(newcomer, None, &[fixture.group(6, 5)]);
    fixture.send(7);
    assert_eq!((received(&socket), received(&second)), (vec!["7".to_owned()], vec!["7".to_owned()]));
}

#[test]
fn newcomer_whose_announcement_and_first_event_are_lost_has_to_fetch_it() {
    let fixture = Fixture::new();
    let _founder = fixture.founder();
    let newcomer = UserId::new();
    let socket = fixture.open(newcomer, None, &[]);
    fixture.send(1);
    // The user joined with event 2. The list of chats arrives before the event is fetched.
    fixture.hub.add_chats(newcomer, &[fixture.group(2, 2)]);
    assert_eq!(received(&socket), [fixture.lagged(2, 2)]);
    fixture.send(2);
    fixture.send(3);
    assert_eq!(received(&socket), ["3"]);
}

#[test]
fn later_membership_survives_an_earlier_removal() {
    let fixture = Fixture::new();
    let ((user, socket), (_, other)) = (fixture.founder(), fixture.founder());
    fixture.hub.announce_chat(user, fixture.group(4, 4), &Frame::opaque("announcement"));
    fixture.send(1);
    fixture.kick(2, user);
    for seq in 3..=5 {
        fixture.send(seq);
    }
    assert_eq!(received(&socket), ["announcement", "5"], "the announcement contains the chat up to 4");
    assert_eq!(received(&other), ["1", "2", "3", "4", "5"]);
    assert!(fixture.is_member(user));
    fixture.kick(6, user);
    fixture.send(7);
    assert_eq!(received(&socket), ["6", &fixture.removed(RemovalReason::Kicked)]);
}

#[test]
fn outdated_list_lets_no_socket_join_after_a_removal() {
    let fixture = Fixture::new();
    let ((user, first), _other) = (fixture.founder(), fixture.founder());
    let stranger = UserId::new();
    fixture.send(1);
    fixture.kick(2, user);
    fixture.hub.deliver(fixture.chat, kick(3, stranger));
    received(&first);
    // Both lists were read after event 1.
    fixture.hub.add_chats(user, &[fixture.group(1, 0)]);
    let late = fixture.open(stranger, None, &[fixture.group(1, 0)]);
    fixture.send(4);
    assert_eq!((received(&first), received(&late)), (Vec::new(), Vec::new()));
    assert!(!fixture.is_member(user));
    assert!(fixture.hub.stale_users.take().contains(&stranger), "the chats are listed again");
    assert!(fixture.hub.remove_unlisted(stranger, fixture.chat, 0));
    assert_eq!(received(&late), [""; 0]);
    // Both join again.
    for (user, socket) in [(user, &first), (stranger, &late)] {
        fixture.hub.add_chats(user, &[fixture.group(5, 5)]);
        assert_eq!(received(socket), [fixture.lagged(5, 5)]);
    }
    fixture.send(5);
    fixture.send(6);
    assert_eq!((received(&first), received(&late)), (vec!["6".to_owned()], vec!["6".to_owned()]));
}

#[test]
fn outdated_list_is_read_again_if_the_chat_is_known_from_a_later_one() {
    let fixture = Fixture::new();
    let (_, other) = fixture.founder();
    fixture.hub.unregister(&other);
    let _later = fixture.open(UserId::new(), None, &[fixture.group(5, 0)]);
    let user = UserId::new();
    let socket = fixture.open(user, None, &[fixture.group(3, 0)]);
    fixture.send(6);
    assert_eq!(received(&socket), [""; 0]);
    assert!(fixture.hub.stale_users.take().contains(&user));
    fixture.hub.add_chats(user, &[fixture.group(6, 0)]);
    assert_eq!(received(&socket), [fixture.lagged(1, 6)]);
    // The members of a direct chat stay, so its list is never outdated.
    let chat = ChatId::new();
    let direct = |last_seq| UserChat::direct(chat, last_seq, UserId::new());
    let _later = fixture.open(UserId::new(), None, &[direct(5)]);
    let socket = fixture.open(UserId::new(), None, &[direct(3)]);
    fixture.hub.deliver(chat, message(6));
    assert_eq!(received(&socket), ["6"]);
}

#[test]
fn hides_what_a_member_may_not_see() {
    let fixture = Fixture::new();
    let (member, admin, newcomer) = (UserId::new(), UserId::new(), UserId::new());
    let sockets = [
        (member, fixture.group(10, 0)),
        (admin, UserChat { role: Role::Admin, ..fixture.group(10, 0) }),
        (newcomer, UserChat { role: Role::Admin, ..fixture.group(10, 8) }),
    ]
    .map(|(user, chat)| fixture.open(user, None, &[chat]));
    let deliver = |seq: Seq, target_seq, for_members, roles: Vec<(UserId, Role)>| {
        let hidden = HiddenFrame { frame: Frame::opaque("hidden"), target_seq, for_members };
        let change = MembershipChange { removed: Vec::new(), reason: RemovalReason::Gone, closes: false, roles };
        let frames = frames(&seq.to_string(), Some(hidden));
        fixture.hub.deliver(fixture.chat, DurableEvent { frames, ..changed(seq, change) });
        sockets.each_ref().map(|socket| received(socket).concat())
    };
    assert_eq!(deliver(11, Some(7), false, vec![]), ["11", "11", "hidden"]);
    assert_eq!(deliver(12, Some(8), false, vec![]), ["12", "12", "12"]);
    assert_eq!(deliver(13, None, true, vec![]), ["hidden", "13", "13"]);
    // Whom the event names gets it, and has the other role from then on.
    assert_eq!(deliver(14, None, true, vec![(member, Role::Admin)]), ["14", "14", "14"]);
    assert_eq!(deliver(15, None, true, vec![(admin, Role::Member)]), ["15", "15", "15"]);
    assert_eq!(deliver(16, None, true, vec![]), ["16", "hidden", "16"]);
    // Who is removed together with others learns of nobody else.
    let hidden = || Some(HiddenFrame { frame: Frame::opaque("hidden"), target_seq: None, for_members: true });
    let removal = |removed: Vec<UserId>| DurableEvent {
        frames: frames("17", hidden()),
        ..changed(17, MembershipChange { removed, reason: RemovalReason::Kicked, closes: false, roles: Vec::new() })
    };
    let shown = |removed| removal(removed).frame_for(admin, 0, Role::Member).expect("frame").as_str().to_owned();
    assert_eq!([shown(vec![admin]), shown(vec![admin, member]), shown(vec![member])], ["17", "hidden", "hidden"]);
    // A list that is older than the change does not bring the role back.
    let outdated = UserChat { role: Role::Admin, ..fixture.group(13, 0) };
    let late = fixture.open(admin, None, &[outdated]);
    deliver(17, None, true, vec![]);
    assert_eq!(received(&late), ["hidden"]);
}

#[test]
fn slow_client_is_told_of_the_removal() {
    let fixture = Fixture::new();
    let (user, socket) = fixture.founder();
    for seq in 1..=3 {
        let long = frames(&"x".repeat(120 * 1024), None);
        fixture.hub.deliver(fixture.chat, DurableEvent::new(seq, None, long));
    }
    fixture.kick(4, user);
    let got = received(&socket);
    assert_eq!(got[2..], [fixture.removed(RemovalReason::Kicked)], "no `lagged`: the events cannot be fetched");
}

#[tokio::test]
async fn removal_ends_catch_up() {
    let fixture = Fixture::new();
    let ((user, _), (_, other)) = (fixture.founder(), fixture.founder());
    for seq in 1..=3 {
        fixture.send(seq);
    }
    let socket = fixture.open(user, None, &[fixture.group(3, 0)]);
    let start = fixture.hub.catch_up(&socket, fixture.chat, 0, |_| true);
    assert_eq!(start, Some(CatchUpStart { catch_up: CatchUp::Fetch { after: 0 }, first_seq: 1, role: Role::Member }));
    assert!(socket.outbox.push_missed(fixture.chat, &Frame::opaque("1")).await);
    fixture.kick(4, user);
    fixture.send(5);
    assert!(!socket.outbox.push_missed(fixture.chat, &Frame::opaque("2")).await);
    assert_eq!(fixture.hub.advance_catch_up(&socket, fixture.chat, 3), CatchUpProgress::Left);
    assert_eq!(received(&socket), ["1", &fixture.removed(RemovalReason::Kicked)]);
    assert_eq!(received(&other), ["1", "2", "3", "4", "5"]);
    // The catch-up was of the earlier membership.
    fixture.hub.add_chats(user, &[fixture.group(6, 6)]);
    assert_eq!(received(&socket), [fixture.lagged(6, 6)]);
    assert_eq!(fixture.hub.advance_catch_up(&socket, fixture.chat, 8), CatchUpProgress::Left);
    fixture.send(6);
    fixture.send(7);
    assert_eq!(received(&socket), ["7"]);
}

#[test]
fn events_that_the_client_has_to_fetch_are_not_sent_when_it_asks() {
    let fixture = Fixture::new();
    let user = UserId::new();
    let socket = fixture.open(user, None, &[]);
    // The client's `sync` is on its way when this instance learns of the chat.
    fixture.hub.add_chats(user, &[fixture.group(8, 5)]);
    assert_eq!(received(&socket), [fixture.lagged(5, 8)]);
    let start = |cursor| fixture.hub.catch_up(&socket, fixture.chat, cursor, |_| true).expect("be in the chat");
    assert_eq!(start(6).catch_up, CatchUp::TooMany { head: 8 });
    // The same for an event that was not delivered here yet: the one by which the user joins again.
    fixture.kick(9, user);
    fixture.hub.add_chats(user, &[fixture.group(12, 12)]);
    assert_eq!(received(&socket)[2..], [fixture.lagged(12, 12)]);
    assert_eq!(start(11).catch_up, CatchUp::TooMany { head: 12 });
}

#[tokio::test]
async fn events_before_another_join_are_announced_after_the_catch_up() {
    let fixture = Fixture::new();
    let user = UserId::new();
    let socket = fixture.open(user, None, &[fixture.group(5, 0)]);
    let start = fixture.hub.catch_up(&socket, fixture.chat, 4, |_| true);
    assert_eq!(start.map(|start| start.catch_up), Some(CatchUp::Fetch { after: 4 }));
    // The removal with `seq` 6 and the join with `seq` 8 are still to be delivered here.
    fixture.hub.add_chats(user, &[fixture.group(8, 8)]);
    assert!(socket.outbox.push_missed(fixture.chat, &Frame::opaque("5")).await);
    assert_eq!(fixture.hub.advance_catch_up(&socket, fixture.chat, 5), CatchUpProgress::Complete);
    assert_eq!(received(&socket), ["5", &fixture.lagged(8, 8)]);
    fixture.kick(6, user);
    for seq in 7..=9 {
        fixture.send(seq);
    }
    assert_eq!(received(&socket), ["9"]);
}

#[test]
fn cursor_before_the_first_event_counts_as_the_event_before_it() {
    let fixture = Fixture::new();
    let user = UserId::new();
    let socket = fixture.open(user, None, &[fixture.group(9, 5)]);
    let start = |cursor| fixture.hub.catch_up(&socket, fixture.chat, cursor, |events| events == 5);
    let expected = CatchUpStart { catch_up: CatchUp::Fetch { after: 4 }, first_seq: 5, role: Role::Member };
    assert_eq!(start(0), Some(expected));
}

#[test]
fn remembers_the_last_removals() {
    let (user, removals) = (UserId::new(), 300);
    let chats: Vec<_> = (0..removals).map(|_| Fixture::new().group(5, 0)).collect();
    let hub = Hub::default();
    hub.reserve(user);
    hub.register(user, TokenId::new(), None, &chats);
    for chat in &chats {
        hub.deliver(chat.id, kick(6, user));
    }
    hub.add_chats(user, &chats);
    let is_member = |chat: &UserChat| hub.joined_seq(user, chat.id).is_some();
    assert_eq!(chats.iter().map(is_member).collect::<Vec<_>>(), (0..removals).map(|i| i < 44).collect::<Vec<_>>());
}

#[test]
fn deleted_chat_is_gone_for_all() {
    let fixture = Fixture::new();
    let ((user, first), (_, second)) = (fixture.founder(), fixture.founder());
    fixture.hub.remove_chat(fixture.chat);
    let gone = fixture.removed(RemovalReason::Gone);
    assert_eq!((received(&first), received(&second)), (vec![gone.clone()], vec![gone]));
    assert!(!fixture.is_member(user) && !fixture.hub.needs_channel(Channel::Chat(fixture.chat)));
}
