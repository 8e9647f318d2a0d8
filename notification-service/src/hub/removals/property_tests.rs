//! Two instances against a model: members join, are removed and join again, while events and announcements arrive in any order, again,
//! or not at all, lists of chats are outdated, and clients catch up.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::FutureExt as _;
use neonchat_common::{
    chat::{ChatClass, Role},
    ids::TokenId,
};
use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

use super::*;
use crate::{
    hub::{CatchUp, CatchUpProgress, CatchUpStart, DurableEvent, EventFrames, Socket, UserChat, outbox::Next},
    protocol::Frame,
};

const USERS: usize = 3;
const INSTANCES: usize = 2;

/// The most events in a page of missed events.
const MAX_PAGE: Seq = 3;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A message is stored.
    Send,
    /// A user joins or, if the user is a member, is removed.
    Toggle { user: usize },
    /// A stored event arrives on an instance.
    Arrive { instance: usize, event: Index },
    /// An announcement of a join arrives.
    Announce { instance: usize, join: Index },
    /// A chat is announced to a member, as it is now.
    AnnounceAgain { instance: usize, user: usize },
    /// The publication of a removal without an event arrives.
    Left { instance: usize, removal: Index },
    /// An instance fetches the missing events.
    Repair { instance: usize },
    /// An instance asks for the chats of a user.
    List { instance: usize, user: usize },
    /// An earlier answer is applied.
    Refresh { answer: Index },
    /// A user opens a further socket with an earlier answer.
    Open { answer: Index },
    /// A socket is closed.
    Close { socket: Index },
    /// A client asks for the events after a cursor.
    Sync { socket: Index, cursor: Index },
    /// A page of missed events is read, or the page that was read before is sent.
    CatchUp { socket: Index },
    /// chat-service does not answer a client that catches up.
    Abort { socket: Index },
}

fn step() -> impl Strategy<Value = Step> {
    let (user, instance) = (0..USERS, 0..INSTANCES);
    prop_oneof![
        3 => Just(Step::Send),
        3 => user.clone().prop_map(|user| Step::Toggle { user }),
        6 => (instance.clone(), any::<Index>()).prop_map(|(instance, event)| Step::Arrive { instance, event }),
        2 => (instance.clone(), any::<Index>()).prop_map(|(instance, join)| Step::Announce { instance, join }),
        1 => (instance.clone(), user.clone()).prop_map(|(instance, user)| Step::AnnounceAgain { instance, user }),
        2 => (instance.clone(), any::<Index>()).prop_map(|(instance, removal)| Step::Left { instance, removal }),
        1 => instance.clone().prop_map(|instance| Step::Repair { instance }),
        2 => (instance, user).prop_map(|(instance, user)| Step::List { instance, user }),
        2 => any::<Index>().prop_map(|answer| Step::Refresh { answer }),
        1 => any::<Index>().prop_map(|answer| Step::Open { answer }),
        1 => any::<Index>().prop_map(|socket| Step::Close { socket }),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(socket, cursor)| Step::Sync { socket, cursor }),
        4 => any::<Index>().prop_map(|socket| Step::CatchUp { socket }),
        1 => any::<Index>().prop_map(|socket| Step::Abort { socket }),
    ]
}

/// A stored event: a message or join, or the removal of a user.
#[derive(Clone, Copy, Debug)]
struct Stored {
    removed: Option<usize>,
}

/// A membership: the user gets the events after `joined`, up to `removed`.
#[derive(Clone, Copy, Debug)]
struct Interval {
    joined: Seq,
    removed: Option<Seq>,
}

/// What chat-service answered when it was asked for the chats of a user, and what the instance knew before.
struct Answer {
    instance: usize,
    user: usize,
    known: Option<Seq>,
    chat: Option<UserChat>,
}

/// An open socket and the frames that it got, with marks where a catch-up began or failed.
struct Client {
    instance: usize,
    user: usize,
    socket: Arc<Socket>,
    frames: Vec<Value>,
    /// Whether the chat was in the list with which it was opened.
    is_listed: bool,
    /// The last cursor that it sent.
    cursor: Seq,
    /// Whether it got `chat_removed` since it asked for events.
    is_removed: bool,
    missed: Option<Missed>,
}

/// The catch-up of a client.
struct Missed {
    /// The last event that was sent.
    sent: Seq,
    page: Option<Page>,
}

/// A page of missed events that was read.
struct Page {
    seqs: Vec<Seq>,
    /// The last event before those that exist for the member.
    from_seq: Seq,
}

