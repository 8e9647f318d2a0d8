//! Tests of the hub as a whole.

mod clearing;

use std::{collections::BTreeMap, time::Duration};

use chrono::{TimeDelta, Utc};
use futures_util::FutureExt as _;
use neonchat_common::{
    bus::EndedSessions,
    chat::{ChatClass, MembershipChange, RemovalReason, Role},
    ids::{SendId, Seq, SessionId, TokenId},
};

use super::*;
use crate::{
    close::CloseReason,
    hub::outbox::Next,
    protocol::{ServerFrame, Typists},
};

fn frames(json: &str) -> EventFrames {
    EventFrames::of_change(Frame::opaque(json), None, None)
}

#[test]
fn excludes_senders_from_event_that_precedes_their_ack() {
    let (hub, user, request_id) = (Hub::default(), UserId::new(), SendId::new());
    let chats = [UserChat::direct(ChatId::new(), 0, UserId::new())];
    let [sender, again, other] = [(); 3].map(|()| {
        hub.reserve(user);
        hub.register(user, TokenId::new(), None, &chats)
    });
    let senders = [&sender, &again];
    for socket in senders {
        hub.begin_request(user, Request::Message(request_id), socket.id);
    }
    let exclude = hub.requesting_sockets(user, Request::Message(request_id), chats[0].id, 1);
    let event = DurableEvent { exclude, ..DurableEvent::new(1, Some(user), frames("x")) };
    assert_eq!(hub.deliver(chats[0].id, event), Accepted::Delivered(1));
    assert!(other.outbox.next().now_or_never().is_some());
    for socket in senders {
        assert!(socket.outbox.next().now_or_never().is_none());
        hub.end_request(user, Request::Message(request_id), socket.id);
    }
    assert!(
        hub.requesting_sockets(user, Request::Message(request_id), chats[0].id, 1).is_empty()
            && hub.pending_requests.is_empty()
    );
}

#[test]
fn sender_without_ack_is_told_of_stored_message() {
    let (hub, user) = (Hub::default(), UserId::new());
    let chat = UserChat::direct(ChatId::new(), 0, UserId::new());
    hub.reserve(user);
    let socket = hub.register(user, TokenId::new(), None, std::slice::from_ref(&chat));
    let next = || match socket.outbox.next().now_or_never() {
        Some(Next::Frame(frame)) => frame.as_str().to_owned(),
        _ => String::new(),
    };
    let request_ids = [SendId::new(), SendId::new()];
    let event =
        |seq: Seq, exclude| DurableEvent { exclude, ..DurableEvent::new(seq, Some(user), frames(&seq.to_string())) };
    for request_id in request_ids {
        hub.begin_request(user, Request::Message(request_id), socket.id);
    }
    // The second event waits for the first.
    for (seq, request_id) in [(2, request_ids[1]), (1, request_ids[0])] {
        if seq == 1 {
            hub.fail_request(user, Request::Message(request_ids[1]), socket.id);
            assert_eq!(next(), "");
        }
        hub.deliver(chat.id, event(seq, hub.requesting_sockets(user, Request::Message(request_id), chat.id, seq)));
    }
    assert_eq!(next(), "2");
    hub.fail_request(user, Request::Message(request_ids[0]), socket.id);
    let lagged = ServerFrame::Lagged { chat_id: chat.id, from_seq: 1, head_seq: 1 }.encode();
    assert_eq!((next(), next()), (lagged.as_str().to_owned(), String::new()));
    assert!(hub.pending_requests.is_empty());
}

#[test]
fn closes_sockets_whose_token_was_revoked_while_it_was_checked() {
    let (hub, user) = (Hub::default(), UserId::new());
    let [handshake, auth] = [(); 2].map(|()| TokenId::new());
    hub.reserve(user);
    let renewed = hub.register(user, TokenId::new(), None, &[]);
    hub.reserve(user);
    hub.revoke(user, Revocation::Token(handshake));
    hub.revoke(user, Revocation::Token(auth));
    assert_eq!(renewed.outbox.next().now_or_never(), None);
    hub.replace_token(&renewed, auth);
    let opened = hub.register(user, handshake, None, &[]);
    for socket in [renewed, opened] {
        assert_eq!(socket.outbox.next().now_or_never(), Some(Next::Close(CloseReason::Revoked)));
    }
}

