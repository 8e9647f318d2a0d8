//! How a client begins.

use std::{fmt, sync::Arc};

use tokio::sync::mpsc;
use url::Url;

use super::Client;
use crate::{
    MemoryStore, Session, Store,
    core::{Config, Core},
    driver::{Clock, Driver, Http, Shared, Storage, Tls, checked_websocket_url, websocket_url, without_api},
    store::{Op, Saved, StoreError},
};

/// How many calls may wait for the driver. Further ones wait at the caller.
const COMMANDS: usize = 256;

/// Why a client cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The URL is not one of http or https.
    #[error("not a URL of http or https: {0:?}")]
    Url(String),
    /// The URL of the WebSocket is not one of ws or wss.
    #[error("not a URL of ws or wss: {0:?}")]
    WebSocketUrl(String),
    /// The URL is one of https or wss, and the crate was built without the feature `tls`.
    #[error("{0} needs the feature `tls` of neonchat-client")]
    NoTls(String),
    /// A root certificate cannot be used.
    #[error("not a root certificate: {0}")]
    Certificate(String),
    /// The store cannot be read.
    #[error("the store cannot be read: {0}")]
    Store(StoreError),
    /// TLS is not available.
    #[error("no TLS: {0}")]
    Tls(String),
}

/// Not as the source, whose text would be printed twice.
impl From<StoreError> for BuildError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Builds a [`Client`].
pub struct Builder {
    url: String,
    web_socket_url: Option<String>,
    store: Box<dyn Store>,
    session: Option<Session>,
    delivered: bool,
    /// Root certificates, each a PEM file.
    roots: Vec<Vec<u8>>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Builder").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Builder {
    pub(super) fn new(url: String) -> Self {
        let store = Box::new(MemoryStore::new());
        Self { url, web_socket_url: None, store, session: None, delivered: true, roots: Vec::new() }
    }

    /// Where the WebSocket is, such as `wss://chat.example.org/ws`. `http` and `https` become `ws` and `wss`; without a path it
    /// is `/ws`.
    ///
    /// By default it is at port 8082 of the same host if `url` has a port, else at the path `/ws` of `url`. If the server is
    /// elsewhere, `ws_url` of `GET /api/v1/client-config`, which needs no session, is its address.
    #[must_use]
    pub fn web_socket_url(mut self, url: impl Into<String>) -> Self {
        self.web_socket_url = Some(url.into());
        self
    }

    /// Where to keep the data: by default in memory.
    #[must_use]
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Box::new(store);
        self
    }

    /// The session of a former run, if the store does not have one of this user.
    #[must_use]
    pub fn session(mut self, session: Session) -> Self {
        self.session = Some(session);
        self
    }

    /// Whether to tell others which messages this device has received. It does by default.
    #[must_use]
    pub const fn delivered(mut self, is_told: bool) -> Self {
        self.delivered = is_told;
        self
    }

    /// Trusts the certificates of a PEM file, in addition to those of the system: that of your own certificate authority, or a
    /// self-signed one. Each call adds to the former ones. The name and the dates of the server's certificate are always checked.
    ///
    /// Without it, the roots are those of the system; the environment variables `SSL_CERT_FILE` and `SSL_CERT_DIR` replace them.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.push(pem.into());
        self
    }

    /// Returns a stopped client, with what the store has. It runs in a task of the current tokio runtime.
    ///
    /// # Errors
    /// A URL or a root certificate is invalid, or the store cannot be read.
    ///
    /// # Panics
    /// There is no tokio runtime.
    pub fn build(mut self) -> Result<Client, BuildError> {
        let url = without_api(&self.url);
        let base = Url::parse(url).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
        let base = base.ok_or_else(|| BuildError::Url(self.url.clone()))?;
        let web_socket = match self.web_socket_url.take() {
            Some(url) => checked_websocket_url(&url).ok_or(BuildError::WebSocketUrl(url))?.into(),
            None => websocket_url(url),
        };
        let is_secure = |url: &&str| url.starts_with("https:") || url.starts_with("wss:");
        let tls = match [base.as_str(), &web_socket].into_iter().find(is_secure) {
            Some(url) => Tls::load(url, &self.roots)?,
            None => Tls::unused()?,
        };
        let http = Http::new(base, tls);
        let (config, saved) = (self.config(), self.load()?);
        let clock = Clock::start();
        let core = Core::new(config, clock.now(), saved);
        let shared = Arc::new(Shared::new(core.session().cloned()));
        shared.load(core.chats(), core.outbox());
        let (commands, queue) = mpsc::channel(COMMANDS);
        let driver = Driver::new((core, clock, Storage(self.store)), (http, web_socket), queue, shared.clone());
        #[expect(clippy::disallowed_methods, reason = "it ends with the last handle, and `close` waits for it")]
        drop(tokio::spawn(driver.run()));
        Ok(Client { commands, shared })
    }

    fn config(&self) -> Config {
        Config {
            delivered: self.delivered,
            capacity: self.store.capacity(),
            random: Box::new(fastrand::f64),
            uuid: Box::new(uuid::Uuid::new_v4),
        }
    }

    /// Reads the store. A session that was passed may be older than the stored one of the same user, whose refresh token is the
    /// valid one.
    fn load(&mut self) -> Result<Saved, StoreError> {
        let mut saved = self.store.load()?;
        let stored =
            saved.values.get("session").and_then(|value| serde_json::from_value::<Session>(value.clone()).ok());
        let passed =
            self.session.take().filter(|passed| stored.is_none_or(|stored| stored.user_id() != passed.user_id()));
        if let Some(session) = passed.and_then(|session| serde_json::to_value(session).ok()) {
            self.store.write(&[Op::set("session", session.clone())])?;
            saved.values.insert("session".to_owned(), session);
        }
        Ok(saved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn refuses_what_is_not_a_url_of_a_websocket() {
        for url in ["", "localhost:19182", "ftp://localhost/ws"] {
            let client = Client::builder("http://localhost:8080").web_socket_url(url).build();
            let error = client.expect_err("not a URL of a WebSocket");
            assert_eq!(error.to_string(), format!("not a URL of ws or wss: {url:?}"));
        }
        for url in ["http://localhost:19182", "ws://localhost:19182/ws"] {
            Client::builder("http://localhost:8080").web_socket_url(url).build().expect("build client");
        }
    }

    #[cfg(feature = "tls")]
    #[tokio::test]
    async fn refuses_what_is_not_a_root_certificate() {
        for (pem, expected) in [
            ("", "no certificate in PEM was found"),
            ("-----BEGIN CERTIFICATE-----\n", "section end"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "invalid peer certificate: BadEncoding"),
        ] {
            let error =
                Client::builder("https://localhost").root_certificates(pem).build().expect_err("no certificate");
            let error = error.to_string();
            assert!(error.starts_with("not a root certificate: ") && error.contains(expected), "{error}");
        }
    }

    #[cfg(not(feature = "tls"))]
    #[tokio::test]
    async fn needs_the_feature_for_a_secure_url() {
        let at = |url: &str| Client::builder(url);
        for builder in [at("https://localhost"), at("HTTPS://localhost"), at("http://h").web_socket_url("wss://h")] {
            let error = builder.build().expect_err("no TLS").to_string();
            assert!(error.ends_with(" needs the feature `tls` of neonchat-client"), "{error}");
        }
    }
}
