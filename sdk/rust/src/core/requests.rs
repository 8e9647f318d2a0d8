//! Requests to the REST API. One with an expired token refreshes the session, and is repeated once.

use std::collections::HashMap;

use serde_json::Value;

use super::{Answer, CallId, Core, Effect, Reply, Request, session::Waiter};
use crate::{Error, error::Problem, frame::from_server};

/// What is asked until there is an answer, or the connection ends.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    /// A page of the list of chats.
    List { archived: bool, after: String },
    /// A chat. `listed`: because it is not in the list.
    Look { chat: crate::ChatId, listed: bool },
    /// Events after the cursor of a chat.
    Fill(crate::ChatId),
}

/// Whom an answer is for.
pub(super) enum Then {
    /// A handshake of this attempt failed, with this token.
    Probe(u64, String),
    /// A refresh, with the generation of the session.
    Refresh(u64),
    /// A login, and whether it is with a cookie.
    Login(CallId, bool),
    Logout(CallId),
    /// What is asked, with the generation of the connection.
    Ask(u64, Ask),
    /// A page of messages.
    Page(u64),
    /// The application.
    Call(CallId),
}

struct Pending {
    request: Request,
    /// Whether it is made with the token of the session.
    is_own: bool,
    token: Option<String>,
    cookie: bool,
    is_repeated: bool,
    then: Then,
}

/// The requests without an answer.
#[derive(Default)]
pub(super) struct Requests {
    last: u64,
    pending: HashMap<u64, Pending>,
}

impl Core {
    /// Makes a request with the token of the session, if there is one.
    pub(super) fn request(&mut self, request: Request, then: Then) {
        self.request_cookie(request, false, then);
    }

    pub(super) fn request_cookie(&mut self, request: Request, cookie: bool, then: Then) {
        let is_own = self.session().is_some();
        let id = self.add(Pending { request, is_own, token: None, cookie, is_repeated: false, then });
        if is_own {
            self.with_token(Waiter::Request(id));
        } else {
            self.transmit(id);
        }
    }

    /// Makes a request with this token, whatever becomes of it.
    pub(super) fn request_with(&mut self, token: String, request: Request, then: Then) {
        let pending = Pending { request, is_own: false, token: Some(token), cookie: false, is_repeated: false, then };
        let id = self.add(pending);
        self.transmit(id);
    }

    /// Makes a request without a token.
    pub(super) fn request_without(&mut self, request: Request, cookie: bool, then: Then) {
        let id = self.add(Pending { request, is_own: false, token: None, cookie, is_repeated: false, then });
        self.transmit(id);
    }

    fn add(&mut self, pending: Pending) -> u64 {
        self.requests.last += 1;
        self.requests.pending.insert(self.requests.last, pending);
        self.requests.last
    }

    fn transmit(&mut self, id: u64) {
        let Some(pending) = self.requests.pending.get(&id) else { return };
        let (request, token) = (pending.request.clone(), pending.token.clone());
        let cookie = pending.cookie;
        self.effect(Effect::Request { id, request, token, cookie });
    }

    /// The token that a request waited for.
    pub(super) fn token_for_request(&mut self, id: u64, token: Result<String, Error>) {
        match token {
            Ok(token) => {
                if let Some(pending) = self.requests.pending.get_mut(&id) {
                    pending.token = Some(token);
                }
                self.transmit(id);
            }
            Err(error) => {
                if let Some(pending) = self.requests.pending.remove(&id) {
                    self.deliver(pending.then, Err(error));
                }
            }
        }
    }

    pub(super) fn answered(&mut self, id: u64, answer: Result<Answer, String>) {
        let Some(pending) = self.requests.pending.get_mut(&id) else { return };
        let is_refused = answer.as_ref().is_ok_and(|answer| answer.status == 401);
        if is_refused && pending.is_own && !pending.is_repeated {
            pending.is_repeated = true;
            // Another request may have refreshed meanwhile: then this does not do it again.
            let used = pending.token.clone();
            return self.refresh(used.as_deref(), Waiter::Request(id));
        }
        if let Some(pending) = self.requests.pending.remove(&id) {
            self.deliver(pending.then, read(answer));
        }
    }

    fn deliver(&mut self, then: Then, result: Result<Value, Error>) {
        match then {
            Then::Probe(attempt, token) => self.probed(attempt, &token, result),
            Then::Refresh(generation) => self.refreshed(generation, result),
            Then::Login(call, cookie) => self.accept(call, result, cookie),
            Then::Logout(call) => self.logged_out(call, &result),
            Then::Ask(generation, ask) => self.told(generation, ask, result),
            Then::Page(id) => self.page_answered(id, result),
            Then::Call(call) => self.reply(call, result.map(Reply::Json)),
        }
    }
}

/// Returns the body of an answer. What is not JSON, such as the page of a proxy, is a string.
fn read(answer: Result<Answer, String>) -> Result<Value, Error> {
    let Answer { status, retry_after_ms, body } = answer.map_err(Error::Network)?;
    let json = if body.is_empty() { Some(Value::Null) } else { from_server(&body) };
    if (200..300).contains(&status) {
        return Ok(json.unwrap_or(Value::String(body)));
    }
    Err(Error::Api(Box::new(Problem::new(status, retry_after_ms, json.unwrap_or_default()))))
}
