//! The state machine, without input and output: what happens goes in, what is to be done comes out.
//!
//! The README of the SDK for JavaScript has the table of states, and each behaviour has a module here:
//!
//! | behaviour | module |
//! |---|---|
//! | connection | `connection` |
//! | liveness | `liveness` |
//! | refresh | `session` |
//! | cursors | `sync`, `list`, `chats` |
//! | gaps | `stream` (order), `apply` (what an event changes), `gaps` (what is missing) |
//! | outbox | `outbox`; `frames` has acknowledgements |
//! | store | `pages`; `handled` has what `Client::consume` remembers |
//!
//! All are parts of one `Core`, because each of them may lead to any other.

mod apply;
mod calls;
mod chats;
mod connection;
mod frames;
#[cfg(test)]
mod fuzz_tests;
mod gaps;
mod handled;
mod io;
#[cfg(test)]
mod limit_tests;
mod list;
mod liveness;
mod outbox;
mod pages;
mod requests;
mod session;
mod stream;
mod sync;
mod timers;

use serde_json::Value;
use uuid::Uuid;

pub(crate) use self::io::{Answer, Call, CallId, Change, Effect, Input, PageQuery, Reply, Request, Step, Time};
use self::timers::{Timer, Timers};
use crate::{
    Error, Event, RequestId, Session, Status,
    store::{Op, Saved},
};

/// How often messages that have disappeared are looked for.
const EXPIRE: u64 = 3_600_000;
/// No timer is longer than three weeks, whatever the server says.
const LONGEST: u64 = 21 * 24 * EXPIRE;

/// What differs between clients, and what is replaced in tests.
pub(crate) struct Config {
    /// Whether to tell others what this device has received.
    pub(crate) delivered: bool,
    /// How many `seq`s of a chat the store keeps.
    pub(crate) capacity: u64,
    /// Returns a number from 0 to 1.
    pub(crate) random: Box<dyn FnMut() -> f64 + Send>,
    /// Returns a new ID.
    pub(crate) uuid: Box<dyn FnMut() -> Uuid + Send>,
}

/// The state machine.
pub(crate) struct Core {
    config: Config,
    time: Time,
    timers: Timers,
    step: Step,
    /// Whether `start` was called, and `stop` was not.
    is_started: bool,
    /// Whether everything that is pending was sent over this connection.
    is_live: bool,
    is_away: bool,
    connection: connection::Connection,
    session: session::Tokens,
    requests: requests::Requests,
    chats: chats::Chats,
    outbox: outbox::Outbox,
    pages: pages::Pages,
    handled: handled::Handled,
}

impl Core {
    /// Returns a stopped core with what a store has.
    pub(crate) fn new(config: Config, time: Time, saved: Saved) -> Self {
        let value = |key: &str| saved.values.get(key).cloned().unwrap_or_default();
        let is_primed = value("primed") == Value::Bool(true);
        let owner = value("owner").as_str().and_then(|id| id.parse().ok());
        let session: Option<Session> = serde_json::from_value(value("session")).ok();
        // What another user has left is deleted below, and nobody sees it before.
        let is_foreign = session.as_ref().zip(owner).is_some_and(|(session, owner)| session.user_id() != owner);
        let saved = if is_foreign { Saved::default() } else { saved };
        let mut core = Self {
            config,
            time,
            timers: Timers::default(),
            step: Step::default(),
            is_started: false,
            is_live: false,
            is_away: false,
            connection: connection::Connection::default(),
            session: session::Tokens::new(session, owner),
            requests: requests::Requests::default(),
            chats: chats::Chats::new(saved.chats, is_primed),
            outbox: outbox::Outbox::new(saved.outbox),
            pages: pages::Pages::default(),
            handled: handled::Handled::new(&saved.values),
        };
        core.own_store();
        core
    }

    /// Takes what happens.
    pub(crate) fn handle(&mut self, time: Time, input: Input) {
        self.time = time;
        match input {
            Input::Call(id, call) => self.call(id, call),
            Input::Opened(attempt) => self.socket_opened(attempt),
            Input::Text(attempt, text) => self.socket_text(attempt, &text),
            Input::Closed(attempt, code, reason) => self.socket_closed(attempt, code, &reason),
            Input::Answer(id, answer) => self.answered(id, answer),
            Input::Rows(id, rows) => self.page_read(id, rows),
            Input::Change(change) => self.changed(change),
            Input::Tick => self.tick(),
        }
    }

