//! Tests of a single chat.

use futures_util::FutureExt as _;
use neonchat_common::ids::{TokenId, UserId};
use proptest::prelude::*;

use super::*;
use crate::{
    hub::{EventFrames, UserChat, outbox::Next, user::MemberInfo},
    protocol::ServerFrame,
};

fn socket() -> Arc<Socket> {
    Arc::new(Socket::new(SocketId::for_test(), UserId::new(), TokenId::new(), None))
}

fn event(seq: Seq) -> DurableEvent {
    let frames = EventFrames::of_change(Frame::opaque(seq.to_string()), None, None);
    DurableEvent::new(seq, Some(UserId::new()), frames)
}

/// A member who joined before the first event.
fn member(chat: &Chat) -> MemberInfo {
    UserChat::direct(chat.id, 0, UserId::new()).member()
}

fn join(chat: &mut Chat, socket: &Arc<Socket>) {
    let member = member(chat);
    assert!(chat.join(socket, member));
}

fn join_late(chat: &mut Chat, socket: &Arc<Socket>) {
    let member = member(chat);
    assert!(chat.join_late(socket, member, None));
}

fn catch_up(chat: &mut Chat, socket: SocketId, cursor: Seq, may_send: impl FnOnce(Seq) -> bool) -> Option<CatchUp> {
    chat.catch_up(socket, cursor, may_send).map(|start| start.catch_up)
}

fn received(socket: &Socket) -> Vec<String> {
    let next = || match socket.outbox.next().now_or_never()? {
        Next::Frame(frame) => Some(frame.as_str().to_owned()),
        Next::Close(_) => None,
    };
    std::iter::from_fn(next).collect()
}

#[test]
fn delivers_in_order_and_once_for_any_arrival() {
    let mut chat = Chat::new(ChatId::new(), 0, Arc::default());
    let socket = socket();
    join(&mut chat, &socket);
    for seq in [2, 1, 1, 5, 3, 2, 5, 4, 6] {
        chat.accept(event(seq));
    }
    assert_eq!(received(&socket), ["1", "2", "3", "4", "5", "6"]);
    assert!(!chat.has_gap());
}

#[test]
fn reports_what_happened_to_event() {
    let mut chat = Chat::new(ChatId::new(), 40, Arc::default());
    join(&mut chat, &socket());
    assert_eq!(chat.accept(event(40)), Accepted::Duplicate);
    assert_eq!(chat.accept(event(42)), Accepted::Buffered);
    assert_eq!(chat.accept(event(41)), Accepted::Delivered(1));
    assert_eq!(chat.next(), 43);
}

#[test]
fn sender_does_not_get_its_event() {
    let mut chat = Chat::new(ChatId::new(), 0, Arc::default());
    let (sender, other) = (socket(), socket());
    join(&mut chat, &sender);
    join(&mut chat, &other);
    chat.accept(DurableEvent { exclude: vec![sender.id], ..event(1) });
    assert_eq!(received(&sender), [""; 0]);
    assert_eq!(received(&other), ["1"]);
}

#[test]
fn wakes_sockets_of_large_chat_in_turn() {
    for (count, is_in_turn) in [(MAX_WOKEN_AT_ONCE, false), (MAX_WOKEN_AT_ONCE + 1, true)] {
        let mut chat = Chat::new(ChatId::new(), 0, Arc::default());
        let sockets: Vec<_> = (0..count).map(|_| socket()).collect();
        for socket in &sockets {
            socket.set_wake_queue(Arc::default());
            join(&mut chat, socket);
        }
        let mut writer = Box::pin(sockets[0].outbox.next());
        assert!((&mut writer).now_or_never().is_none());
        chat.accept(event(1));
        assert_eq!((&mut writer).now_or_never().is_none(), is_in_turn);
        drop(writer);
        assert_eq!(received(&sockets[count - 1]), ["1"], "the frame is in the outbox");
    }
}

#[test]
fn remembers_all_senders_of_buffered_event() {
    let mut chat = Chat::new(ChatId::new(), 0, Arc::default());
    let (first, second) = (socket(), socket());
    join(&mut chat, &first);
    join(&mut chat, &second);
    for socket in [&first, &second] {
        chat.accept(DurableEvent { exclude: vec![socket.id], ..event(2) });
    }
    chat.accept(event(1));
    assert_eq!([received(&first), received(&second)], [["1"], ["1"]]);
}

