//! The tokens of the signed-in user. At most one refresh is in flight.

use serde_json::{Value, json};

use super::{CallId, Core, Reply, Request, Timer, requests::Then};
use crate::{
    Error, Session, Status, UserId,
    frame::{Object, number},
    session::{Refresh, SessionUser},
    store::Op,
};

/// How long before its end a token is refreshed, and the random part of that.
const LEAD: u64 = 60_000;
const JITTER: f64 = 10_000.0;
/// The pause after a refresh without an answer.
const RETRY: u64 = 5_000;
/// A token is not refreshed more often, however short it is valid.
const LEAST_RENEWAL: u64 = 1_000;

/// Who waits for a token.
#[derive(Clone, Copy, Debug)]
pub(super) enum Waiter {
    /// An attempt to connect.
    Connect(u64),
    /// An attempt whose token was refused.
    Reconnect(u64),
    /// A request.
    Request(u64),
    /// The timer, for nobody.
    Renewal,
}

/// The session, and who waits for its next token.
pub(super) struct Tokens {
    pub(super) data: Option<Session>,
    /// Whose data the store has.
    pub(super) owner: Option<UserId>,
    /// Counts sign-ins and sign-outs: the result of a refresh that began before the last one is dropped.
    generation: u64,
    is_refreshing: bool,
    waiters: Vec<Waiter>,
    is_scheduled: bool,
    /// The token that the timer replaces.
    scheduled: Option<String>,
}

impl Tokens {
    pub(super) const fn new(data: Option<Session>, owner: Option<UserId>) -> Self {
        let waiters = Vec::new();
        Self { data, owner, generation: 0, is_refreshing: false, waiters, is_scheduled: false, scheduled: None }
    }

    /// Returns how the session is stored.
    pub(super) fn stored(&self) -> Option<Op> {
        let mut session = self.data.clone()?;
        // A refresh token that nobody can read would be in vain if the access token were on the disk.
        if session.has_cookie() {
            session.access = None;
        }
        Some(Op::set("session", serde_json::to_value(session).unwrap_or_default()))
    }

    pub(super) fn saved(&self) -> impl Iterator<Item = Op> {
        let owner = self.owner.map(|owner| Op::set("owner", owner.to_string()));
        self.stored().into_iter().chain(owner)
    }
}

impl Core {
    /// Returns who is signed in.
    pub(super) fn me(&self) -> Option<UserId> {
        self.session().map(Session::user_id)
    }

    // --- sign-in and sign-out ---

    pub(super) fn login(&mut self, call: CallId, login: &crate::Login, cookie: bool) {
        let mut body = serde_json::to_value(login).unwrap_or_default();
        if cookie {
            body["cookie"] = true.into();
        }
        let request = Request { body: Some(body), ..Request::new("POST", "/auth/login") };
        self.request_without(request, cookie, Then::Login(call, cookie));
    }

    /// Takes the answer of a call that signs in.
    pub(super) fn accept(&mut self, call: CallId, answer: Result<Value, Error>, cookie: bool) {
        let refresh = cookie.then_some(Refresh::Cookie(true));
        let fresh = answer.and_then(|answer| self.read_session(&answer, refresh));
        let session = match fresh {
            Ok(session) => session,
            Err(error) => return self.reply(call, Err(error)),
        };
        self.session.generation += 1;
        self.adopt(Some(session));
        if self.is_started {
            self.halt(Status::Stopped { reason: None });
        }
        self.own_store();
        if self.is_started {
            self.begin();
        }
        self.reply(call, Ok(Reply::Done));
    }

    pub(super) fn logout(&mut self, call: CallId) {
        let cookie = self.session().is_some_and(Session::has_cookie);
        self.request_cookie(Request::new("POST", "/auth/logout"), cookie, Then::Logout(call));
    }

    pub(super) fn logged_out(&mut self, call: CallId, result: &Result<Value, Error>) {
        // A session that the server does not know any more has ended as well.
        match result {
            Err(error) if !matches!(error, Error::SignedOut(_)) && error.status() != Some(401) => {
                self.reply(call, Err(error.clone()));
            }
            _ => {
                self.end_session("logout");
                self.reply(call, Ok(Reply::Done));
            }
        }
    }

    /// The session is over. The data stays for the next sign-in of this user, except after `logout`.
    pub(super) fn end_session(&mut self, reason: &str) {
        self.adopt(None);
        if self.is_started {
            self.halt(Status::SignedOut { reason: reason.to_owned() });
        }
        if reason == "logout" {
            self.wipe();
        }
    }

    /// Stores a session, and uses it.
    fn adopt(&mut self, fresh: Option<Session>) {
        let former = std::mem::replace(&mut self.session.data, fresh);
        let stored = self.session.stored().unwrap_or_else(|| Op::Unset { key: "session".to_owned() });
        self.write(stored);
        let of =
            |session: &Option<Session>| session.as_ref().map(|session| (session.user_id(), session.access.clone()));
        let (was, is) = (of(&former), of(&self.session.data));
        if was.as_ref().map(|(user, _)| user) != is.as_ref().map(|(user, _)| user) {
            self.session.generation += 1;
        } else if let Some((_, Some(access))) = is.filter(|is| Some(is) != was.as_ref()) {
            self.authenticate(&access);
        }
        if self.session.is_scheduled {
            self.schedule();
        }
    }

    /// Tells the server a newer token.
    fn authenticate(&mut self, token: &str) {
        if self.is_connected() {
            let request_id = self.uuid();
            self.send(&json!({ "type": "auth", "token": token, "request_id": request_id }));
        }
    }

