//! One chat, event by event.

use futures_util::FutureExt as _;
use neonchat_common::ids::TokenId;
use proptest::prelude::*;

use super::*;
use crate::{hub::outbox::Next, protocol::ServerFrame};

fn socket() -> Arc<Socket> {
    Arc::new(Socket::new(SocketId::for_test(), UserId::new(), TokenId::new(), None))
}

fn event(seq: Seq) -> DurableEvent {
    DurableEvent { seq, sender: Some(UserId::new()), frame: Some(Frame::opaque(seq.to_string())), origins: Vec::new() }
}

fn received(socket: &Socket) -> Vec<String> {
    let next = || match socket.outbox.next().now_or_never()? {
        Next::Frame(frame) => Some(frame.as_str().to_owned()),
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
    chat.join_late(&first, 0);
    chat.accept(event(1));
    chat.accept(event(2));
    chat.join_late(&late, 0);
    chat.join_late(&late, 0);
    let lagged = ServerFrame::Lagged { chat_id: chat.id, from_seq: 1, head_seq: 2 }.encode();
    assert_eq!(received(&late), [lagged.as_str().to_owned()]);
    chat.accept(event(3));
    assert_eq!((received(&first), received(&late)), (["1", "2", "3"].map(String::from).into(), vec!["3".to_owned()]));
}

#[test]
fn tells_sockets_to_fetch_an_event_without_a_frame() {
    let mut chat = Chat::after(ChatId::new(), 0);
    let socket = socket();
    chat.join(&socket);
    chat.accept(event(1));
    chat.accept(DurableEvent { sender: None, frame: None, ..event(2) });
    let lagged = ServerFrame::Lagged { chat_id: chat.id, from_seq: 2, head_seq: 2 }.encode();
    assert_eq!(received(&socket), ["1", lagged.as_str()]);
    chat.accept(event(3));
    assert_eq!(received(&socket), ["3"]);
}

#[test]
fn what_waits_is_bounded() {
    let mut chat = Chat::after(ChatId::new(), 0);
    for seq in 2..2000 {
        chat.accept(event(seq));
    }
    assert_eq!(chat.held.len(), MAX_HELD);
}

#[test]
fn withholds_events_until_a_cursor_ahead_is_checked() {
    let mut chat = Chat::after(ChatId::new(), 2);
    let socket = socket();
    chat.join(&socket);
    for cursor in [3, 100, Seq::MAX] {
        assert_eq!(chat.catch_up(socket.id, cursor, |_| true), Some(Missed::Ahead { after: 2 }));
    }
    chat.accept(event(3));
    assert_eq!(received(&socket), [""; 0]);
    // There are no such events: the one that was withheld has to be sent.
    assert_eq!(chat.caught_up(socket.id, 2), Some(false));
    assert_eq!(chat.caught_up(socket.id, 3), Some(true));
    assert_eq!(chat.catch_up(socket.id, 3, |_| true), Some(Missed::Nothing { head: 3 }));
}

#[test]
fn does_not_repeat_what_a_client_has_from_another_instance() {
    let mut chat = Chat::after(ChatId::new(), 2);
    let socket = socket();
    chat.join(&socket);
    assert_eq!(chat.catch_up(socket.id, 4, |_| true), Some(Missed::Ahead { after: 2 }));
    chat.accept(event(3));
    assert_eq!(chat.caught_up(socket.id, 4), Some(true));
    chat.accept(event(4));
    chat.accept(event(5));
    assert_eq!(received(&socket), ["5"]);
}

#[test]
fn tells_what_was_withheld_when_a_cursor_cannot_be_checked() {
    let mut chat = Chat::after(ChatId::new(), 2);
    let socket = socket();
    chat.join(&socket);
    chat.catch_up(socket.id, 9, |_| true);
    chat.give_up_catching_up(socket.id);
    assert_eq!(received(&socket), [""; 0]);
    chat.catch_up(socket.id, 9, |_| true);
    chat.accept(event(3));
    chat.give_up_catching_up(socket.id);
    chat.give_up_catching_up(socket.id);
    let lagged = ServerFrame::Lagged { chat_id: chat.id, from_seq: 3, head_seq: 3 }.encode();
    assert_eq!(received(&socket), [lagged.as_str().to_owned()]);
    chat.accept(event(4));
    assert_eq!(received(&socket), ["4"]);
}

#[test]
fn what_was_missed_is_sent_once_and_as_far_as_it_may_be() {
    let mut chat = Chat::after(ChatId::new(), 10);
    let socket = socket();
    chat.join(&socket);
    let may_have = |limit| move |events| events <= limit;
    assert_eq!(chat.catch_up(socket.id, 4, may_have(5)), Some(Missed::TooMuch { head: 10 }));
    assert_eq!(chat.catch_up(socket.id, 4, may_have(6)), Some(Missed::Events));
    assert_eq!(chat.caught_up(socket.id, 10), Some(true));
    assert_eq!(chat.catch_up(socket.id, 4, |_| true), Some(Missed::TooMuch { head: 10 }));
    assert_eq!(chat.catch_up(socket.id, 10, |_| true), Some(Missed::Nothing { head: 10 }));
    assert_eq!(chat.catch_up(SocketId::for_test(), 4, |_| true), None);
}

/// What happens in a chat.
#[derive(Clone, Debug)]
enum Step {
    /// An event comes, perhaps too early, or again.
    Accept(Seq),
    /// The socket says what it has, true or not.
    Sync(Seq),
}

proptest! {
    #[test]
    fn whatever_a_client_claims_it_gets_every_event_in_order_and_once(
        joined_after in 0..10i64,
        steps in prop::collection::vec(
            prop_oneof![(1..40i64).prop_map(Step::Accept), (0..60i64).prop_map(Step::Sync)],
            0..80,
        ),
    ) {
        let mut chat = Chat::after(ChatId::new(), joined_after);
        let socket = socket();
        chat.join(&socket);
        let mut got: Vec<Seq> = Vec::new();
        let mut catch_ups = 0;
        for step in steps {
            match step {
                Step::Accept(seq) => drop(chat.accept(event(seq))),
                Step::Sync(cursor) => {
                    let head = chat.next() - 1;
                    match chat.catch_up(socket.id, cursor, |_| true) {
                        // There is no such event: what comes meanwhile is sent afterwards.
                        Some(Missed::Ahead { after }) => {
                            prop_assert!(cursor > head && after <= head);
                            chat.accept(event(head + 1));
                            prop_assert_eq!(chat.caught_up(socket.id, after), Some(false));
                            got.extend(after + 1..chat.next());
                            prop_assert_eq!(chat.caught_up(socket.id, chat.next() - 1), Some(true));
                        }
                        Some(Missed::Nothing { head: told }) => prop_assert_eq!(told, head),
                        Some(Missed::TooMuch { head: told }) => prop_assert!(told == head && cursor < head),
                        Some(Missed::Events) => {
                            // One comes while what was missed is on its way.
                            chat.accept(event(head + 1));
                            got.extend(cursor + 1..=head);
                            prop_assert_eq!(chat.caught_up(socket.id, head), Some(false));
                            got.extend(head + 1..chat.next());
                            prop_assert_eq!(chat.caught_up(socket.id, chat.next() - 1), Some(true));
                            catch_ups += 1;
                        }
                        None => prop_assert!(false, "the socket is there"),
                    }
                }
            }
            got.extend(received(&socket).iter().map(|seq| seq.parse::<Seq>().expect("a seq")));
        }
        let first = got.first().copied().unwrap_or(chat.next());
        prop_assert!(first <= joined_after + 1);
        prop_assert!(catch_ups == 1 || catch_ups == 0 && first == joined_after.min(chat.next() - 1) + 1);
        prop_assert_eq!(got, (first..chat.next()).collect::<Vec<_>>());
    }
}
