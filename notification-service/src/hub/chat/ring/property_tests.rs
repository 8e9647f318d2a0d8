//! Catch-up from memory against catch-up from a database: whatever is sent from memory is what the database would have answered.

use std::sync::Arc;

use neonchat_common::{
    chat::{ChatClass, Role},
    ids::{ChatId, SendId, Seq, TokenId, UserId},
};
use proptest::{prelude::*, sample::Index};

use crate::{
    hub::{
        CatchUp, DurableEvent, EventFrames, HiddenFrame, Socket, SocketId,
        chat::{Chat, Missed},
        user::MemberInfo,
    },
    protocol::Frame,
};

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A message is stored.
    Send { by_reader: bool },
    /// Messages are edited or deleted.
    Change { message: Index, deletes: bool },
    /// A user becomes a member. Members without an office get another frame.
    Add,
    /// The publication of a stored event arrives, as it was when it was stored.
    Arrive { event: Index },
    /// The instance fetches what it misses, as it is now.
    Repair,
    /// A client opens a socket, and asks for what it missed.
    Sync { cursor: Index, from_seq: Index, is_admin: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<bool>().prop_map(|by_reader| Step::Send { by_reader }),
        2 => (any::<Index>(), any::<bool>()).prop_map(|(message, deletes)| Step::Change { message, deletes }),
        1 => Just(Step::Add),
        8 => any::<Index>().prop_map(|event| Step::Arrive { event }),
        1 => Just(Step::Repair),
        4 => (any::<Index>(), any::<Index>(), any::<bool>())
            .prop_map(|(cursor, from_seq, is_admin)| Step::Sync { cursor, from_seq, is_admin }),
    ]
}

#[derive(Clone, Debug)]
enum Stored {
    Message { by_reader: bool, text: String, request_id: SendId },
    Change { of: Seq, kind: &'static str },
    Added,
}

/// A database and an instance.
struct World {
    reader: UserId,
    /// The events as they are now.
    events: Vec<Stored>,
    /// The events as they were when they were stored.
    live: Vec<Stored>,
    chat: Chat,
}

impl World {
    fn new() -> Self {
        let mut chat = Chat::new(ChatId::new(), 0, Arc::default());
        // Keeps the chat on the instance.
        let socket = Arc::new(Socket::new(SocketId::for_test(), UserId::new(), TokenId::new(), None));
        assert!(chat.join(&socket, member(0, 0, Role::Member)));
        Self { reader: UserId::new(), events: Vec::new(), live: Vec::new(), chat }
    }

    fn head(&self) -> Seq {
        Seq::try_from(self.events.len()).expect("convert length")
    }

    fn store(&mut self, event: Stored) {
        self.events.push(event.clone());
        self.live.push(event);
    }