    /// Reads the answer of a login or refresh. `refresh` is the refresh token if the answer has none.
    fn read_session(&mut self, answer: &Value, refresh: Option<Refresh>) -> Result<Session, Error> {
        let unexpected = || Error::Answer("the answer of a login without a token".to_owned());
        let answer: &Object = answer.as_object().ok_or_else(unexpected)?;
        let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
        let user = answer.get("user").cloned().unwrap_or_default();
        let user: SessionUser = serde_json::from_value(user).map_err(|_| unexpected())?;
        let lifetime = number(answer, "expires_in").ok_or_else(unexpected)?.saturating_mul(1000);
        let device = text("session_id").or_else(|| self.session().map(|session| session.device_id.clone()));
        Ok(Session {
            access: Some(text("token").ok_or_else(unexpected)?),
            access_expires_at: self.time.wall.saturating_add(lifetime),
            lifetime,
            refresh: text("refresh_token").map(Refresh::Token).or(refresh),
            user,
            device_id: device.unwrap_or_else(|| self.uuid().to_string()),
        })
    }

    // --- tokens ---

    /// Resumes `waiter` with a token that has not expired.
    pub(super) fn with_token(&mut self, waiter: Waiter) {
        let Some(session) = &self.session.data else {
            return self.resume(waiter, Err(Error::SignedOut("no_session".to_owned())));
        };
        match &session.access {
            Some(access) if self.time.wall < session.access_expires_at => {
                let access = access.clone();
                self.resume(waiter, Ok(access));
            }
            used => {
                let used = used.clone();
                self.refresh(used.as_deref(), waiter);
            }
        }
    }

    /// Resumes `waiter` with a new token, or the present one if it is another than `used`.
    pub(super) fn refresh(&mut self, used: Option<&str>, waiter: Waiter) {
        let access = self.session().and_then(|session| session.access.clone());
        if let Some(access) = access.filter(|access| Some(access.as_str()) != used) {
            return self.resume(waiter, Ok(access));
        }
        self.session.waiters.push(waiter);
        if !self.session.is_refreshing {
            self.renew();
        }
    }

    fn renew(&mut self) {
        let Some(session) = &self.session.data else {
            return self.settle(&Err(Error::SignedOut("no_session".to_owned())));
        };
        let body = match &session.refresh {
            Some(Refresh::Token(token)) => json!({ "refresh_token": token }),
            Some(Refresh::Cookie(_)) => json!({}),
            None => {
                let is_valid = self.time.wall < session.access_expires_at;
                return self.over(if is_valid { "unauthorized" } else { "token_expired" });
            }
        };
        let cookie = session.has_cookie();
        self.session.is_refreshing = true;
        let request = Request { body: Some(body), ..Request::new("POST", "/auth/refresh") };
        self.request_without(request, cookie, Then::Refresh(self.session.generation));
    }

    pub(super) fn refreshed(&mut self, generation: u64, result: Result<Value, Error>) {
        self.session.is_refreshing = false;
        if generation != self.session.generation {
            return self.settle(&Err(Error::SignedOut("changed".to_owned())));
        }
        let refresh = self.session().and_then(|session| session.refresh.clone());
        match result.and_then(|answer| self.read_session(&answer, refresh)) {
            Ok(fresh) => {
                let token = fresh.access.clone().unwrap_or_default();
                self.adopt(Some(fresh));
                self.settle(&Ok(token));
            }
            Err(Error::Api(problem)) if problem.ends_session() => self.over(&problem.code),
            Err(error) if error.is_retryable() => self.settle(&Err(error)),
            // The page of a proxy says nothing about the session.
            Err(error) => self.settle(&Err(Error::Network(error.to_string()))),
        }
    }

    /// The session is over, because it cannot be refreshed.
    fn over(&mut self, reason: &str) {
        self.end_session(reason);
        self.settle(&Err(Error::SignedOut(reason.to_owned())));
    }

    fn settle(&mut self, result: &Result<String, Error>) {
        for waiter in std::mem::take(&mut self.session.waiters) {
            self.resume(waiter, result.clone());
        }
    }

    fn resume(&mut self, waiter: Waiter, token: Result<String, Error>) {
        match waiter {
            Waiter::Connect(attempt) => self.token_for_connection(attempt, token),
            Waiter::Reconnect(attempt) => self.token_was_refreshed(attempt, token),
            Waiter::Request(id) => self.token_for_request(id, token),
            Waiter::Renewal => {
                if let Some(error) = token.err().filter(|error| error.is_retryable() && self.session.is_scheduled) {
                    self.set_timer(Timer::Renewal, error.retry_after_ms().unwrap_or(RETRY));
                }
            }
        }
    }

    // --- in time ---

    /// Refreshes in time from now on.
    pub(super) fn schedule(&mut self) {
        self.session.is_scheduled = true;
        self.timers.clear(Timer::Renewal);
        let Some(session) = &self.session.data else { return };
        let (expires_at, longest) = (session.access_expires_at, session.lifetime / 4);
        let can_refresh = session.refresh.is_some();
        self.session.scheduled.clone_from(&session.access);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 10,000")]
        let lead = if can_refresh { (LEAD + ((self.config.random)() * JITTER) as u64).min(longest) } else { 0 };
        let wait = expires_at.saturating_sub(self.time.wall).saturating_sub(lead);
        self.set_timer(Timer::Renewal, wait.max(LEAST_RENEWAL));
    }

    /// Does not refresh any more before a token is needed.
    pub(super) fn unschedule(&mut self) {
        self.session.is_scheduled = false;
        self.timers.clear(Timer::Renewal);
    }

    pub(super) fn renew_in_time(&mut self) {
        let used = self.session.scheduled.clone();
        self.refresh(used.as_deref(), Waiter::Renewal);
    }
}
