//! Plays a case: replaces the clock, the random number, the socket, HTTP and the store.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use chrono::DateTime;
use serde_json::{Value, json};

use super::{
    matching::{Names, id_of},
    network::Network,
};
use crate::{
    ChatId, Event, MemoryStore, OutboxKind, Store,
    core::{Answer, Call, Config, Core, Effect, Input, Reply, Time},
    driver::Storage,
    store::{EventRow, Op, Saved, StoreError},
};

pub(super) const TIME: &str = "2026-01-02T03:04:05Z";
const TOLD: [&str; 8] = ["message", "event", "gap", "typing", "presence", "receipt", "system", "error"];

/// Plays a case. Returns what differs.
pub(super) fn run(case: &Value) -> Result<(), String> {
    let mut runner = Runner::new(&case["given"]);
    for (n, step) in case["steps"].as_array().expect("list of steps").iter().enumerate() {
        runner.act(&step["do"]);
        let checked = runner.check(step.get("expect").unwrap_or(&Value::Null));
        checked.map_err(|error| format!("step {}, {}: {error}", n + 1, step["do"]))?;
    }
    Ok(())
}

pub(super) struct Runner {
    pub(super) given: Value,
    pub(super) names: Names,
    pub(super) core: Core,
    pub(super) storage: Storage,
    pub(super) network: Network,
    pub(super) time: Time,
    pub(super) random: Arc<Mutex<f64>>,
    pub(super) calls: u64,
    /// The calls whose result is looked at.
    pub(super) results: HashSet<u64>,
    /// The calls that send something.
    pub(super) sends: HashSet<u64>,
    pub(super) result: Value,
    pub(super) events: Vec<Value>,
    pub(super) outbox: Vec<Value>,
}

impl Runner {
    pub(super) fn new(given: &Value) -> Self {
        let now = given["now"].as_str().unwrap_or(TIME);
        let wall = DateTime::parse_from_rfc3339(now).expect("time").timestamp_millis();
        let time = Time { elapsed: 0, wall: wall.try_into().expect("after 1970") };
        let random = Arc::new(Mutex::new(given["random"].as_f64().unwrap_or(0.5)));
        let mut runner = Self {
            given: given.clone(),
            names: Names::default(),
            core: core(given, time, Saved::default(), &random),
            storage: Storage(Box::new(MemoryStore::new())),
            network: Network::default(),
            time,
            random,
            calls: 0,
            results: HashSet::new(),
            sends: HashSet::new(),
            result: Value::Null,
            events: Vec::new(),
            outbox: Vec::new(),
        };
        runner.fill_store();
        runner.restart();
        if given["live"] == true {
            runner.go_live();
        }
        runner.drop_outputs();
        runner
    }

    /// The process begins, with what the store has.
    pub(super) fn restart(&mut self) {
        let saved = self.storage.0.load().expect("a store in memory");
        self.network = Network::default();
        self.core = core(&self.given, self.time, saved, &self.random);
    }

    pub(super) fn go_live(&mut self) {
        self.call(Call::Start);
        self.socket(Input::Opened);
        let sync = self.network.take().sent.remove(0);
        let cursors = sync["cursors"].as_object().expect("cursors").iter();
        let chats =
            cursors.map(|(id, head)| json!({ "chat_id": id, "first_seq": 1, "head_seq": head, "complete": true }));
        let chats: Vec<_> = chats.collect();
        self.frame(&json!({ "type": "synced", "request_id": sync["request_id"], "chats": chats }));
        assert_eq!(*self.core.status(), crate::Status::Live);
    }

    pub(super) fn drop_outputs(&mut self) {
        self.network.take();
        self.events.clear();
        self.outbox.clear();
    }

    pub(super) fn id(&self, name: &str) -> Value {
        self.names.resolve(&name.into())
    }

    pub(super) fn handle(&mut self, input: Input) {
        self.core.handle(self.time, input);
        self.settle();
    }

    /// Does what the client wants, until it wants nothing more.
    pub(super) fn settle(&mut self) {
        loop {
            let step = self.core.take();
            if step.ops.is_empty() && step.effects.is_empty() {
                return;
            }
            if let Err(error) = self.storage.write(&step.ops) {
                let event = self.storage.replace(&error, &self.core.saved(), &step.ops);
                self.perform(Effect::Event(event));
            }
            for effect in step.effects {
                self.perform(effect);
            }
        }
    }

