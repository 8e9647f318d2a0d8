//! The connection: handshake, close codes, pauses between attempts.

use serde_json::Value;

use super::{Core, Effect, Request, Timer, requests::Then, session::Waiter};
use crate::{Error, Event, Frame, Status, event::Failure, frame::from_server};

/// The n-th pause is random between 0 and BACKOFF × 2^n, at most `BACKOFF_MAX`.
const BACKOFF: u64 = 500;
const BACKOFF_MAX: u64 = 30_000;
/// A connection that lived this long starts again at n = 0.
const STABLE: u64 = 30_000;
/// A hidden client waits this many times longer.
const HIDDEN_FACTOR: f64 = 3.0;
/// How long a handshake may take.
const HANDSHAKE: u64 = 10_000;

/// The socket, and the token with which it was opened.
#[derive(Default)]
enum Socket {
    #[default]
    None,
    /// The handshake has no result yet.
    Opening(String),
    /// The handshake succeeded.
    Open(String),
}

/// The state of the connection.
pub(super) struct Connection {
    pub(super) status: Status,
    socket: Socket,
    /// The number of the attempt: what belongs to a former one is ignored.
    attempt: u64,
    /// The number of pauses since the last stable connection.
    failures: u32,
    pub(super) is_online: bool,
    pub(super) is_hidden: bool,
    /// When the first and the last frame of this connection came.
    since: Option<u64>,
    pub(super) heard: u64,
    /// The end of the pause that the server asked for.
    pub(super) server_wait: Option<u64>,
    /// Whether a token was refused since a connection was accepted.
    was_refused: bool,
    /// The time of day at the last comparison.
    pub(super) beat: u64,
}

impl Default for Connection {
    fn default() -> Self {
        Self {
            status: Status::Stopped { reason: None },
            socket: Socket::None,
            attempt: 0,
            failures: 0,
            is_online: true,
            is_hidden: false,
            since: None,
            heard: 0,
            server_wait: None,
            was_refused: false,
            beat: 0,
        }
    }
}

impl Connection {
    pub(super) const fn is_running(&self) -> bool {
        !matches!(self.status, Status::Stopped { .. } | Status::SignedOut { .. })
    }

    /// Whether something belongs to the present attempt.
    const fn is_mine(&self, attempt: u64) -> bool {
        self.is_running() && self.attempt == attempt
    }
}

impl Core {
    fn set_status(&mut self, status: Status) {
        self.connection.status = status.clone();
        self.emit(Event::State(status));
    }

    pub(super) fn start_connection(&mut self) {
        if self.connection.is_running() {
            return;
        }
        self.connection.failures = 0;
        self.connection.was_refused = false;
        self.watch();
        self.connect();
    }

    pub(super) fn stop_connection(&mut self, status: Status) {
        self.drop_socket(Some(1000));
        self.timers.clear(Timer::Beat);
        self.set_status(status);
    }

    /// Forgets the present attempt. Returns what it was.
    fn drop_socket(&mut self, code: Option<u16>) -> Socket {
        self.connection.attempt += 1;
        for timer in [Timer::Handshake, Timer::Ping, Timer::Pong, Timer::Wait] {
            self.timers.clear(timer);
        }
        let socket = std::mem::take(&mut self.connection.socket);
        if matches!(socket, Socket::None) {
            return socket;
        }
        if self.connection.since.take().is_some_and(|since| self.time.elapsed - since >= STABLE) {
            self.connection.failures = 0;
        }
        if let Some(code) = code {
            self.effect(Effect::Close { code });
        }
        self.lost();
        socket
    }

    // --- an attempt ---

    pub(super) fn connect(&mut self) {
        self.drop_socket(None);
        self.connection.server_wait = None;
        if !self.connection.is_online {
            return self.set_status(Status::Offline);
        }
        self.set_status(Status::Connecting);
        self.with_token(Waiter::Connect(self.connection.attempt));
    }

    /// The token that `connect` waited for.
    pub(super) fn token_for_connection(&mut self, attempt: u64, token: Result<String, Error>) {
        if !self.connection.is_mine(attempt) {
            return;
        }
        match token {
            Ok(token) => {
                self.connection.socket = Socket::Opening(token.clone());
                self.effect(Effect::Open { attempt, token });
                self.set_timer(Timer::Handshake, HANDSHAKE);
            }
            Err(error) => self.no_token(&error),
        }
    }

    /// The refresh that `token_refused` waited for.
    pub(super) fn token_was_refreshed(&mut self, attempt: u64, result: Result<String, Error>) {
        match result {
            _ if !self.connection.is_mine(attempt) => {}
            Ok(_) => self.connect(),
            Err(error) => self.no_token(&error),
        }
    }

    /// There is no token, or no server.
    fn no_token(&mut self, error: &Error) {
        if let Error::SignedOut(reason) = error {
            self.stop_connection(Status::SignedOut { reason: reason.clone() });
        } else {
            self.pause(error.code(), error.retry_after_ms());
        }
    }

