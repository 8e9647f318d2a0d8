//! Whatever a server sends, in whatever order: nothing panics, and what is known stays whole.

use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::{ChatId, Store as _, client::outgoing};

const KINDS: [&str; 22] = [
    "message_sent",
    "ack",
    "error",
    "synced",
    "lagged",
    "chat_created",
    "chat_removed",
    "receipt",
    "receipts",
    "draft",
    "pong",
    "reconnect",
    "presence",
    "typing",
    "system",
    "new_message",
    "message_edited",
    "messages_deleted",
    "reactions",
    "members_added",
    "chat_settings",
    "poll_created",
];

/// Few IDs, so that frames meet.
pub(super) fn id(n: u8) -> Uuid {
    Uuid::from_u128(u128::from(n % 4))
}

/// Small numbers, so that events follow each other, and huge ones.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        12 => 0..9_u64,
        1 => prop::sample::select(vec![u64::MAX, u64::MAX - 1, 1 << 53, (1 << 53) - 1]),
    ]
}

/// Values that a member may have: right, wrong, and huge.
fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        7 => number().prop_map(Value::from),
        4 => any::<u8>().prop_map(|n| json!(id(n))),
        1 => Just((-1).into()),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => "[a-z]{0,3}".prop_map(Value::from),
    ]
}

fn object() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "id",
        "chat_id",
        "seq",
        "sender_id",
        "user_id",
        "text",
        "deleted",
        "changed_seq",
        "head_seq",
        "first_seq",
        "last_seq",
        "read_seq",
        "complete",
        "request_id",
        "message_id",
        "message_seq",
        "read",
        "retryable",
        "retry_after_ms",
        "after_ms",
        "duplicate",
        "has_more",
        "member_count",
        "code",
        "expires_at",
        "next",
    ]);
    let members = prop::collection::btree_map(name, value(), 0..6);
    (any::<u8>(), number(), number(), number(), members).prop_map(|(n, seq, last, first, members)| {
        let mut object = json!({ "id": id(n), "chat_id": id(n), "seq": seq, "last_seq": last, "head_seq": last,
            "first_seq": first });
        for (name, value) in members {
            object[name] = value;
        }
        object
    })
}

/// An object that has objects and lists of objects.
fn body() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec!["chats", "events", "messages", "reactions"]);
    (object(), names, prop::collection::vec(object(), 0..4), prop::option::of(object())).prop_map(
        |(mut body, name, list, inner)| {
            body[name] = list.into();
            if let Some(inner) = inner {
                body["message"] = inner.clone();
                body["chat"] = inner;
            }
            body
        },
    )
}

#[derive(Clone, Debug)]
pub(super) enum Event {
    Frame(&'static str, Value),
    Answer(u16, Value),
    NoAnswer,
    Close(u16),
    Open,
    Pass(u64),
    Send(u8),
    Page(u8, u64),
    Read(u8, u64),
    Start,
    Stop,
}

fn event() -> impl Strategy<Value = Event> {
    let status = prop::sample::select(vec![200_u16, 200, 200, 200, 200, 200, 401, 404, 429, 503]);
    let code = prop::sample::select(vec![1006_u16, 1006, 1006, 4100, 4001, 4003]);
    prop_oneof![
        40 => (prop::sample::select(KINDS.to_vec()), body()).prop_map(|(kind, body)| Event::Frame(kind, body)),
        12 => (status, body()).prop_map(|(status, body)| Event::Answer(status, body)),
        1 => Just(Event::NoAnswer),
        1 => code.prop_map(Event::Close),
        6 => Just(Event::Open),
        3 => (0..40_000_u64).prop_map(Event::Pass),
        2 => any::<u8>().prop_map(Event::Send),
        1 => (any::<u8>(), any::<u64>()).prop_map(|(chat, seq)| Event::Page(chat, seq)),
        1 => (any::<u8>(), any::<u64>()).prop_map(|(chat, seq)| Event::Read(chat, seq)),
        4 => Just(Event::Start),
        1 => Just(Event::Stop),
    ]
}

/// A core with its store, and what it waits for.
pub(super) struct World {
    pub(super) core: Core,
    store: crate::MemoryStore,
    pub(super) time: Time,
    pub(super) attempt: u64,
    pub(super) requests: Vec<u64>,
}

impl World {
    pub(super) fn new() -> Self {
        let session = json!({
            "access": "a", "access_expires_at": 86_400_000, "lifetime": 86_400_000, "refresh": "r",
            "user": { "id": id(1), "username": "me" }, "device_id": "d",
        });
        let mut store = crate::MemoryStore::with_capacity(4);
        let mut ops = vec![Op::set("session", session), Op::set("primed", true)];
        for n in 0..3 {
            let row =
                json!({ "id": id(n), "applied": 2, "segments": [[3, 2]], "item": { "id": id(n), "last_seq": 2 } });
            ops.push(Op::Chat { row: serde_json::from_value(row).expect("row") });
        }
        store.write(&ops).expect("a store in memory");
        let mut ids = 100;
        let uuid = move || {
            ids += 1;
            Uuid::from_u128(ids)
        };
        let (random, uuid) = (Box::new(|| 0.5), Box::new(uuid));
        let config = Config { delivered: true, capacity: 4, random, uuid };
        let core = Core::new(config, Time::default(), store.load().expect("a store in memory"));
        Self { core, store, time: Time::default(), attempt: 0, requests: Vec::new() }
    }