#[test]
fn late_socket_gets_lagged_for_earlier_events() {
    let mut chat = Chat::new(ChatId::new(), 0, Arc::default());
    let (first, late) = (socket(), socket());
    join_late(&mut chat, &first);
    chat.accept(event(1));
    chat.accept(event(2));
    join_late(&mut chat, &late);
    join_late(&mut chat, &late);
    let lagged = ServerFrame::Lagged { chat_id: chat.id, from_seq: 1, head_seq: 2 }.encode();
    assert_eq!(received(&late), [lagged.as_str().to_owned()]);
    chat.accept(event(3));
    assert_eq!((received(&first), received(&late)), (["1", "2", "3"].map(String::from).into(), vec!["3".to_owned()]));
}

#[test]
fn sends_lagged_for_event_without_frame() {
    let mut chat = Chat::new(ChatId::new(), 0, Arc::default());
    let socket = socket();
    join(&mut chat, &socket);
    chat.accept(event(1));
    chat.accept(DurableEvent::new(2, None, EventFrames::unknown()));
    let lagged = ServerFrame::Lagged { chat_id: chat.id, from_seq: 2, head_seq: 2 }.encode();
    assert_eq!(received(&socket), ["1", lagged.as_str()]);
    chat.accept(event(3));
    assert_eq!(received(&socket), ["3"]);
}

#[test]
fn bounds_reorder_buffer() {
    let mut chat = Chat::new(ChatId::new(), 0, Arc::default());
    for seq in 2..2000 {
        chat.accept(event(seq));
    }
    assert_eq!(chat.reorder_buffer.len(), MAX_BUFFERED);
}

#[test]
fn withholds_events_until_a_cursor_ahead_is_checked() {
    let mut chat = Chat::new(ChatId::new(), 2, Arc::default());
    let socket = socket();
    join(&mut chat, &socket);
    for cursor in [3, 100, Seq::MAX] {
        assert_eq!(catch_up(&mut chat, socket.id, cursor, |_| true), Some(CatchUp::Ahead { client: cursor, sent: 2 }));
    }
    chat.accept(event(3));
    assert_eq!(received(&socket), [""; 0]);
    // The events do not exist: the withheld event has to be sent.
    assert_eq!(chat.advance_catch_up(socket.id, 2), CatchUpProgress::Behind);
    assert_eq!(chat.advance_catch_up(socket.id, 3), CatchUpProgress::Complete);
    assert_eq!(catch_up(&mut chat, socket.id, 3, |_| true), Some(CatchUp::Complete { head: 3 }));
}

#[test]
fn does_not_repeat_events_that_client_has_from_another_instance() {
    let mut chat = Chat::new(ChatId::new(), 2, Arc::default());
    let socket = socket();
    join(&mut chat, &socket);
    assert_eq!(catch_up(&mut chat, socket.id, 4, |_| true), Some(CatchUp::Ahead { client: 4, sent: 2 }));
    chat.accept(event(3));
    assert_eq!(chat.advance_catch_up(socket.id, 4), CatchUpProgress::Complete);
    chat.accept(event(4));
    chat.accept(event(5));
    assert_eq!(received(&socket), ["5"]);
}

#[test]
fn sends_lagged_for_withheld_events_when_cursor_cannot_be_checked() {
    let mut chat = Chat::new(ChatId::new(), 2, Arc::default());
    let socket = socket();
    join(&mut chat, &socket);
    catch_up(&mut chat, socket.id, 9, |_| true);
    chat.abort_catch_up(socket.id);
    assert_eq!(received(&socket), [""; 0]);
    catch_up(&mut chat, socket.id, 9, |_| true);
    chat.accept(event(3));
    chat.abort_catch_up(socket.id);
    chat.abort_catch_up(socket.id);
    let lagged = ServerFrame::Lagged { chat_id: chat.id, from_seq: 3, head_seq: 3 }.encode();
    assert_eq!(received(&socket), [lagged.as_str().to_owned()]);
    chat.accept(event(4));
    assert_eq!(received(&socket), ["4"]);
}

#[test]
fn names_join_that_client_asked_for_when_catch_up_fails() {
    let mut chat = Chat::new(ChatId::new(), 0, Arc::default());
    let socket = socket();
    let member = MemberInfo { joined_seq: 2, from_seq: 1, last_seq: 2, is_direct: false, ..member(&chat) };
    assert!(chat.join(&socket, member));
    // The events up to the join are not delivered here yet.
    assert_eq!(catch_up(&mut chat, socket.id, 0, |_| true), Some(CatchUp::Ahead { client: 1, sent: 1 }));
    for seq in 1..=3 {
        chat.accept(event(seq));
    }
    chat.abort_catch_up(socket.id);
    let lagged = ServerFrame::Lagged { chat_id: chat.id, from_seq: 2, head_seq: 3 }.encode();
    assert_eq!(received(&socket), [lagged.as_str().to_owned()]);
}