#[test]
fn closes_sockets_of_ended_sessions_and_of_older_tokens_without_one() {
    let (hub, user, [ended, other]) = (Hub::default(), UserId::new(), [(); 2].map(|()| SessionId::new()));
    let open = |sid, iat| {
        hub.reserve(user);
        hub.register(user, TokenRef { sid, iat: Some(iat), ..TokenId::new().into() }, None, &[])
    };
    let [phone, laptop, older, newer] =
        [open(Some(ended), 2000), open(Some(other), 1), open(None, 999), open(None, 1000)];
    hub.revoke(user, Revocation::Sessions(EndedSessions { session_ids: vec![ended], issued_before: Some(1000) }));
    // A handshake that was under way.
    let late = open(Some(ended), 2000);
    for socket in [phone, older, late] {
        assert_eq!(socket.outbox.next().now_or_never(), Some(Next::Close(CloseReason::Revoked)));
    }
    assert!([laptop, newer].iter().all(|socket| socket.outbox.next().now_or_never().is_none()));
}

#[test]
fn needs_no_channel_after_last_socket_closed() {
    let (hub, user) = (Hub::default(), UserId::new());
    let chats = [UserChat::direct(ChatId::new(), 0, UserId::new())];
    hub.reserve(user);
    let socket = hub.register(user, TokenId::new(), None, &chats);
    hub.reserve(user);
    assert!(hub.needs_channel(Channel::User(user)) && hub.needs_channel(Channel::Chat(chats[0].id)));
    hub.unregister(&socket);
    assert!(hub.needs_channel(Channel::User(user)) && !hub.needs_channel(Channel::Chat(chats[0].id)));
    hub.unreserve(user);
    assert!(!hub.needs_channel(Channel::User(user)));
}

#[tokio::test]
async fn duplicate_event_does_not_end_typing() {
    let (hub, user) = (Hub::default(), UserId::new());
    let chat = UserChat::direct(ChatId::new(), 0, UserId::new());
    hub.reserve(user);
    let socket = hub.register(user, TokenId::new(), None, std::slice::from_ref(&chat));
    let deliver = || hub.deliver(chat.id, DurableEvent::new(1, Some(user), frames("x")));
    assert_eq!(deliver(), Accepted::Delivered(1));
    hub.typing.begin(user, (chat.id, ChatClass::Small), socket.id, tokio::time::Instant::now());
    assert_eq!(deliver(), Accepted::Duplicate);
    let changes = hub.typing.next(&mut Typing::check_interval()).now_or_never();
    assert_eq!(changes, Some(vec![TypingChange { user, chat: chat.id, class: ChatClass::Small, is_typing: true }]));
}

/// Registers a user with one socket. Returns a function that takes the JSON of the next frame from the outbox.
fn user_with_socket(hub: &Hub) -> (UserId, impl Fn() -> Option<String> + use<>) {
    let user = UserId::new();
    (user, socket_of(hub, user))
}

fn socket_of(hub: &Hub, user: UserId) -> impl Fn() -> Option<String> + use<> {
    hub.reserve(user);
    let socket = hub.register(user, TokenId::new(), None, &[]);
    move || match socket.outbox.next().now_or_never()? {
        Next::Frame(frame) => Some(frame.as_str().to_owned()),
        Next::Close(_) => None,
    }
}

