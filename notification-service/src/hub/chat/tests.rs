//! One chat, event by event.

use futures_util::FutureExt as _;
use neonchat_common::ids::{TokenId, UserId};

use super::*;
use crate::connection::outbox::Next;

fn socket() -> Arc<Socket> {
    Arc::new(Socket::new(SocketId::for_test(), UserId::new(), TokenId::new(), None))
}

fn event(seq: Seq) -> DurableEvent {
    DurableEvent { seq, frame: seq.to_string().into(), origins: Vec::new() }
}

fn received(socket: &Socket) -> Vec<String> {
    let next = || match socket.outbox.next().now_or_never()? {
        Next::Frame(frame) => Some(frame.to_string()),
        Next::Close(_) => None,
    };
    std::iter::from_fn(next).collect()
}

#[test]
fn events_in_any_order_and_number_arrive_once_and_in_order() {
    let mut chat = Chat::after(ChatId::new(), 0);
    let socket = socket();
    chat.join(&socket);
    for seq in [2, 1, 1, 5, 3, 2, 5, 4, 6] {
        chat.accept(event(seq));
    }
    assert_eq!(received(&socket), ["1", "2", "3", "4", "5", "6"]);
    assert!(!chat.has_gap());
}

#[test]
fn says_what_became_of_an_event() {
    let mut chat = Chat::after(ChatId::new(), 40);
    chat.join(&socket());
    assert_eq!(chat.accept(event(40)), Accepted::Duplicate);
    assert_eq!(chat.accept(event(42)), Accepted::Held);
    assert_eq!(chat.accept(event(41)), Accepted::Delivered(1));
    assert_eq!(chat.next(), 43);
}

#[test]
fn the_cause_gets_an_ack_and_not_the_event() {
    let mut chat = Chat::after(ChatId::new(), 0);
    let (sender, other) = (socket(), socket());
    chat.join(&sender);
    chat.join(&other);
    chat.accept(DurableEvent { origins: vec![sender.id], ..event(1) });
    assert_eq!(received(&sender), [""; 0]);
    assert_eq!(received(&other), ["1"]);
}

#[test]
fn every_cause_is_remembered_while_an_event_waits() {
    let mut chat = Chat::after(ChatId::new(), 0);
    let (first, second) = (socket(), socket());
    chat.join(&first);
    chat.join(&second);
    for socket in [&first, &second] {
        chat.accept(DurableEvent { origins: vec![socket.id], ..event(2) });
    }
    chat.accept(event(1));
    assert_eq!([received(&first), received(&second)], [["1"], ["1"]]);
}

#[test]
fn a_socket_older_than_the_chat_is_told_what_it_missed() {
    let mut chat = Chat::after(ChatId::new(), 0);
    let (first, late) = (socket(), socket());
    chat.join_from_start(&first);
    chat.accept(event(1));
    chat.accept(event(2));
    chat.join_from_start(&late);
    chat.join_from_start(&late);
    let lagged = ServerFrame::Lagged { chat_id: chat.id, from_seq: 1, head_seq: 2 }.encode();
    assert_eq!(received(&late), [lagged.to_string()]);
    chat.accept(event(3));
    assert_eq!((received(&first), received(&late)), (["1", "2", "3"].map(String::from).into(), vec!["3".to_owned()]));
}

#[test]
fn what_waits_is_bounded() {
    let mut chat = Chat::after(ChatId::new(), 0);
    for seq in 2..2000 {
        chat.accept(event(seq));
    }
    assert_eq!(chat.held.len(), MAX_HELD);
}