impl Client {
    /// Takes the frames from the outbox.
    fn receive(&mut self) {
        while let Some(Next::Frame(frame)) = self.socket.outbox.next().now_or_never() {
            let frame: Value = serde_json::from_str(frame.as_str()).expect("parse frame");
            if frame["type"] == "chat_removed" {
                (self.cursor, self.is_removed) = (0, true);
            }
            self.frames.push(frame);
        }
    }

    /// Returns what is still missed after the page.
    fn send_page(&mut self, hub: &Hub, chat: ChatId, mut sent: Seq, page: Page) -> Option<Missed> {
        for seq in page.seqs {
            let frame = Frame::opaque(seq.to_string());
            if !self.socket.outbox.push_missed(chat, &frame).now_or_never().expect("have room") {
                return self.end_catch_up();
            }
            assert!(!self.is_removed, "{seq} is sent after the removal: {:?}", self.frames);
            sent = seq;
        }
        self.advance(hub, chat, sent.max(page.from_seq))
    }

    fn advance(&mut self, hub: &Hub, chat: ChatId, sent: Seq) -> Option<Missed> {
        match hub.advance_catch_up(&self.socket, chat, sent) {
            CatchUpProgress::Behind => Some(Missed { sent, page: None }),
            CatchUpProgress::Complete | CatchUpProgress::Left => self.end_catch_up(),
        }
    }

    fn end_catch_up(&mut self) -> Option<Missed> {
        self.receive();
        None
    }
}

struct World {
    chat: ChatId,
    /// Whether joins and removals are events.
    has_events: bool,
    /// Whether members see what was before they joined.
    shows_history: bool,
    users: [UserId; USERS],
    hubs: [Hub; INSTANCES],
    events: Vec<Stored>,
    memberships: [Vec<Interval>; USERS],
    joins: Vec<(usize, UserChat)>,
    /// It grows with every removal.
    access_version: i32,
    /// The users of the removals without an event, with the access version of each.
    removals: Vec<(usize, i32)>,
    /// The last of these removals that arrived on an instance, by user.
    arrived: [[Option<i32>; USERS]; INSTANCES],
    answers: Vec<Answer>,
    clients: Vec<Client>,
}

impl World {
    fn new(has_events: bool, shows_history: bool) -> Self {
        let founded = || vec![Interval { joined: 0, removed: None }];
        let mut world = Self {
            chat: ChatId::new(),
            has_events,
            shows_history,
            users: [(); USERS].map(|()| UserId::new()),
            hubs: [(); INSTANCES].map(|()| Hub::default()),
            events: Vec::new(),
            memberships: [(); USERS].map(|()| founded()),
            joins: Vec::new(),
            access_version: 0,
            removals: Vec::new(),
            arrived: [[None; USERS]; INSTANCES],
            answers: Vec::new(),
            clients: Vec::new(),
        };
        for (instance, user) in (0..INSTANCES).flat_map(|instance| (0..USERS).map(move |user| (instance, user))) {
            let chat = world.list(user);
            world.open(instance, user, chat.as_ref());
        }
        world
    }

    fn head(&self) -> Seq {
        Seq::try_from(self.events.len()).expect("convert length")
    }

    /// Returns the chat as chat-service lists it for a user.
    fn list(&self, user: usize) -> Option<UserChat> {
        let Interval { joined, removed: None } = *self.memberships[user].last()? else { return None };
        Some(UserChat {
            id: self.chat,
            last_seq: self.head(),
            partner: None,
            presence: Vec::new(),
            from_seq: if self.shows_history { 0 } else { (joined - 1).max(0) },
            class: ChatClass::Small,
            role: Role::Member,
            joined_seq: joined,
            send_role: Role::Member,
            restricted_until: None,
            access_version: Some(self.access_version),
        })
    }

    fn open(&mut self, instance: usize, user: usize, chat: Option<&UserChat>) {
        let hub = &self.hubs[instance];
        hub.reserve(self.users[user]);
        let is_listed = chat.is_some();
        let socket = hub.register(self.users[user], TokenId::new(), None, chat.cloned().as_slice());
        self.clients.push(Client {
            instance,
            user,
            socket,
            frames: Vec::new(),
            is_listed,
            cursor: 0,
            is_removed: false,
            missed: None,
        });
    }

