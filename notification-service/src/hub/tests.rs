//! Tests of the hub as a whole.

use futures_util::FutureExt as _;
use neonchat_common::ids::{SendId, Seq};

use super::*;
use crate::{close::CloseReason, hub::outbox::Next, protocol::ServerFrame};

fn frames(json: &str) -> EventFrames {
    EventFrames::of_change(Frame::opaque(json), None)
}

#[test]
fn excludes_senders_from_event_that_precedes_their_ack() {
    let (hub, user, request_id) = (Hub::default(), UserId::new(), SendId::new());
    let chats = [UserChat { id: ChatId::new(), last_seq: 0, partners: vec![UserId::new()] }];
    let [sender, again, other] = [(); 3].map(|()| {
        hub.reserve(user);
        hub.register(user, TokenId::new(), None, &chats)
    });
    let senders = [&sender, &again];
    for socket in senders {
        hub.begin_request(user, Request::Message(request_id), socket.id);
    }
    let exclude = hub.requesting_sockets(user, Request::Message(request_id), chats[0].id, 1);
    let event = DurableEvent { seq: 1, sender: Some(user), frames: frames("x"), exclude };
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
    let chat = UserChat { id: ChatId::new(), last_seq: 0, partners: vec![UserId::new()] };
    hub.reserve(user);
    let socket = hub.register(user, TokenId::new(), None, std::slice::from_ref(&chat));
    let next = || match socket.outbox.next().now_or_never() {
        Some(Next::Frame(frame)) => frame.as_str().to_owned(),
        _ => String::new(),
    };
    let request_ids = [SendId::new(), SendId::new()];
    let event = |seq: Seq, exclude| DurableEvent { seq, sender: Some(user), frames: frames(&seq.to_string()), exclude };
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
    hub.revoke_token(user, handshake);
    hub.revoke_token(user, auth);
    assert_eq!(renewed.outbox.next().now_or_never(), None);
    hub.replace_token(&renewed, auth);
    let opened = hub.register(user, handshake, None, &[]);
    for socket in [renewed, opened] {
        assert_eq!(socket.outbox.next().now_or_never(), Some(Next::Close(CloseReason::Revoked)));
    }
}

#[test]
fn needs_no_channel_after_last_socket_closed() {
    let (hub, user) = (Hub::default(), UserId::new());
    let chats = [UserChat { id: ChatId::new(), last_seq: 0, partners: vec![UserId::new()] }];
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
    let chat = UserChat { id: ChatId::new(), last_seq: 0, partners: vec![UserId::new()] };
    hub.reserve(user);
    let socket = hub.register(user, TokenId::new(), None, std::slice::from_ref(&chat));
    let deliver =
        || hub.deliver(chat.id, DurableEvent { seq: 1, sender: Some(user), frames: frames("x"), exclude: vec![] });
    assert_eq!(deliver(), Accepted::Delivered(1));
    hub.typing.begin(user, chat.id, socket.id, tokio::time::Instant::now());
    assert_eq!(deliver(), Accepted::Duplicate);
    let changes = hub.typing.next(&mut Typing::check_interval()).now_or_never();
    assert_eq!(changes, Some(vec![TypingChange { user, chat: chat.id, is_typing: true }]));
}

/// Registers a user with one socket. Returns a function that takes the JSON of the next frame from the outbox.
fn user_with_socket(hub: &Hub) -> (UserId, impl Fn() -> Option<String> + use<>) {
    let user = UserId::new();
    hub.reserve(user);
    let socket = hub.register(user, TokenId::new(), None, &[]);
    let next = move || match socket.outbox.next().now_or_never()? {
        Next::Frame(frame) => Some(frame.as_str().to_owned()),
        Next::Close(_) => None,
    };
    (user, next)
}

#[test]
fn starts_chat_that_is_added_late_at_its_last_seq() {
    let hub = Hub::default();
    let (user, next) = user_with_socket(&hub);
    let chat = UserChat { id: ChatId::new(), last_seq: 40, partners: vec![UserId::new()] };
    hub.add_chats(user, std::slice::from_ref(&chat));
    let lagged = ServerFrame::Lagged { chat_id: chat.id, from_seq: 1, head_seq: 40 }.encode();
    assert_eq!(next().as_deref(), Some(lagged.as_str()));
    assert_eq!((next(), hub.next_seq(chat.id)), (None, Some(41)), "earlier events are not fetched for the socket");
}

#[test]
fn sends_no_lagged_for_announced_chat() {
    let hub = Hub::default();
    let (user, next) = user_with_socket(&hub);
    let chat = UserChat { id: ChatId::new(), last_seq: 40, partners: vec![UserId::new()] };
    hub.announce_chat(user, chat.clone(), &Frame::opaque("announcement"));
    assert_eq!(next().as_deref(), Some("announcement"));
    let event = |seq| DurableEvent { seq, sender: Some(user), frames: frames("x"), exclude: Vec::new() };
    assert_eq!(next(), None);
    assert_eq!(hub.deliver(chat.id, event(40)), Accepted::Duplicate);
    assert_eq!(hub.deliver(chat.id, event(41)), Accepted::Delivered(1));
    assert_eq!(next().as_deref(), Some("x"));
}

#[test]
fn sends_lagged_if_outbox_has_no_room_for_announcement() {
    let hub = Hub::default();
    let (user, next) = user_with_socket(&hub);
    let busy = UserChat { id: ChatId::new(), last_seq: 0, partners: vec![UserId::new()] };
    let chat = UserChat { id: ChatId::new(), last_seq: 40, partners: vec![UserId::new()] };
    hub.add_chats(user, std::slice::from_ref(&busy));
    // A slow consumer gets no ephemeral event, but the announcement.
    for seq in [1, 2] {
        let frames = frames(&"x".repeat(120 * 1024));
        hub.deliver(busy.id, DurableEvent { seq, sender: None, frames, exclude: Vec::new() });
    }
    hub.notify_user(user, &[busy.id], &Frame::opaque("ephemeral"));
    let announced = UserChat { id: ChatId::new(), ..chat.clone() };
    hub.announce_chat(user, announced, &Frame::opaque("announcement"));
    hub.announce_chat(user, chat.clone(), &Frame::opaque("x".repeat(20 * 1024)));
    let lagged = ServerFrame::Lagged { chat_id: chat.id, from_seq: 1, head_seq: 40 }.encode();
    let got: Vec<String> = std::iter::from_fn(next).skip(2).collect();
    assert_eq!(got, ["announcement", lagged.as_str()]);
}
