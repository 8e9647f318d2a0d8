//! What holds of all of it together.

use futures_util::FutureExt as _;

use super::*;
use crate::{hub::outbox::Next, protocol::ServerFrame};

#[test]
fn a_message_that_comes_back_before_its_answer_is_not_told_to_its_sender() {
    let (hub, user, request) = (Hub::default(), UserId::new(), SendId::new());
    let chats = [UserChat { id: ChatId::new(), last_seq: 0, partners: vec![UserId::new()] }];
    let [sender, again, other] = [(); 3].map(|()| {
        hub.enter(user);
        hub.attach(user, TokenId::new(), None, &chats)
    });
    let senders = [&sender, &again];
    for socket in senders {
        hub.sending(user, request, socket.id);
    }
    let origins = hub.senders(user, request, chats[0].id, 1);
    let event = DurableEvent { seq: 1, sender: Some(user), frame: Some(Frame::opaque("x")), origins };
    assert_eq!(hub.deliver(chats[0].id, event), Accepted::Delivered(1));
    assert!(other.outbox.next().now_or_never().is_some());
    for socket in senders {
        assert!(socket.outbox.next().now_or_never().is_none());
        hub.sent(user, request, socket.id);
    }
    assert!(hub.senders(user, request, chats[0].id, 1).is_empty() && hub.sends.is_empty());
}

#[test]
fn a_sender_who_gets_no_ack_for_what_is_stored_is_told_of_it() {
    let (hub, user) = (Hub::default(), UserId::new());
    let chat = UserChat { id: ChatId::new(), last_seq: 0, partners: vec![UserId::new()] };
    hub.enter(user);
    let socket = hub.attach(user, TokenId::new(), None, std::slice::from_ref(&chat));
    let next = || match socket.outbox.next().now_or_never() {
        Some(Next::Frame(frame)) => frame.as_str().to_owned(),
        _ => String::new(),
    };
    let requests = [SendId::new(), SendId::new()];
    let event = |seq: Seq, origins| DurableEvent {
        seq,
        sender: Some(user),
        frame: Some(Frame::opaque(seq.to_string())),
        origins,
    };
    for request in requests {
        hub.sending(user, request, socket.id);
    }
    // The second one waits for the first.
    for (seq, request) in [(2, requests[1]), (1, requests[0])] {
        if seq == 1 {
            hub.refused(user, requests[1], socket.id);
            assert_eq!(next(), "");
        }
        hub.deliver(chat.id, event(seq, hub.senders(user, request, chat.id, seq)));
    }
    assert_eq!(next(), "2");
    hub.refused(user, requests[0], socket.id);
    let lagged = ServerFrame::Lagged { chat_id: chat.id, from_seq: 1, head_seq: 1 }.encode();
    assert_eq!((next(), next()), (lagged.as_str().to_owned(), String::new()));
    assert!(hub.sends.is_empty());
}

#[test]
fn closes_sockets_of_a_token_that_was_revoked_while_it_was_checked() {
    let (hub, user) = (Hub::default(), UserId::new());
    let [handshake, auth] = [(); 2].map(|()| TokenId::new());
    hub.enter(user);
    let renewed = hub.attach(user, TokenId::new(), None, &[]);
    hub.enter(user);
    hub.revoke(user, handshake);
    hub.revoke(user, auth);
    assert_eq!(renewed.outbox.next().now_or_never(), None);
    hub.renew(&renewed, auth);
    let opened = hub.attach(user, handshake, None, &[]);
    for socket in [renewed, opened] {
        assert_eq!(socket.outbox.next().now_or_never(), Some(Next::Close(CloseReason::Revoked)));
    }
}

#[test]
fn nothing_is_left_when_the_last_socket_has_gone() {
    let (hub, user) = (Hub::default(), UserId::new());
    let chats = [UserChat { id: ChatId::new(), last_seq: 0, partners: vec![UserId::new()] }];
    hub.enter(user);
    let socket = hub.attach(user, TokenId::new(), None, &chats);
    hub.enter(user);
    assert!(hub.wants(Channel::User(user)) && hub.wants(Channel::Chat(chats[0].id)));
    hub.detach(&socket);
    assert!(hub.wants(Channel::User(user)) && !hub.wants(Channel::Chat(chats[0].id)));
    hub.leave(user);
    assert!(!hub.wants(Channel::User(user)));
}

#[tokio::test]
async fn a_duplicate_event_does_not_end_typing() {
    let (hub, user) = (Hub::default(), UserId::new());
    let chat = UserChat { id: ChatId::new(), last_seq: 0, partners: vec![UserId::new()] };
    hub.enter(user);
    let socket = hub.attach(user, TokenId::new(), None, std::slice::from_ref(&chat));
    let deliver = || {
        hub.deliver(
            chat.id,
            DurableEvent { seq: 1, sender: Some(user), frame: Some(Frame::opaque("x")), origins: vec![] },
        )
    };
    assert_eq!(deliver(), Accepted::Delivered(1));
    hub.typing.begin(user, chat.id, socket.id, tokio::time::Instant::now());
    assert_eq!(deliver(), Accepted::Duplicate);
    let told = hub.typing.next(&mut Typing::looks()).now_or_never();
    assert_eq!(told, Some(vec![Told { user, chat: chat.id, is_typing: true }]));
}

/// A user with one socket, and the JSON of the frame that the socket gets next.
fn user_with_socket(hub: &Hub) -> (UserId, impl Fn() -> Option<String> + use<>) {
    let user = UserId::new();
    hub.enter(user);
    let socket = hub.attach(user, TokenId::new(), None, &[]);
    let next = move || match socket.outbox.next().now_or_never()? {
        Next::Frame(frame) => Some(frame.as_str().to_owned()),
        Next::Close(_) => None,
    };
    (user, next)
}

#[test]
fn starts_a_chat_that_is_learned_late_at_its_last_seq() {
    let hub = Hub::default();
    let (user, next) = user_with_socket(&hub);
    let chat = UserChat { id: ChatId::new(), last_seq: 40, partners: vec![UserId::new()] };
    hub.learn(user, std::slice::from_ref(&chat));
    let lagged = ServerFrame::Lagged { chat_id: chat.id, from_seq: 1, head_seq: 40 }.encode();
    assert_eq!(next().as_deref(), Some(lagged.as_str()));
    assert_eq!((next(), hub.next_seq(chat.id)), (None, Some(41)), "nothing before it is fetched for the socket");
}

#[test]
fn tells_nothing_of_the_past_of_a_chat_that_was_announced() {
    let hub = Hub::default();
    let (user, next) = user_with_socket(&hub);
    let chat = UserChat { id: ChatId::new(), last_seq: 40, partners: vec![UserId::new()] };
    hub.learn_announced(user, chat.clone());
    let event = |seq| DurableEvent { seq, sender: Some(user), frame: Some(Frame::opaque("x")), origins: Vec::new() };
    assert_eq!(next(), None);
    assert_eq!(hub.deliver(chat.id, event(40)), Accepted::Duplicate);
    assert_eq!(hub.deliver(chat.id, event(41)), Accepted::Delivered(1));
    assert_eq!(next().as_deref(), Some("x"));
}