#[test]
fn sends_missed_events_once_and_within_limit() {
    let mut chat = Chat::new(ChatId::new(), 10, Arc::default());
    let socket = socket();
    join(&mut chat, &socket);
    let may_send = |limit| move |events| events <= limit;
    assert_eq!(catch_up(&mut chat, socket.id, 4, may_send(5)), Some(CatchUp::TooMany { head: 10 }));
    assert_eq!(catch_up(&mut chat, socket.id, 4, may_send(6)), Some(CatchUp::Fetch { after: 4 }));
    assert_eq!(chat.advance_catch_up(socket.id, 10), CatchUpProgress::Complete);
    let unknown = SocketId::for_test();
    assert_eq!(chat.advance_catch_up(unknown, 10), CatchUpProgress::Left);
    assert_eq!(catch_up(&mut chat, socket.id, 4, |_| true), Some(CatchUp::TooMany { head: 10 }));
    assert_eq!(catch_up(&mut chat, socket.id, 10, |_| true), Some(CatchUp::Complete { head: 10 }));
    assert_eq!(catch_up(&mut chat, SocketId::for_test(), 4, |_| true), None);
}

/// A step of a generated run.
#[derive(Clone, Debug)]
enum Step {
    /// An event arrives, perhaps too early or again.
    Accept(Seq),
    /// The client sends its cursor, true or not.
    Sync(Seq),
}

proptest! {
    #[test]
    fn delivers_in_order_and_once_for_any_claimed_cursor(
        joined_after in 0..10i64,
        steps in prop::collection::vec(
            prop_oneof![(1..40i64).prop_map(Step::Accept), (0..60i64).prop_map(Step::Sync)],
            0..80,
        ),
    ) {
        let mut chat = Chat::new(ChatId::new(), joined_after, Arc::default());
        let socket = socket();
        join(&mut chat, &socket);
        let mut got: Vec<Seq> = Vec::new();
        let mut catch_ups = 0;
        for step in steps {
            match step {
                Step::Accept(seq) => drop(chat.accept(event(seq))),
                Step::Sync(cursor) => {
                    let head = chat.next() - 1;
                    match catch_up(&mut chat, socket.id, cursor, |_| true) {
                        // The events do not exist: the withheld ones are sent.
                        Some(CatchUp::Ahead { sent: after, .. }) => {
                            prop_assert!(cursor > head && after <= head);
                            chat.accept(event(head + 1));
                            prop_assert_eq!(chat.advance_catch_up(socket.id, after), CatchUpProgress::Behind);
                            got.extend(after + 1..chat.next());
                            let progress = chat.advance_catch_up(socket.id, chat.next() - 1);
                            prop_assert_eq!(progress, CatchUpProgress::Complete);
                        }
                        Some(CatchUp::Complete { head: reported }) => prop_assert_eq!(reported, head),
                        Some(CatchUp::TooMany { head: reported }) => prop_assert!(reported == head && cursor < head),
                        Some(CatchUp::Fetch { .. }) => {
                            // An event arrives while the missed events are sent.
                            chat.accept(event(head + 1));
                            got.extend(cursor + 1..=head);
                            prop_assert_eq!(chat.advance_catch_up(socket.id, head), CatchUpProgress::Behind);
                            got.extend(head + 1..chat.next());
                            let progress = chat.advance_catch_up(socket.id, chat.next() - 1);
                            prop_assert_eq!(progress, CatchUpProgress::Complete);
                            catch_ups += 1;
                        }
                        None => prop_assert!(false, "the socket is open"),
                    }
                }
            }
            got.extend(received(&socket).iter().map(|seq| seq.parse::<Seq>().expect("parse seq")));
        }
        let first = got.first().copied().unwrap_or(chat.next());
        prop_assert!(first <= joined_after + 1);
        prop_assert!(catch_ups == 1 || catch_ups == 0 && first == joined_after.min(chat.next() - 1) + 1);
        prop_assert_eq!(got, (first..chat.next()).collect::<Vec<_>>());
    }
}