    /// Returns what is to be done now.
    pub(crate) fn take(&mut self) -> Step {
        std::mem::take(&mut self.step)
    }

    /// Returns when `Tick` is due, by `Time::elapsed`.
    pub(crate) fn next_timer(&self) -> Option<u64> {
        self.timers.next()
    }

    #[cfg(test)]
    pub(crate) const fn status(&self) -> &Status {
        &self.connection.status
    }

    pub(crate) const fn session(&self) -> Option<&Session> {
        self.session.data.as_ref()
    }

    /// Returns what has to be in a store that replaces one that fails.
    pub(crate) fn saved(&mut self) -> Vec<Op> {
        let mut ops = self.chats.snapshot();
        ops.extend(self.outbox.list().map(|row| Op::Pending { row: row.clone() }));
        ops.extend(self.handled.saved());
        ops.extend(self.session.saved());
        ops
    }

    /// One timer that is due.
    fn tick(&mut self) {
        let Some(timer) = self.timers.pop(self.time.elapsed) else { return };
        match timer {
            Timer::Handshake | Timer::Pong | Timer::Answer(_) => self.fail(),
            Timer::Ping => self.silent(),
            Timer::Wait => self.connect(),
            Timer::Beat => self.beat(),
            Timer::Renewal => self.renew_in_time(),
            Timer::Expiry => self.expire(),
            Timer::Sync(id) => self.sync_again(id),
            Timer::Ask(id) => self.ask_again(id),
            Timer::Hold(chat) => self.fetch(chat),
            Timer::Told(chat) => self.tell_delivered(chat),
            Timer::Pause(_) => self.pump(),
        }
    }

    // --- start and stop ---

    /// Reads what is stored, and connects if somebody is signed in.
    fn begin(&mut self) {
        self.chats.reset();
        self.outbox.reset();
        self.expire();
        self.emit(Event::Chat(crate::ChatEvent::Listed));
        if self.me().is_none() {
            return self.stop_connection(Status::SignedOut { reason: "no_session".to_owned() });
        }
        self.schedule();
        self.start_connection();
    }

    /// Makes the store that of the signed-in user: what another user has left is deleted. So nothing is sent as somebody else than
    /// the one who wrote it.
    fn own_store(&mut self) {
        let Some(me) = self.me().filter(|me| self.session.owner != Some(*me)) else { return };
        if self.session.owner.is_some() {
            self.wipe();
        }
        self.session.owner = Some(me);
        self.write(Op::set("owner", me.to_string()));
    }

    /// Ends what `begin` began.
    fn halt(&mut self, status: Status) {
        self.unschedule();
        self.timers.clear(Timer::Expiry);
        self.stop_connection(status);
    }

    /// Forgets everything but who is signed in.
    fn wipe(&mut self) {
        self.write(Op::Wipe);
        self.session.owner = None;
        if let Some(stored) = self.session.stored() {
            self.write(stored);
        }
        self.handled = handled::Handled::default();
        self.outbox_wiped();
        self.chats.clear();
        self.emit(Event::Chat(crate::ChatEvent::Listed));
    }

    fn expire(&mut self) {
        self.write(Op::Expire { now: self.time.wall });
        self.set_timer(Timer::Expiry, EXPIRE);
    }

    // --- what all parts use ---

    fn set_timer(&mut self, timer: Timer, ms: u64) {
        self.timers.set(timer, self.time.elapsed + ms.min(LONGEST));
    }

    fn uuid(&mut self) -> RequestId {
        RequestId((self.config.uuid)())
    }

    fn write(&mut self, op: Op) {
        self.step.ops.push(op);
    }

    fn effect(&mut self, effect: Effect) {
        self.step.effects.push(effect);
    }

    fn emit(&mut self, event: Event) {
        self.effect(Effect::Event(event));
    }

    fn reply(&mut self, call: CallId, result: Result<Reply, Error>) {
        self.effect(Effect::Reply(call, result));
    }
}