    fn deliver(&self, instance: usize, seq: Seq) {
        let Stored { removed } = self.events[usize::try_from(seq - 1).expect("convert seq")];
        let membership = removed.map(|user| MembershipChange {
            removed: vec![self.users[user]],
            reason: RemovalReason::Kicked,
            closes: false,
            roles: Vec::new(),
        });
        let frames = EventFrames::of_change(Frame::opaque(seq.to_string()), None, None);
        let event = DurableEvent { membership, ..DurableEvent::new(seq, None, frames) };
        self.hubs[instance].deliver(self.chat, event);
    }

    fn repair(&self, instance: usize) {
        while let Some(next) = self.hubs[instance].next_seq(self.chat).filter(|next| *next <= self.head()) {
            self.deliver(instance, next);
        }
    }

    fn refresh(&self, answer: &Answer) {
        let (hub, user) = (&self.hubs[answer.instance], self.users[answer.user]);
        hub.add_chats(user, answer.chat.as_slice());
        if let (Some(joined_seq), None) = (answer.known, &answer.chat) {
            self.repair(answer.instance);
            hub.remove_unlisted(user, self.chat, joined_seq);
        }
    }

    fn announce(&self, instance: usize, user: usize, chat: UserChat) {
        let frame = Frame::opaque(format!(r#"{{"created":{}}}"#, chat.last_seq));
        self.hubs[instance].announce_chat(self.users[user], chat, &frame);
    }

    fn ask(&self, instance: usize, user: usize) -> Answer {
        let known = self.hubs[instance].joined_seq(self.users[user], self.chat);
        Answer { instance, user, known, chat: self.list(user) }
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Send => self.events.push(Stored { removed: None }),
            Step::Toggle { user } => {
                let is_member = self.list(user).is_some();
                self.access_version += i32::from(is_member);
                if self.has_events {
                    self.events.push(Stored { removed: is_member.then_some(user) });
                } else if is_member {
                    self.removals.push((user, self.access_version));
                }
                let seq = self.head();
                if is_member {
                    self.memberships[user].last_mut().expect("have membership").removed = Some(seq);
                } else {
                    self.memberships[user].push(Interval { joined: seq, removed: None });
                    self.joins.push((user, self.list(user).expect("have joined")));
                }
            }
            Step::Arrive { instance, event } if !self.events.is_empty() => {
                self.deliver(instance, Seq::try_from(event.index(self.events.len())).expect("convert seq") + 1);
            }
            Step::Announce { instance, join } if !self.joins.is_empty() => {
                let (user, chat) = join.get(&self.joins);
                self.announce(instance, *user, chat.clone());
            }
            Step::AnnounceAgain { instance, user } => {
                if let Some(chat) = self.list(user) {
                    self.announce(instance, user, UserChat { joined_seq: chat.last_seq, ..chat });
                }
            }
            Step::Left { instance, removal } if !self.removals.is_empty() => {
                let (user, version) = *removal.get(&self.removals);
                let id = self.users[user];
                self.hubs[instance].remove_leaver(id, self.chat, Some(version), RemovalReason::Left);
                if self.hubs[instance].has_user(id) {
                    self.arrived[instance][user] = self.arrived[instance][user].max(Some(version));
                }
            }
            Step::Repair { instance } => self.repair(instance),
            Step::List { instance, user } => self.answers.push(self.ask(instance, user)),
            Step::Refresh { answer } if !self.answers.is_empty() => {
                let answer = self.answers.swap_remove(answer.index(self.answers.len()));
                self.refresh(&answer);
            }
            Step::Open { answer } if !self.answers.is_empty() => {
                let Answer { instance, user, chat, .. } = self.answers.swap_remove(answer.index(self.answers.len()));
                self.open(instance, user, chat.as_ref());
            }
            Step::Close { socket } if !self.clients.is_empty() => {
                let client = self.clients.swap_remove(socket.index(self.clients.len()));
                let hub = &self.hubs[client.instance];
                hub.unregister(&client.socket);
                if !hub.has_user(self.users[client.user]) {
                    self.arrived[client.instance][client.user] = None;
                }
            }
            Step::Sync { socket, cursor } if !self.clients.is_empty() => {
                let cursor = Seq::try_from(cursor.index(self.events.len() + 1)).expect("convert cursor");
                let client = socket.index(self.clients.len());
                // A client has no event after the removal of its user.
                let removed = self.memberships[self.clients[client].user].last().and_then(|interval| interval.removed);
                self.sync(client, cursor.min(removed.unwrap_or(cursor)));
            }
            Step::CatchUp { socket } if !self.clients.is_empty() => self.catch_up(socket.index(self.clients.len())),
            Step::Abort { socket } if !self.clients.is_empty() => {
                let client = socket.index(self.clients.len());
                let client = &mut self.clients[client];
                if client.missed.take().is_some() {
                    self.hubs[client.instance].abort_catch_up(&client.socket, self.chat);
                    client.missed = client.end_catch_up();
                    client.frames.push(json!("aborted"));
                }
            }
            _ => {}
        }
    }

    /// The frame handler of a connection handles one `sync` at a time.
    fn sync(&mut self, client: usize, cursor: Seq) {
        let (chat, client) = (self.chat, &mut self.clients[client]);
        let hub = &self.hubs[client.instance];
        if client.missed.is_some() {
            return;
        }
        (client.cursor, client.is_removed) = (client.cursor.max(cursor), false);
        let cursor = client.cursor;
        let Some(CatchUpStart { catch_up, .. }) = hub.catch_up(&client.socket, chat, cursor, |_| true) else { return };
        let sent = match catch_up {
            CatchUp::Complete { .. } | CatchUp::TooMany { .. } => return,
            CatchUp::Fetch { after } => after,
            CatchUp::Ahead { client, .. } => client,
        };
        client.frames.push(json!({ "catch_up": sent }));
        // While chat-service is asked whether the events of a cursor that is ahead exist, nothing is sent.
        let nothing = Page { seqs: Vec::new(), from_seq: 0 };
        client.missed = Some(Missed { sent, page: matches!(catch_up, CatchUp::Ahead { .. }).then_some(nothing) });
    }

    fn catch_up(&mut self, client: usize) {
        let (instance, user) = (self.clients[client].instance, self.clients[client].user);
        let Some(Missed { sent, page }) = self.clients[client].missed.take() else { return };
        let joined_seq = self.hubs[instance].joined_seq(self.users[user], self.chat);
        self.clients[client].missed = match (page, joined_seq, self.list(user)) {
            (Some(page), ..) => self.clients[client].send_page(&self.hubs[instance], self.chat, sent, page),
            (None, None, _) => self.clients[client].end_catch_up(),
            (None, Some(joined_seq), None) => {
                self.repair(instance);
                self.hubs[instance].remove_unlisted(self.users[user], self.chat, joined_seq);
                Some(Missed { sent, page: None })
            }
            (None, Some(_), Some(UserChat { from_seq, .. })) => {
                let after = sent.max(from_seq);
                let seqs = (after + 1..=self.head().min(after + MAX_PAGE)).collect();
                Some(Missed { sent, page: Some(Page { seqs, from_seq }) })
            }
        };
    }

    /// Checks that no user is a member on an instance on which the last leave has arrived, whatever arrives afterwards.
    fn check_leavers(&self) -> Result<(), TestCaseError> {
        for (instance, user) in (0..INSTANCES).flat_map(|instance| (0..USERS).map(move |user| (instance, user))) {
            let last = self.removals.iter().rfind(|(other, _)| *other == user).map(|(_, version)| *version);
            if self.list(user).is_none() && self.arrived[instance][user].is_some_and(|arrived| Some(arrived) == last) {
                let known = self.hubs[instance].joined_seq(self.users[user], self.chat);
                prop_assert_eq!(known, None, "user {} on instance {}", user, instance);
            }
        }
        Ok(())
    }

    /// Takes the frames from the outboxes.
    fn receive(&mut self) {
        self.clients.iter_mut().for_each(Client::receive);
    }

    /// Returns which membership of a user an event belongs to. The event by which a user joins, and what was before, is sent only if the
    /// client asks.
    fn membership_at(&self, user: usize, seq: Seq, has_asked: bool) -> Option<usize> {
        let contains = |Interval { joined, removed }: &Interval| {
            let is_after_join = *joined < seq || has_asked && (*joined == seq || self.shows_history);
            is_after_join && removed.is_none_or(|removed| seq <= removed)
        };
        self.memberships[user].iter().position(contains)
    }

    /// Checks the frames of a socket: no event outside of a membership, none twice, none left out within a membership unless `lagged`
    /// names it, none of the same membership after `chat_removed`, and none that an announcement or `lagged` before it names.
    fn check(&self, client: &Client) -> Result<(), TestCaseError> {
        let (user, frames) = (client.user, &client.frames);
        let removals: BTreeSet<Seq> = self.memberships[user].iter().filter_map(|interval| interval.removed).collect();
        // The last event that the client has or has to fetch, and the membership of the next one.
        let mut last: Option<(Seq, Option<usize>)> = None;
        let mut sent = BTreeSet::new();
        let (mut ended, mut announced, mut left_out, mut has_asked) = (None, 0, 0, false);
        for frame in frames {
            if let Some(seq) = frame.as_i64() {
                // A client that asked for events may get them although an announcement contains them.
                prop_assert!(seq > announced || has_asked, "{seq} after its announcement: {frames:?}");
                prop_assert!(seq > left_out, "{seq} after `lagged`: {frames:?}");
                prop_assert!(sent.insert(seq), "{seq} twice: {frames:?}");
                let membership = self.membership_at(user, seq, has_asked);
                prop_assert!(membership.is_some(), "event {seq} is not for user {user}: {frames:?}");
                let is_current = membership > ended || has_asked && self.shows_history;
                prop_assert!(is_current, "{seq} after the end: {frames:?}");
                if let Some((last, next)) = last {
                    prop_assert!(seq > last, "{seq} after {last}: {frames:?}");
                    let is_next = membership != next || seq <= last.max(announced) + 1;
                    prop_assert!(is_next, "{seq} after {last}: {frames:?}");
                }
                last = Some((seq, membership));
            } else if let Some(asked) = frame["catch_up"].as_i64() {
                has_asked = true;
                last = Some((asked, self.membership_at(user, asked + 1, true)));
            } else if frame == "aborted" {
                // The cursor of the client is forgotten.
                last = None;
            } else if let (Some(from), Some(head)) = (frame["from_seq"].as_i64(), frame["head_seq"].as_i64()) {
                let membership = self.membership_at(user, head + 1, has_asked);
                let is_gap = last.is_some_and(|(last, next)| membership == next && from > last.max(announced) + 1);
                prop_assert!(!is_gap, "a gap before {frame}: {frames:?}");
                left_out = left_out.max(head);
                last = last.filter(|(last, _)| *last >= head).or(Some((head, membership)));
            } else if let Some(created) = frame["created"].as_i64() {
                announced = announced.max(created);
                if !client.is_listed && !has_asked {
                    let known = created.max(left_out);
                    last = last.or_else(|| Some((known, self.membership_at(user, known + 1, has_asked))));
                }
            } else if frame["type"] == "chat_removed" && frame["reason"] == "kicked" {
                // A client that asked may have events of a later membership already.
                if let Some((removed, _)) = last.filter(|_| !has_asked) {
                    prop_assert!(removals.contains(&removed), "no removal before the end: {frames:?}");
                    let is_over = |interval: &Interval| interval.removed == Some(removed);
                    ended = self.memberships[user].iter().position(is_over);
                }
                // The client forgets the chat.
                (last, left_out) = (None, 0);
                sent.clear();
            }
        }
        Ok(())
    }
}

fn check_memberships(has_events: bool, shows_history: bool, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut world = World::new(has_events, shows_history);
    for step in steps {
        world.apply(step);
        world.receive();
        world.check_leavers()?;
    }
    // Resync, twice: a refused list is read again.
    for (instance, user) in (0..2 * INSTANCES).flat_map(|round| (0..USERS).map(move |user| (round % INSTANCES, user))) {
        world.repair(instance);
        world.refresh(&world.ask(instance, user));
        world.receive();
    }
    for client in 0..world.clients.len() {
        while world.clients[client].missed.is_some() {
            world.catch_up(client);
            world.receive();
        }
    }
    world.apply(Step::Send);
    let last = world.head();
    for instance in 0..INSTANCES {
        world.deliver(instance, last);
    }
    world.receive();
    for client in &world.clients {
        if has_events {
            world.check(client)?;
        }
        let is_member = world.list(client.user).is_some();
        let got_last = client.frames.last().and_then(Value::as_i64) == Some(last);
        prop_assert_eq!(got_last, is_member, "user {}: {:?}", client.user, &client.frames);
        let is_known = world.hubs[client.instance].joined_seq(world.users[client.user], world.chat).is_some();
        prop_assert_eq!(is_known, is_member);
    }
    for client in world.clients.split_off(0) {
        world.hubs[client.instance].unregister(&client.socket);
    }
    for hub in &world.hubs {
        prop_assert!(hub.chats().is_empty() && hub.users().is_empty(), "nothing stays");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn members_get_exactly_the_events_of_their_memberships(
        shows_history in any::<bool>(), steps in prop::collection::vec(step(), 0..120),
    ) {
        check_memberships(true, shows_history, steps)?;
    }

    /// Removals without an event have no place between the events, so what is sent until the next list of chats is not exact.
    #[test]
    fn members_of_a_large_chat_get_its_events_in_the_end(steps in prop::collection::vec(step(), 0..120)) {
        check_memberships(false, false, steps)?;
    }
}
