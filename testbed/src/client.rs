//! Clients of the two services, as tests, the demo and load generators use them.

mod socket;

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

pub use self::socket::{Refused, Socket};
use crate::poll::until;

/// The longest that anything expected is waited for. What is slowest, a publication that was lost, is found within 10 s.
const PATIENCE: Duration = Duration::from_secs(20);

/// Pauses before something that was refused is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// The password of every user that [`Api::user`] makes.
pub const PASSWORD: &str = "securepass123";

/// An answer over HTTP.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body, `null` where it has none or one that is no JSON.
    pub body: Value,
}

/// A registered user with a token.
#[derive(Clone, Debug)]
pub struct User {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
    /// A token, just issued.
    pub token: String,
}

/// chat-service over REST.
#[derive(Clone, Debug)]
pub struct Api {
    base: String,
    http: reqwest::Client,
}

impl Api {
    /// At `base`, such as `http://127.0.0.1:8080`.
    #[must_use]
    pub fn new(base: impl Into<String>) -> Self {
        Self { base: base.into(), http: reqwest::Client::new() }
    }

    /// Asks, with a token and a body where they are given.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn call(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let mut request = self.http.request(method.parse()?, format!("{}{path}", self.base)).timeout(PATIENCE);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.with_context(|| format!("{method} {path}"))?;
        let status = response.status().as_u16();
        let body = response.bytes().await?;
        Ok(Answer { status, body: serde_json::from_slice(&body).unwrap_or_default() })
    }

    /// `GET`, as a user.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn get(&self, path: &str, user: &User) -> anyhow::Result<Answer> {
        self.call("GET", path, Some(&user.token), None).await
    }

    /// `POST`, as a user.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn post(&self, path: &str, user: &User, body: &Value) -> anyhow::Result<Answer> {
        self.call("POST", path, Some(&user.token), Some(body)).await
    }

    /// Waits until `/ready` says so.
    ///
    /// # Errors
    /// It does not within a while.
    pub async fn until_ready(&self) -> anyhow::Result<()> {
        let is_ready = async || self.call("GET", "/ready", None, None).await.is_ok_and(|answer| answer.status == 200);
        timeout(PATIENCE, until(is_ready)).await.context("it was not ready in time")
    }

    /// The first line of a metric.
    ///
    /// # Errors
    /// There is none of this name.
    pub async fn metric(&self, name: &str) -> anyhow::Result<String> {
        let metrics = self.http.get(format!("{}/metrics", self.base)).timeout(PATIENCE).send().await?.text().await?;
        let line = metrics.lines().find(|line| line.starts_with(name));
        line.map(str::to_owned).with_context(|| format!("there is no metric {name}"))
    }

    /// Registers a user under this name and logs in.
    ///
    /// # Errors
    /// Either is refused.
    pub async fn user(&self, name: &str) -> anyhow::Result<User> {
        let credentials = json!({ "username": name, "password": PASSWORD });
        let registered = self.call("POST", "/api/v1/auth/register", None, Some(&credentials)).await?;
        ensure!(registered.status == 201, "register: {registered:?}");
        let login = self.call("POST", "/api/v1/auth/login", None, Some(&credentials)).await?;
        ensure!(login.status == 200, "login: {login:?}");
        Ok(User { id: text(&login.body["user"]["id"])?, name: name.to_owned(), token: text(&login.body["token"])? })
    }

    /// A user of whom the name does not matter.
    ///
    /// # Errors
    /// As [`Api::user`].
    pub async fn any_user(&self) -> anyhow::Result<User> {
        self.user(&format!("u-{}", uuid::Uuid::new_v4().simple())).await
    }

    /// The id of the chat of two users, which is made where there is none.
    ///
    /// # Errors
    /// It is refused.
    pub async fn chat(&self, user: &User, partner: &User) -> anyhow::Result<String> {
        let answer = self.post("/api/v1/chats", user, &json!({ "partner_id": partner.id })).await?;
        ensure!(matches!(answer.status, 200 | 201), "chat: {answer:?}");
        text(&answer.body["id"])
    }
}

/// Tries until it succeeds, for a while: a system that is busy refuses now and then, and says so.
///
/// # Errors
/// The last one.
pub async fn retry<T>(work: impl AsyncFn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match work().await {
            Err(_) if Instant::now() < deadline => tokio::time::sleep(RETRY_PAUSE).await,
            result => return result,
        }
    }
}

/// A JSON string.
///
/// # Errors
/// It is none.
pub fn text(value: &Value) -> anyhow::Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("{value} is no text"))
}
