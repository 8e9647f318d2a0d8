//! Who bears which token, and for how long.

use chrono::{DateTime, Utc};
use neonchat_common::{
    correlation,
    ids::{TokenId, UserId},
    lifecycle::Tasks,
    token::{Claims, TokenError, Tokens},
};

use super::{error::SessionError, refused::RefusedTokens, store};
use crate::{db::Db, notifier::Notifier};

/// The sessions, each of them a token.
#[derive(Clone)]
pub(crate) struct Sessions {
    db: Db,
    tokens: Tokens,
    notifier: Notifier,
    tasks: Tasks,
    refused: RefusedTokens,
}

impl Sessions {
    /// With what they stand on.
    #[must_use]
    pub(crate) fn new(db: Db, tokens: Tokens, notifier: Notifier, tasks: Tasks) -> Self {
        Self { db, tokens, notifier, tasks, refused: RefusedTokens::default() }
    }

    /// Whose token it is. That of a good signature, whether or not it was revoked: see [`Sessions::check`].
    ///
    /// # Errors
    /// It is malformed, forged or has expired.
    pub(crate) fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        self.tokens.verify(token)
    }

    /// Whether this process has found before that a token is refused, although its signature is good.
    #[must_use]
    pub(crate) fn is_known_refused(&self, token: TokenId) -> bool {
        self.refused.has(token)
    }

    /// Checks that a token's user exists and that the token was not revoked. One query to Postgres each time, so that a
    /// logout holds on every instance at once.
    ///
    /// # Errors
    /// [`SessionError::CallerNotFound`], [`SessionError::Revoked`]
    pub(crate) async fn check(&self, user: UserId, token: TokenId) -> Result<(), SessionError> {
        let refusal = match store::find_user_and_revocation(&self.db, user, token).await? {
            (true, false) => return Ok(()),
            (true, true) => SessionError::Revoked,
            (false, _) => SessionError::CallerNotFound,
        };
        self.refused.add(token);
        Err(refusal)
    }

    /// Revokes a token. When this returns it is refused everywhere, and the sockets that it opened are being closed.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn revoke(&self, claims: Claims) -> Result<(), SessionError> {
        // In a task: a client that goes away after the commit does not leave its sockets open.
        let sessions = self.clone();
        let work = async move {
            let expires_at = i64::try_from(claims.exp).ok().and_then(|secs| DateTime::from_timestamp(secs, 0));
            let expires_at = expires_at.unwrap_or(DateTime::<Utc>::MAX_UTC);
            store::revoke(&sessions.db, claims.jti, claims.user_id, expires_at).await?;
            tracing::info!(user.id = %claims.user_id, "logged out");
            sessions.notifier.session_revoked(claims.user_id, claims.jti).await;
            Ok(())
        };
        self.tasks.spawn(correlation::in_current_scope(work)).await?
    }
}
