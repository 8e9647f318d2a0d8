//! Requests to the REST API.

use std::fmt;

use serde::{Serialize, de::DeserializeOwned};

use super::Client;
use crate::{
    Error,
    core::{Call, Reply, Request},
};

/// Requests to the REST API, with the token of the session. If it has expired, it is refreshed and the request is repeated.
#[derive(Clone, Debug)]
pub struct Rest {
    pub(super) client: Client,
}

/// A request that was not sent yet.
#[must_use = "it is sent by `send`"]
pub struct RestRequest {
    client: Client,
    request: Request,
    /// The body could not be written as JSON.
    error: Option<serde_json::Error>,
}

/// Without the body, which may have a password.
impl fmt::Debug for RestRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Request { method, path, .. } = &self.request;
        formatter.debug_struct("RestRequest").field("method", method).field("path", path).finish_non_exhaustive()
    }
}

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident $method:literal)*) => {$(
        $(#[$doc])*
        pub fn $name(&self, path: impl Into<String>) -> RestRequest {
            RestRequest { client: self.client.clone(), request: Request::new($method, path), error: None }
        }
    )*};
}

impl Rest {
    methods! {
        /// A `GET` of a path below `/api/v1`, such as `/users/me`.
        get "GET"
        /// A `POST`.
        post "POST"
        /// A `PUT`.
        put "PUT"
        /// A `PATCH`.
        patch "PATCH"
        /// A `DELETE`.
        delete "DELETE"
    }
}

impl RestRequest {
    /// Adds a parameter of the query.
    pub fn query(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.request = self.request.query(name, value);
        self
    }

    /// Sets the body.
    pub fn json(mut self, body: &impl Serialize) -> Self {
        match serde_json::to_value(body) {
            Ok(body) => self.request.body = Some(body),
            Err(error) => self.error = Some(error),
        }
        self
    }

    /// Sends it. `T` is what the answer has; `()` for an answer without a body.
    ///
    /// # Errors
    /// [`Error::Api`], [`Error::Network`], [`Error::SignedOut`]; [`Error::Answer`] if the answer is not a `T`.
    pub async fn send<T: DeserializeOwned>(self) -> Result<T, Error> {
        let text = |error: serde_json::Error| Error::Answer(error.to_string());
        if let Some(error) = self.error {
            return Err(text(error));
        }
        match self.client.call(Call::Request(self.request)).await? {
            Reply::Json(answer) => serde_json::from_value(answer).map_err(text),
            _ => Err(Error::Closed),
        }
    }
}
