//! Requests whose rate limit headers are asserted.

use neonchat_testbed::client::User;
use reqwest::{Client as Http, header::HeaderMap};

use crate::support::TestApp;

/// The status and the rate limit headers of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) status: u16,
    pub(super) limit: Option<u64>,
    pub(super) remaining: Option<u64>,
    pub(super) reset: Option<u64>,
    pub(super) retry_after: Option<u64>,
}

impl Outcome {
    fn new(status: u16, headers: &HeaderMap) -> Self {
        let number = |name| {
            headers.get(name).map(|value| value.to_str().expect("header as text").parse().expect("parse number"))
        };
        Self {
            status,
            limit: number("ratelimit-limit"),
            remaining: number("ratelimit-remaining"),
            reset: number("ratelimit-reset"),
            retry_after: number("retry-after"),
        }
    }

    #[track_caller]
    pub(super) fn assert_passed(&self, status: u16, limit: u64, remaining: u64) {
        assert_eq!((self.status, self.limit, self.remaining), (status, Some(limit), Some(remaining)), "{self:?}");
        assert!(self.reset.is_some_and(|reset| (1..=60).contains(&reset)) && self.retry_after.is_none(), "{self:?}");
    }

    #[track_caller]
    pub(super) fn assert_refused(&self, limit: u64) {
        assert_eq!((self.status, self.limit, self.remaining), (429, Some(limit), Some(0)), "{self:?}");
        let wait = self.retry_after.expect("find Retry-After");
        assert!(self.reset == Some(wait) && (1..=120).contains(&wait), "{self:?}");
    }
}

pub(super) async fn get(app: &TestApp, path: &str, token: Option<&str>, forwarded_for: &str) -> Outcome {
    let mut request = Http::new().get(format!("{}{path}", app.base)).header("X-Forwarded-For", forwarded_for);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.expect("send request");
    Outcome::new(response.status().as_u16(), response.headers())
}

pub(super) async fn me(app: &TestApp, user: &User) -> Outcome {
    get(app, "/api/v1/users/me", Some(&user.token), "").await
}

pub(super) async fn post(app: &TestApp, path: &str, token: &str, body: &serde_json::Value) -> Outcome {
    let request = Http::new().post(format!("{}{path}", app.base)).bearer_auth(token).json(body);
    let response = request.send().await.expect("send request");
    Outcome::new(response.status().as_u16(), response.headers())
}
