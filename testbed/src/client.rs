//! Clients of the two services, for tests, the demo and load generators.

mod socket;

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

pub use self::socket::{Refused, Socket};
use crate::poll::until;

/// The longest wait for an answer or a frame. The slowest case, a lost publication, is repaired within 10 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// The pause before a retry.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// The password of every user that [`Api::user`] makes.
pub const PASSWORD: &str = "securepass123";

/// An HTTP answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body. `null` if it is empty or not JSON.
    pub body: Value,
}

/// A registered user with a token.
#[derive(Clone, Debug)]
pub struct User {
    /// The ID.
    pub id: String,
    /// The username.
    pub name: String,
    /// A new token.
    pub token: String,
}

/// A REST client of chat-service.
#[derive(Clone, Debug)]
pub struct Api {
    base: String,
    http: reqwest::Client,
}

impl Api {
    /// Returns a client of `base`, such as `http://127.0.0.1:8080`.
    #[must_use]
    pub fn new(base: impl Into<String>) -> Self {
        Self { base: base.into(), http: reqwest::Client::new() }
    }

    /// Sends a request, with an optional token and JSON body.
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
        let mut request = self.http.request(method.parse()?, format!("{}{path}", self.base)).timeout(ANSWER_TIMEOUT);
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

    /// Sends a `GET` request as a user.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn get(&self, path: &str, user: &User) -> anyhow::Result<Answer> {
        self.call("GET", path, Some(&user.token), None).await
    }

    /// Sends a `POST` request as a user.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn post(&self, path: &str, user: &User, body: &Value) -> anyhow::Result<Answer> {
        self.call("POST", path, Some(&user.token), Some(body)).await
    }

    /// Waits until the service is ready.
    ///
    /// # Errors
    /// It is not ready in time.
    pub async fn until_ready(&self) -> anyhow::Result<()> {
        let is_ready = async || self.call("GET", "/ready", None, None).await.is_ok_and(|answer| answer.status == 200);
        timeout(ANSWER_TIMEOUT, until(is_ready)).await.context("the service was not ready in time")
    }

    /// Returns the first line of a metric.
    ///
    /// # Errors
    /// There is no such metric.
    pub async fn metric(&self, name: &str) -> anyhow::Result<String> {
        let metrics =
            self.http.get(format!("{}/metrics", self.base)).timeout(ANSWER_TIMEOUT).send().await?.text().await?;
        let line = metrics.lines().find(|line| line.starts_with(name));
        line.map(str::to_owned).with_context(|| format!("there is no metric {name}"))
    }

    /// Sends a request until the answer is not 503, as the API asks for.
    ///
    /// # Errors
    /// There is no other answer in time.
    pub async fn call_patiently(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &Value,
    ) -> anyhow::Result<Answer> {
        retry(async || {
            let answer = self.call(method, path, token, Some(body)).await?;
            ensure!(answer.status != 503, "{path}: {answer:?}");
            Ok(answer)
        })
        .await
    }

    /// Registers a user with this name and logs in.
    ///
    /// # Errors
    /// Either is refused.
    pub async fn user(&self, name: &str) -> anyhow::Result<User> {
        let credentials = json!({ "username": name, "password": PASSWORD });
        let registered = self.call_patiently("POST", "/api/v1/auth/register", None, &credentials).await?;
        // If the answer to the first attempt was 503, the user may be registered all the same. The login shows whether it is.
        ensure!(matches!(registered.status, 201 | 409), "register: {registered:?}");
        let login = self.call_patiently("POST", "/api/v1/auth/login", None, &credentials).await?;
        ensure!(login.status == 200, "register: {registered:?}, login: {login:?}");
        Ok(User { id: text(&login.body["user"]["id"])?, name: name.to_owned(), token: text(&login.body["token"])? })
    }

    /// Registers a user with a random name and logs in.
    ///
    /// # Errors
    /// As [`Api::user`].
    pub async fn any_user(&self) -> anyhow::Result<User> {
        self.user(&format!("u-{}", Uuid::new_v4().simple())).await
    }

    /// Returns the ID of the chat of two users. Creates it if necessary.
    ///
    /// # Errors
    /// The request is refused.
    pub async fn chat(&self, user: &User, partner: &User) -> anyhow::Result<String> {
        let body = json!({ "partner_id": partner.id });
        let answer = self.call_patiently("POST", "/api/v1/chats", Some(&user.token), &body).await?;
        ensure!(matches!(answer.status, 200 | 201), "chat: {answer:?}");
        text(&answer.body["id"])
    }
}

/// Retries until it succeeds or a timeout passes. A busy system may refuse requests for a while.
///
/// # Errors
/// The last error.
pub async fn retry<T>(work: impl AsyncFn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let deadline = Instant::now() + ANSWER_TIMEOUT;
    loop {
        match work().await {
            Err(_) if Instant::now() < deadline => tokio::time::sleep(RETRY_PAUSE).await,
            result => return result,
        }
    }
}

/// Registers a user, whose name begins with `prefix`, and signs in. Tries again as [`retry`] does.
///
/// # Errors
/// It failed for too long.
pub async fn sign_up(client: &neonchat_client::Client, prefix: &str) -> anyhow::Result<()> {
    let name = format!("{prefix}-{}", Uuid::new_v4().simple());
    retry(async || match client.register(&name, PASSWORD).await {
        // The answer to the first attempt was lost.
        Err(error) if error.code() == "username_taken" => Ok(()),
        other => Ok(other.map(drop)?),
    })
    .await?;
    retry(async || Ok(client.login(&name, PASSWORD).await?)).await
}

/// Opens the chat of two users who are signed in.
///
/// # Errors
/// It failed for too long.
pub async fn open_chat(
    first: &neonchat_client::Client,
    second: &neonchat_client::Client,
) -> anyhow::Result<neonchat_client::ChatId> {
    let body = json!({ "partner_id": second.session().context("nobody is signed in")?.user_id() });
    let chat: Value = retry(async || Ok(first.rest().post("/chats").json(&body).send().await?)).await?;
    Ok(serde_json::from_value(chat["id"].clone())?)
}

/// Returns the text of a JSON string.
///
/// # Errors
/// The value is not a string.
pub fn text(value: &Value) -> anyhow::Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("{value} is not a string"))
}