    /// Returns an event as the instance gets it.
    fn event(&self, stored: &Stored, seq: Seq) -> DurableEvent {
        let (actor, frames) = match stored {
            Stored::Message { by_reader, text, request_id } => {
                let frame =
                    Frame::opaque(format!(r#"{{"type":"new_message","message":{{"seq":{seq},"text":"{text}"}}}}"#));
                (by_reader.then_some(self.reader), EventFrames::of_message(frame, Some(*request_id)))
            }
            Stored::Change { of, kind } => {
                let hidden = HiddenFrame { frame: Frame::opaque("hidden"), target_seq: Some(*of), for_members: false };
                (
                    None,
                    EventFrames::of_change(
                        Frame::opaque(format!(r#"{{"type":"{kind}","seq":{seq}}}"#)),
                        None,
                        Some(hidden),
                    ),
                )
            }
            Stored::Added => {
                let hidden = HiddenFrame { frame: Frame::opaque("hidden"), target_seq: None, for_members: true };
                let frame = Frame::opaque(format!(r#"{{"type":"members_added","seq":{seq}}}"#));
                (None, EventFrames::of_change(frame, None, Some(hidden)))
            }
        };
        DurableEvent::new(seq, actor, frames)
    }

    fn arrive(&mut self, index: usize) {
        let event = self.event(&self.live[index], Seq::try_from(index).expect("convert index") + 1);
        self.chat.accept(event);
    }

    fn repair(&mut self) {
        while self.chat.next() <= self.head() {
            let index = usize::try_from(self.chat.next() - 1).expect("convert seq");
            let event = self.event(&self.events[index], self.chat.next());
            self.chat.accept(event);
        }
    }

    /// Returns what the database has after `after` for the reader.
    fn stored(&self, after: Seq, from_seq: Seq, role: Role) -> Vec<(Seq, String)> {
        let events = self.events.iter().zip(1..).filter(|(_, seq)| *seq > after.max(from_seq));
        let frame = |(stored, seq): (&Stored, Seq)| {
            let event = self.event(stored, seq);
            (seq, event.frame_for(self.reader, from_seq, role).expect("have a frame").as_str().to_owned())
        };
        events.map(frame).collect()
    }

    /// Lets a client catch up. Returns whether it did from memory.
    fn sync(&mut self, cursor: Seq, from_seq: Seq, role: Role) -> Result<bool, TestCaseError> {
        let socket = Arc::new(Socket::new(SocketId::for_test(), self.reader, TokenId::new(), None));
        self.chat.join(&socket, member(self.head(), from_seq, role));
        let start = self.chat.catch_up(socket.id, cursor, |_| true).expect("be in the chat");
        let recent = match start.catch_up {
            CatchUp::Fetch { after } => self.chat.recent(socket.id, after, self.head()).map(|missed| (after, missed)),
            _ => None,
        };
        self.chat.leave(socket.id);
        let Some((after, Missed { frames, head, first_seq })) = recent else { return Ok(false) };
        let text = |frame: Option<Frame>| frame.expect("have a frame").as_str().to_owned();
        let got: Vec<_> = frames.into_iter().map(|(seq, frame)| (seq, text(frame))).collect();
        prop_assert_eq!(got, self.stored(after, from_seq, role));
        prop_assert_eq!((head, first_seq), (self.head(), from_seq + 1));
        Ok(true)
    }

    fn apply(&mut self, step: Step) -> Result<(), TestCaseError> {
        let count = self.events.len();
        match step {
            Step::Send { by_reader } => {
                let text = format!("text {count}");
                self.store(Stored::Message { by_reader, text, request_id: SendId::new() });
            }
            Step::Change { message, deletes } if count > 0 => {
                let index = message.index(count);
                if let Stored::Message { text, .. } = &mut self.events[index] {
                    *text = if deletes { String::new() } else { format!("edited {count}") };
                    let kind = if deletes { "messages_deleted" } else { "message_edited" };
                    self.store(Stored::Change { of: Seq::try_from(index).expect("convert index") + 1, kind });
                }
            }
            Step::Add => self.store(Stored::Added),
            Step::Arrive { event } if count > 0 => self.arrive(event.index(count)),
            Step::Repair => self.repair(),
            Step::Sync { cursor, from_seq, is_admin } => {
                let seq = |index: Index| Seq::try_from(index.index(count + 1)).expect("convert index");
                let role = if is_admin { Role::Admin } else { Role::Member };
                self.sync(seq(cursor), seq(from_seq), role)?;
            }
            _ => {}
        }
        Ok(())
    }
}

fn member(last_seq: Seq, from_seq: Seq, role: Role) -> MemberInfo {
    let (chat, class) = (ChatId::new(), ChatClass::Small);
    MemberInfo { chat, is_direct: false, last_seq, from_seq, joined_seq: 0, role, class, send_role: Role::Member }
}

proptest! {
    #[test]
    fn memory_has_what_the_database_has(steps in prop::collection::vec(step(), 0..120)) {
        let mut world = World::new();
        for step in steps {
            world.apply(step)?;
        }
        // Afterwards messages without changes come from memory.
        world.repair();
        world.store(Stored::Added);
        let before = world.head();
        for _ in 0..3 {
            world.store(Stored::Message { by_reader: true, text: "last".to_owned(), request_id: SendId::new() });
        }
        world.repair();
        prop_assert!(world.sync(before, 0, Role::Member)?);
    }
}