    pub(super) fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Open { attempt, token } => self.network.open(attempt, &token),
            Effect::Close { code } => self.network.close(code),
            Effect::Send(text) => self.network.send(&text),
            Effect::Request { id, request, token, cookie } => {
                // The list of chats says what the store has, unless the case answers it.
                if self.given["list"] != "manual" && request.method == "GET" && request.path == "/chats" {
                    let chats: Vec<_> = self.items().into_iter().map(|(_, _, item)| item).collect();
                    let body = json!({ "chats": chats, "next": null, "has_more": false }).to_string();
                    let answer = Answer { status: 200, retry_after_ms: None, body };
                    self.core.handle(self.time, Input::Answer(id, Ok(answer)));
                } else {
                    self.network.request(id, &request, token.as_deref(), cookie);
                }
            }
            Effect::Read { id, chat, from, to, limit, backwards } => {
                let rows = self.storage.messages(chat, from..=to, limit, backwards);
                self.core.handle(self.time, Input::Rows(id, rows));
            }
            Effect::Event(event) => self.told(&event),
            Effect::Reply(call, result) => {
                // Of a message that is taken, the answer of the server is looked at.
                if self.sends.remove(&call) {
                    if let Err(error) = result {
                        self.result = error_of(&error);
                    }
                } else if self.results.remove(&call) {
                    self.result = match result {
                        Ok(Reply::Done | Reply::Position(_)) => Value::Null,
                        Ok(Reply::Flag(flag)) => flag.into(),
                        Ok(Reply::Json(value)) => value,
                        Ok(Reply::Page(page)) => serde_json::to_value(page).expect("page"),
                        Ok(Reply::Segments(segments)) => json!(segments),
                        Err(error) => error_of(&error),
                    };
                }
            }
        }
    }

    pub(super) fn told(&mut self, event: &Event) {
        if let Event::Outbox(outbox) = event {
            let entry = &outbox.entry;
            match (&outbox.ack, outbox.kind) {
                (_, OutboxKind::Added) => return,
                (Some(ack), _) => self.result = serde_json::to_value(ack).expect("ack"),
                (None, OutboxKind::Failed) => {
                    self.result = json!({ "code": entry.code, "reason": entry.reason, "detail": entry.detail });
                }
                (None, _) => self.result = json!({ "code": "cancelled" }),
            }
            let (id, code, detail) = (&entry.request_id, &entry.code, &entry.detail);
            self.outbox.push(json!({ "type": outbox.kind, "request_id": id, "code": code, "detail": detail }));
        }
        let event = serde_json::to_value(event).expect("event");
        if TOLD.contains(&event["event"].as_str().expect("name of the event")) {
            self.events.push(event);
        }
    }

    pub(super) fn call(&mut self, call: Call) -> u64 {
        self.calls += 1;
        self.handle(Input::Call(self.calls, call));
        self.calls
    }

    pub(super) fn call_for_result(&mut self, call: Call) {
        self.results.insert(self.calls + 1);
        self.call(call);
    }

    pub(super) fn socket(&mut self, input: impl FnOnce(u64) -> Input) {
        let attempt = *self.network.sockets.last().expect("a socket");
        self.handle(input(attempt));
    }

    pub(super) fn frame(&mut self, frame: &Value) {
        let text = frame.to_string();
        self.socket(|attempt| Input::Text(attempt, text));
    }

    pub(super) fn new_message(&mut self, message: &Value) {
        let frame =
            json!({ "type": "new_message", "chat_id": message["chat_id"], "seq": message["seq"], "message": message });
        self.frame(&frame);
    }
}

fn error_of(error: &crate::Error) -> Value {
    json!({ "code": error.code(), "reason": error.reason(), "detail": error.detail() })
}

fn core(given: &Value, time: Time, saved: Saved, random: &Arc<Mutex<f64>>) -> Core {
    let random = random.clone();
    let mut ids = 0;
    // Fresh ids, which no case mentions.
    let uuid = move || {
        ids += 1;
        id_of(&format!("id{ids}")).parse().expect("UUID")
    };
    let config = Config {
        delivered: given["delivered"] == true,
        capacity: 2000,
        random: Box::new(move || *random.lock().expect("lock")),
        uuid: Box::new(uuid),
    };
    Core::new(config, time, saved)
}

/// A store on a full disk.
pub(super) struct Full(pub(super) Box<dyn Store>);

impl Store for Full {
    fn capacity(&self) -> u64 {
        self.0.capacity()
    }

    fn load(&mut self) -> Result<Saved, StoreError> {
        self.0.load()
    }

    fn events(
        &self,
        chat: ChatId,
        range: std::ops::RangeInclusive<u64>,
        limit: usize,
        backwards: bool,
    ) -> Result<Vec<EventRow>, StoreError> {
        self.0.events(chat, range, limit, backwards)
    }

    fn write(&mut self, _: &[Op]) -> Result<(), StoreError> {
        Err(StoreError::Other(std::io::Error::from(std::io::ErrorKind::StorageFull).into()))
    }
}
