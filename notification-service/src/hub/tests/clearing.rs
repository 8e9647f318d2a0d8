//! Members who clear the history of a chat for themselves.

use super::*;

/// A direct chat with events that are still in memory.
struct Stage {
    hub: Hub,
    chat: UserChat,
    user: UserId,
    other: UserId,
}

impl Stage {
    fn new() -> Self {
        let (hub, user, other) = (Hub::default(), UserId::new(), UserId::new());
        let chat = UserChat::direct(ChatId::new(), 0, other);
        Self { hub, chat, user, other }
    }

    /// Opens a socket of a user, with the list of chats from before all events.
    fn open(&self, user: UserId) -> Arc<Socket> {
        self.hub.reserve(user);
        self.hub.register(user, TokenId::new(), None, std::slice::from_ref(&self.chat))
    }

    fn deliver(&self, seqs: impl IntoIterator<Item = Seq>) {
        for seq in seqs {
            let frame = format!(r#"{{"type":"new_message","seq":{seq}}}"#);
            self.hub.deliver(self.chat.id, DurableEvent::new(seq, None, frames(&frame)));
        }
    }
}

/// Returns the `seq` of each frame in the outbox.
fn sent(socket: &Socket) -> Vec<Seq> {
    let mut seqs = Vec::new();
    while let Some(Next::Frame(frame)) = socket.outbox.next().now_or_never() {
        let frame: serde_json::Value = serde_json::from_str(frame.as_str()).expect("parse frame");
        seqs.push(frame["seq"].as_i64().expect("seq as integer"));
    }
    seqs
}

#[test]
fn cleared_events_are_not_read_from_memory() {
    let stage = Stage::new();
    let (hub, chat) = (&stage.hub, stage.chat.id);
    let keeper = stage.open(stage.other);
    stage.deliver(1..=3);
    // Opened before the user clears the history, and after, by a list of chats from before.
    let before = stage.open(stage.user);
    hub.apply_settings(stage.user, chat, 2);
    let after = stage.open(stage.user);
    for (socket, first_seq) in [(&before, 3), (&after, 3), (&keeper, 1)] {
        let start = hub.catch_up(socket, chat, 0, |_| true).expect("socket in chat");
        assert_eq!(start.first_seq, first_seq);
        if first_seq > 1 {
            assert_eq!(start.catch_up, CatchUp::Fetch { after: 2 });
            let recent = hub.recent(socket, chat, 0, 3).expect("events in memory");
            let seqs: Vec<_> = recent.frames.iter().map(|(seq, _)| *seq).collect();
            assert_eq!((seqs, recent.first_seq), (vec![3], 3));
        }
    }
    // It never moves back.
    hub.apply_settings(stage.user, chat, 1);
    assert_eq!(hub.member(stage.user, chat).expect("member").from_seq, 2);
}

#[test]
fn cleared_events_that_arrive_later_are_not_sent() {
    let stage = Stage::new();
    let (cleared, kept) = (stage.open(stage.user), stage.open(stage.other));
    stage.deliver([1]);
    // The others were read over REST.
    stage.hub.apply_settings(stage.user, stage.chat.id, 3);
    stage.deliver(2..=4);
    assert_eq!((sent(&cleared), sent(&kept)), (vec![1, 4], vec![1, 2, 3, 4]));
}

#[test]
fn edit_of_a_cleared_message_is_sent_without_its_text() {
    let stage = Stage::new();
    let (cleared, kept) = (stage.open(stage.user), stage.open(stage.other));
    stage.deliver(1..=2);
    stage.hub.apply_settings(stage.user, stage.chat.id, 1);
    let (shown, hidden) = (Frame::opaque(r#"{"seq":3}"#), Frame::opaque(r#"{"seq":-3}"#));
    let hidden = HiddenFrame { frame: hidden, target_seq: Some(1), for_members: false };
    let frames = EventFrames::of_change(shown, None, Some(hidden));
    stage.hub.deliver(stage.chat.id, DurableEvent::new(3, None, frames));
    assert_eq!((sent(&cleared), sent(&kept)), (vec![1, 2, -3], vec![1, 2, 3]));
}

#[test]
fn list_of_chats_tells_of_a_lost_clear() {
    let stage = Stage::new();
    let (socket, _kept) = (stage.open(stage.user), stage.open(stage.other));
    stage.hub.add_chats(stage.user, &[UserChat { from_seq: 2, ..stage.chat.clone() }]);
    stage.deliver(1..=3);
    assert_eq!(sent(&socket), [3]);
    // An older list, which arrives late.
    stage.hub.add_chats(stage.user, std::slice::from_ref(&stage.chat));
    assert_eq!(stage.hub.member(stage.user, stage.chat.id).expect("member").from_seq, 2);
}

#[test]
fn next_receipt_after_a_mark_is_not_skipped() {
    let stage = Stage::new();
    let (hub, user, chat) = (&stage.hub, stage.user, stage.chat.id);
    let _socket = stage.open(user);
    stage.deliver([1]);
    let read = Markers { read: 1, delivered: 0 };
    hub.set_markers(user, chat, read, Markers { read: 1, delivered: 1 });
    assert!(!hub.are_new_markers(user, chat, read));
    hub.apply_settings(user, chat, 0);
    assert!(hub.are_new_markers(user, chat, read));
}