    pub(super) fn socket_opened(&mut self, attempt: u64) {
        if !self.connection.is_mine(attempt) {
            return;
        }
        if let Socket::Opening(token) = std::mem::take(&mut self.connection.socket) {
            self.connection.socket = Socket::Open(token);
        }
        self.timers.clear(Timer::Handshake);
        self.listen();
        self.set_status(Status::Syncing);
        self.sync_first();
    }

    pub(super) fn socket_text(&mut self, attempt: u64, text: &str) {
        if !self.connection.is_mine(attempt) {
            return;
        }
        self.listen();
        self.connection.since.get_or_insert(self.time.elapsed);
        self.connection.was_refused = false;
        let Some(frame) = from_server::<Frame>(text) else {
            return self.emit(Event::error("bad_json", "a frame that is not a JSON object"));
        };
        if frame.kind() == "reconnect" {
            self.connection.server_wait = frame.wait("after_ms").map(|wait| self.time.elapsed + wait);
        }
        self.receive(frame);
    }

    pub(super) fn socket_closed(&mut self, attempt: u64, code: u16, reason: &str) {
        if !self.connection.is_mine(attempt) {
            return;
        }
        match self.drop_socket(None) {
            Socket::None => {}
            Socket::Open(token) => self.closed_with(code, reason, &token),
            // The failed handshake does not tell a refused token from a server that is away. The API does.
            Socket::Opening(token) => {
                let then = Then::Probe(self.connection.attempt, token.clone());
                self.request_with(token, Request::new("GET", "/users/me"), then);
            }
        }
    }

    /// The API has answered why a handshake failed.
    pub(super) fn probed(&mut self, attempt: u64, token: &str, result: Result<Value, Error>) {
        match result {
            _ if !self.connection.is_mine(attempt) => {}
            Ok(_) => self.pause("handshake", None),
            Err(error) if error.status() == Some(401) => {
                let reason = if error.code() == "token_expired" { "token_expired" } else { "unauthorized" };
                self.token_refused(reason, token);
            }
            Err(error) => self.no_token(&error),
        }
    }

    fn closed_with(&mut self, code: u16, reason: &str, token: &str) {
        match code {
            4001 => self.token_refused("unauthorized", token),
            4002 => self.token_refused("token_expired", token),
            4004 => self.token_refused("revoked", token),
            4000..4100 => {
                self.is_started = false;
                self.halt(Status::Stopped { reason: Some("closed".to_owned()) });
                let message = Some(reason.to_owned());
                let failure =
                    Failure { code: "closed".to_owned(), message, close_code: Some(code), ..Failure::default() };
                self.emit(Event::Error(failure));
            }
            _ => self.pause("closed", None),
        }
    }

    fn token_refused(&mut self, reason: &str, token: &str) {
        self.set_status(Status::Connecting);
        // If a fresh token is refused too, or there is nothing to refresh with, the session is over.
        let is_first = !std::mem::replace(&mut self.connection.was_refused, true);
        if is_first && self.session().is_some_and(|session| session.refresh.is_some()) {
            self.refresh(Some(token), Waiter::Reconnect(self.connection.attempt));
        } else {
            self.end_session(reason);
        }
    }

    // --- pauses ---

    /// Waits, then connects.
    fn pause(&mut self, reason: &str, at_least: Option<u64>) {
        if !self.connection.is_online {
            return self.set_status(Status::Offline);
        }
        let asked = self.connection.server_wait.map(|end| end.saturating_sub(self.time.elapsed));
        let wait = self.backoff().max(asked.or(at_least).unwrap_or_default());
        self.set_status(Status::Waiting {
            until: self.time.wall.saturating_add(wait),
            attempt: self.connection.failures,
            reason: reason.to_owned(),
        });
        self.set_timer(Timer::Wait, wait);
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most 90,000"
    )]
    fn backoff(&mut self) -> u64 {
        let limit = BACKOFF.saturating_mul(1 << self.connection.failures.min(16)).min(BACKOFF_MAX);
        self.connection.failures += 1;
        let factor = if self.connection.is_hidden { HIDDEN_FACTOR } else { 1.0 };
        ((self.config.random)() * limit as f64 * factor) as u64
    }

    /// Closes a connection that does not answer, and connects again.
    pub(super) fn fail(&mut self) {
        let reason = match self.connection.socket {
            Socket::None => return,
            Socket::Opening(_) => "handshake",
            Socket::Open(_) => "no_answer",
        };
        self.drop_socket(Some(4000));
        self.pause(reason, None);
    }

    pub(super) fn send(&mut self, frame: &Value) {
        if !matches!(self.connection.socket, Socket::None) {
            self.effect(Effect::Send(frame.to_string()));
        }
    }

    /// The first `sync` is answered.
    pub(super) fn connection_is_live(&mut self) {
        if self.connection.status == Status::Syncing {
            self.set_status(Status::Live);
        }
    }

    pub(super) const fn is_connected(&self) -> bool {
        matches!(self.connection.status, Status::Syncing | Status::Live)
    }
}