#[test]
fn starts_chat_that_is_added_late_at_its_last_seq() {
    let hub = Hub::default();
    let (user, next) = user_with_socket(&hub);
    let chat = UserChat::direct(ChatId::new(), 40, UserId::new());
    hub.add_chats(user, std::slice::from_ref(&chat));
    let lagged = ServerFrame::Lagged { chat_id: chat.id, from_seq: 1, head_seq: 40 }.encode();
    assert_eq!(next().as_deref(), Some(lagged.as_str()));
    assert_eq!((next(), hub.next_seq(chat.id)), (None, Some(41)), "earlier events are not fetched for the socket");
}

#[test]
fn sends_no_lagged_for_announced_chat() {
    let hub = Hub::default();
    let (user, next) = user_with_socket(&hub);
    let chat = UserChat::direct(ChatId::new(), 40, UserId::new());
    hub.announce_chat(user, chat.clone(), &Frame::opaque("announcement"));
    assert_eq!(next().as_deref(), Some("announcement"));
    let event = |seq| DurableEvent::new(seq, Some(user), frames("x"));
    assert_eq!(next(), None);
    assert_eq!(hub.deliver(chat.id, event(40)), Accepted::Duplicate);
    assert_eq!(hub.deliver(chat.id, event(41)), Accepted::Delivered(1));
    assert_eq!(next().as_deref(), Some("x"));
}

#[test]
fn sends_lagged_if_outbox_has_no_room_for_announcement() {
    let hub = Hub::default();
    let (user, next) = user_with_socket(&hub);
    let busy = UserChat::direct(ChatId::new(), 0, UserId::new());
    let chat = UserChat::direct(ChatId::new(), 40, UserId::new());
    hub.add_chats(user, std::slice::from_ref(&busy));
    // A slow consumer gets no ephemeral event, but the announcement.
    for seq in [1, 2] {
        let frames = frames(&"x".repeat(120 * 1024));
        hub.deliver(busy.id, DurableEvent::new(seq, None, frames));
    }
    hub.notify_user(user, &[busy.id], |_| true, &Frame::opaque("ephemeral"));
    let announced = UserChat { id: ChatId::new(), ..chat.clone() };
    hub.announce_chat(user, announced, &Frame::opaque("announcement"));
    hub.announce_chat(user, chat.clone(), &Frame::opaque("x".repeat(20 * 1024)));
    let lagged = ServerFrame::Lagged { chat_id: chat.id, from_seq: 1, head_seq: 40 }.encode();
    let got: Vec<String> = std::iter::from_fn(next).skip(2).collect();
    assert_eq!(got, ["announcement", lagged.as_str()]);
}

fn group(class: ChatClass, presence: Vec<UserId>) -> UserChat {
    UserChat { partner: None, presence, class, ..UserChat::direct(ChatId::new(), 0, UserId::new()) }
}

#[test]
fn takes_over_newest_size_and_presence() {
    let hub = Hub::default();
    let [(first, _), (second, _)] = [(); 2].map(|()| user_with_socket(&hub));
    let third = UserId::new();
    let chat = group(ChatClass::Small, vec![second]);
    hub.add_chats(first, std::slice::from_ref(&chat));
    hub.add_chats(second, &[UserChat { presence: vec![first], ..chat.clone() }]);
    let audience = |user| {
        let mut users: Vec<_> = hub.presence_audience(user).into_keys().collect();
        users.sort_unstable();
        users
    };
    let sorted = |mut users: [UserId; 2]| {
        users.sort_unstable();
        users
    };
    assert_eq!((audience(first), audience(second)), (vec![second], vec![first]));

    // A third member has joined.
    hub.update_chat(first, &UserChat { last_seq: 5, presence: vec![second, third], ..chat.clone() });
    assert_eq!(audience(first), sorted([second, third]));
    assert_eq!(audience(second), sorted([first, third]));

    // An older list changes nothing.
    hub.add_chats(second, &[UserChat { last_seq: 4, class: ChatClass::Large, presence: vec![first], ..chat.clone() }]);
    assert_eq!((audience(second), hub.class(chat.id)), (sorted([first, third]).to_vec(), Some(ChatClass::Small)));

    // The group is too large now.
    hub.update_chat(second, &UserChat { last_seq: 30, class: ChatClass::Medium, presence: Vec::new(), ..chat.clone() });
    assert_eq!((audience(first), audience(second)), (Vec::new(), Vec::new()));
    assert_eq!(hub.class(chat.id), Some(ChatClass::Medium));
    hub.add_chats(first, &[UserChat { last_seq: 31, class: ChatClass::Large, ..chat.clone() }]);
    assert_eq!(hub.class(chat.id), Some(ChatClass::Large), "by the list of any member");
}