    pub(super) fn play(&mut self, event: Event) {
        let call = |call| Input::Call(0, call);
        let input = match event {
            Event::Frame(kind, mut frame) => {
                frame["type"] = kind.into();
                Input::Text(self.attempt, frame.to_string())
            }
            Event::Answer(..) | Event::NoAnswer if self.requests.is_empty() => return,
            Event::Answer(status, body) => {
                let answer = Answer { status, retry_after_ms: None, body: body.to_string() };
                Input::Answer(self.requests.remove(0), Ok(answer))
            }
            Event::NoAnswer => Input::Answer(self.requests.remove(0), Err("none".to_owned())),
            Event::Close(code) => Input::Closed(self.attempt, code, String::new()),
            Event::Open => Input::Opened(self.attempt),
            Event::Pass(ms) => {
                self.time.elapsed += ms;
                self.time.wall += ms;
                Input::Tick
            }
            Event::Send(n) => {
                let pending = outgoing::message(ChatId(id(n)), &"hi".into()).expect("small");
                call(Call::Send(Box::new(pending)))
            }
            Event::Page(n, seq) => {
                let query =
                    PageQuery { before: (seq % 2 == 0).then_some(seq), after: Some(seq), around: None, limit: 3 };
                call(Call::Page(ChatId(id(n)), query))
            }
            Event::Read(n, seq) => call(Call::Read(ChatId(id(n)), seq)),
            Event::Start => call(Call::Start),
            Event::Stop => call(Call::Stop),
        };
        self.core.handle(self.time, input);
        self.settle();
    }

    pub(super) fn settle(&mut self) {
        loop {
            let Step { ops, effects } = self.core.take();
            if ops.is_empty() && effects.is_empty() {
                return;
            }
            self.store.write(&ops).expect("a store in memory");
            for effect in effects {
                match effect {
                    Effect::Open { attempt, .. } => self.attempt = attempt,
                    Effect::Request { id, .. } => self.requests.push(id),
                    Effect::Read { id, chat, from, to, limit, backwards } => {
                        let rows = crate::store::messages(&self.store, chat, from..=to, limit, backwards);
                        self.core.handle(self.time, Input::Rows(id, rows.expect("a store in memory")));
                    }
                    _ => {}
                }
            }
        }
    }

    /// What holds after each event.
    fn check(&mut self) {
        let saved = self.store.load().expect("a store in memory");
        let mut stored: Vec<_> = saved.chats.iter().map(|row| (row.id, row.applied, row.segments.clone())).collect();
        let mut known: Vec<_> = self.core.chats.rows().map(|row| (row.id, row.applied, row.segments.clone())).collect();
        stored.sort_unstable();
        known.sort_unstable();
        assert_eq!(stored, known, "the store has the cursors");
        for (_, applied, segments) in &known {
            assert_eq!(segments.last().map(|segment| segment.1), Some(*applied), "the last segment ends at the cursor");
            let is_apart = segments.windows(2).all(|pair| pair[0].1 < pair[1].0);
            assert!(is_apart, "{segments:?}");
        }
        let mut pending: Vec<_> = saved.outbox.iter().map(|row| row.request_id).collect();
        let mut own: Vec<_> = self.core.outbox().map(|row| row.request_id).collect();
        pending.sort_unstable();
        own.sort_unstable();
        assert_eq!(pending, own, "the store has the outbox");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_server_breaks_the_client(events in prop::collection::vec(event(), 1..60)) {
        let mut world = World::new();
        world.play(Event::Start);
        world.play(Event::Open);
        for event in events {
            world.play(event);
            world.check();
        }
    }
}
