//! Verifies and revokes sessions.

use chrono::{DateTime, Utc};
use neonchat_common::{
    correlation,
    ids::{TokenId, UserId},
    tasks::Tasks,
    token::{Claims, TokenError, Tokens},
};

use super::{error::SessionError, refused::RefusedTokens, store};
use crate::{db::Db, notifier::Notifier};

/// Verifies and revokes sessions. A session is one token.
#[derive(Clone)]
pub(crate) struct Sessions {
    db: Db,
    tokens: Tokens,
    notifier: Notifier,
    tasks: Tasks,
    refused: RefusedTokens,
}

impl Sessions {
    pub(crate) fn new(db: Db, tokens: Tokens, notifier: Notifier, tasks: Tasks) -> Self {
        Self { db, tokens, notifier, tasks, refused: RefusedTokens::default() }
    }

    /// Verifies signature and expiry of a token, and returns its claims. [`Sessions::check`] finds out whether it was
    /// revoked.
    pub(crate) fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        self.tokens.verify(token)
    }

    /// Returns whether an earlier [`Sessions::check`] in this process refused the token.
    pub(crate) fn is_known_refused(&self, token: TokenId) -> bool {
        self.refused.has(token)
    }

    /// Checks that a token's user exists and that the token was not revoked. It queries Postgres each time, so a logout
    /// takes effect on every instance immediately.
    pub(crate) async fn check(&self, user: UserId, token: TokenId) -> Result<(), SessionError> {
        let refusal = match store::find_user_and_revocation(&self.db, user, token).await? {
            (true, false) => return Ok(()),
            (true, true) => SessionError::Revoked,
            (false, _) => SessionError::CallerNotFound,
        };
        self.refused.add(token);
        Err(refusal)
    }

    /// Revokes a token. When this returns, all instances refuse it, and the sockets that it opened are being closed.
    pub(crate) async fn revoke(&self, claims: Claims) -> Result<(), SessionError> {
        // In a task: the sockets are closed even if the client disconnects after the commit.
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