#[test]
fn asks_for_the_chat_after_every_change_of_its_members_and_settings() {
    let hub = Hub::default();
    let (user, _) = user_with_socket(&hub);
    let chat = group(ChatClass::Small, Vec::new());
    hub.add_chats(user, std::slice::from_ref(&chat));
    let mut seq = 0;
    let mut asks_after = |json: &str, removed: Vec<UserId>| {
        seq += 1;
        let membership = (!removed.is_empty()).then(|| MembershipChange {
            removed,
            reason: RemovalReason::Left,
            closes: false,
            roles: Vec::new(),
        });
        hub.deliver(chat.id, DurableEvent { membership, ..DurableEvent::new(seq, None, frames(json)) });
        !hub.changed_chats.take().is_empty()
    };
    assert!(!asks_after(r#"{"type":"new_message"}"#, Vec::new()));
    assert!(asks_after(r#"{"type":"members_added"}"#, Vec::new()));
    assert!(asks_after(r#"{"type":"members_removed"}"#, vec![UserId::new()]));
    assert!(asks_after(r#"{"type":"chat_updated"}"#, Vec::new()));
}

#[test]
fn typing_is_shown_only_of_those_who_may_send() {
    let (hub, now) = (Hub::default(), Utc::now());
    let [(member, _), (admin, _)] = [(); 2].map(|()| user_with_socket(&hub));
    let chat = group(ChatClass::Small, Vec::new());
    hub.add_chats(member, std::slice::from_ref(&chat));
    hub.add_chats(admin, &[UserChat { role: Role::Admin, ..chat.clone() }]);
    let shown = |now| [member, admin].map(|user| hub.class_for_typing(user, chat.id, now).is_some());
    assert_eq!(shown(now), [true, true]);

    let restricted_until = Some(now + TimeDelta::seconds(60));
    hub.add_chats(member, &[UserChat { last_seq: 1, restricted_until, ..chat.clone() }]);
    assert_eq!(shown(now), [false, true], "restricted");
    assert_eq!(shown(now + TimeDelta::seconds(60)), [true, true], "the restriction has ended");
    hub.add_chats(member, &[UserChat { last_seq: 2, ..chat.clone() }]);
    assert_eq!(shown(now), [true, true], "the restriction was lifted");

    // What chat-service says for one member holds for all.
    hub.update_chat(admin, &UserChat { last_seq: 3, send_role: Role::Admin, ..chat.clone() });
    assert_eq!(shown(now), [false, true], "members may not send");
    hub.update_chat(admin, &UserChat { last_seq: 2, ..chat.clone() });
    assert_eq!(shown(now), [false, true], "an older answer changes nothing");
    hub.update_chat(admin, &UserChat { last_seq: 4, class: ChatClass::Large, ..chat.clone() });
    assert_eq!(shown(now), [false, false], "large");
    assert_eq!(hub.class_for_typing(UserId::new(), chat.id, now), None, "of a stranger");
}

#[test]
fn restored_chat_takes_over_who_may_send() {
    let hub = Hub::default();
    let (user, _socket) = user_with_socket(&hub);
    let chat = group(ChatClass::Small, Vec::new());
    hub.add_chats(user, std::slice::from_ref(&chat));
    hub.update_chat(user, &UserChat { last_seq: 5, send_role: Role::Admin, ..chat.clone() });
    let is_shown = || hub.class_for_typing(user, chat.id, Utc::now()).is_some();
    assert!(!is_shown());
    // The database has lost the event that changed it.
    hub.rewind(&[(chat.id, 4)]);
    hub.update_chat(user, &UserChat { last_seq: 4, ..chat.clone() });
    assert!(is_shown());
}

#[test]
fn chats_of_a_member_are_listed_after_a_change_of_the_member() {
    let hub = Hub::default();
    let [(member, _), (other, _)] = [(); 2].map(|()| user_with_socket(&hub));
    let chat = group(ChatClass::Small, Vec::new());
    for user in [member, other] {
        hub.add_chats(user, std::slice::from_ref(&chat));
    }
    hub.stale_users.take();
    let roles = vec![(member, Role::Member), (UserId::new(), Role::Admin)];
    let membership = Some(MembershipChange { removed: Vec::new(), reason: RemovalReason::Gone, closes: false, roles });
    hub.deliver(chat.id, DurableEvent { membership, ..DurableEvent::new(1, None, frames("x")) });
    assert_eq!(hub.stale_users.take(), HashSet::from([member]));
}

#[tokio::test(start_paused = true)]
async fn receipts_reach_others_only_in_small_chats() {
    for (class, is_group, reaches_others) in [
        (Some(ChatClass::Small), false, true),
        (Some(ChatClass::Small), true, false),
        (Some(ChatClass::Medium), true, false),
        (Some(ChatClass::Large), true, false),
        (None, true, false),
    ] {
        let hub = Arc::<Hub>::default();
        let (reader, reading) = user_with_socket(&hub);
        let phone = socket_of(&hub, reader);
        let (other, others) = user_with_socket(&hub);
        let chat = group(class.unwrap_or_default(), Vec::new());
        for user in [reader, other] {
            hub.add_chats(user, std::slice::from_ref(&chat));
        }
        let (cause, markers) = (hub.sockets_of(reader)[0].id, Markers { read: 7, delivered: 9 });
        let moved = MovedMarkers { chat: chat.id, user: reader, markers, unread_count: Some(2), class, is_group };
        hub.notify_markers(moved, Some(cause));
        let receipt = |unread_count| {
            let frame = ServerFrame::Receipt { chat_id: chat.id, user_id: reader, read: 7, delivered: 9, unread_count };
            frame.encode().as_str().to_owned()
        };
        assert_eq!((reading(), phone()), (None, Some(receipt(Some(2)))), "{class:?}");
        assert_eq!(others(), reaches_others.then_some(receipt(None)), "{class:?}, {is_group}");
        let gathered = tokio::time::timeout(Duration::from_secs(5), hub.gathered_receipts.next()).await;
        let expected = BTreeMap::from([(chat.id, BTreeMap::from([(reader, markers)]))]);
        let is_gathered = class == Some(ChatClass::Small) && is_group;
        let gathered = gathered
            .ok()
            .map(|due| due.into_iter().map(|(chat, members)| (chat, members.into_iter().collect())).collect());
        assert_eq!(gathered, is_gathered.then_some(expected), "{class:?}, {is_group}");
    }
}

#[test]
fn sends_typing_to_all_but_the_only_typist() {
    let hub = Hub::default();
    let (typist, own) = user_with_socket(&hub);
    let (other, others) = user_with_socket(&hub);
    let chat = group(ChatClass::Medium, Vec::new());
    for user in [typist, other] {
        hub.add_chats(user, std::slice::from_ref(&chat));
    }
    hub.notify_typing(chat.id, Typists::Several { user_ids: vec![typist], more: 0 });
    let expected = format!(r#"{{"type":"typing","chat_id":"{}","user_ids":["{typist}"],"more":0}}"#, chat.id);
    assert_eq!((own(), others()), (None, Some(expected)));
    hub.notify_typing(chat.id, Typists::Several { user_ids: Vec::new(), more: 0 });
    assert!(own().is_some() && others().is_some());
}
