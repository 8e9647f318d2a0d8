//! Who is signed in.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{UserId, frame::Object};

/// Who is signed in, with the tokens. `Debug` does not show them; `Serialize` does, so that a session can be kept.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Absent in a stored session whose refresh token is a cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) access: Option<String>,
    /// Milliseconds since 1970.
    pub(crate) access_expires_at: u64,
    /// The milliseconds for which the access token was valid when it was issued.
    pub(crate) lifetime: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh: Option<Refresh>,
    pub(crate) user: SessionUser,
    pub(crate) device_id: String,
}

/// The refresh token.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Refresh {
    Token(String),
    /// `true`: it is in a cookie.
    Cookie(bool),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SessionUser {
    pub(crate) id: UserId,
    pub(crate) username: String,
}

impl Session {
    /// Returns the ID of the user.
    #[must_use]
    pub const fn user_id(&self) -> UserId {
        self.user.id
    }

    /// Returns the username.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.user.username
    }

    /// Returns the ID of this device: that of the session on the server.
    #[must_use]
    pub fn device_id(&self) -> &str {
        &self.device_id
    }

    /// Returns the access token, for requests that this client does not make.
    #[must_use]
    pub fn access_token(&self) -> Option<&str> {
        self.access.as_deref()
    }

    pub(crate) const fn has_cookie(&self) -> bool {
        matches!(self.refresh, Some(Refresh::Cookie(_)))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = formatter.debug_struct("Session");
        fields.field("user", &self.user).field("device_id", &self.device_id);
        fields.field("access_expires_at", &self.access_expires_at).finish_non_exhaustive()
    }
}

/// How to sign in.
#[derive(Clone, Serialize)]
pub struct Login {
    username: String,
    password: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_name: Option<String>,
    /// Further members of the request.
    #[serde(flatten)]
    extra: Object,
}

impl Login {
    /// Signs in with a password.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self { username: username.into(), password: password.into(), device_name: None, extra: Object::new() }
    }

    /// Names this device, for the user's list of sessions: 1 to 64 characters.
    #[must_use]
    pub fn device_name(mut self, name: impl Into<String>) -> Self {
        self.device_name = Some(name.into());
        self
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = formatter.debug_struct("Login");
        fields.field("username", &self.username).field("device_name", &self.device_name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::{Client, FileStore, Store as _, store::Op};

    #[tokio::test]
    async fn no_debug_output_has_a_secret() {
        let session = json!({
            "access": "secret-1", "access_expires_at": 0, "lifetime": 0, "refresh": "secret-2",
            "user": { "id": Uuid::nil(), "username": "alice" }, "device_id": "device",
        });
        let folder = tempfile::tempdir().expect("folder");
        let mut store = FileStore::open(folder.path().join("journal")).expect("open store");
        let op = Op::set("session", session.clone());
        store.write(std::slice::from_ref(&op)).expect("write");
        let session: Session = serde_json::from_value(session).expect("session");
        let stored = format!("{session:?} {op:?} {store:?} {:?}", store.load().expect("load"));
        let builder = Client::builder("http://localhost:8080").store(store);
        let building = format!("{builder:?} {:?}", Login::new("alice", "secret-3"));
        let client = builder.build().expect("build client");
        let running =
            format!("{client:?} {:?} {:?}", client.rest().post("/users").json(&["secret-4"]), client.events());
        let text = stored + &building + &running;
        assert!(text.contains("alice") && !text.contains("secret"), "{text}");
    }
}
