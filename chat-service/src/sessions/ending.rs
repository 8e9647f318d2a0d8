//! Ends sessions, and closes their sockets on all instances.

use std::future::Future;

use neonchat_common::{
    bus::EndedSessions,
    correlation,
    ids::{SessionId, UserId},
    token::Claims,
};
use secrecy::SecretString;

use super::{error::SessionError, model::Which, service::Sessions, store};

/// Sessions that ended before their time, by reason.
pub(crate) const ENDED_TOTAL: &str = "sessions_ended_total";
pub(crate) const END_REASONS: [&str; 5] = ["logout", "revoked", "password", "reuse", "limit"];

impl Sessions {
    /// Logs out: ends the session of a token, and revokes the token. When this returns, all instances refuse them, and the sockets that
    /// they opened are being closed.
    pub(crate) async fn log_out(&self, claims: Claims) -> Result<(), SessionError> {
        if let Some(session) = claims.sid {
            self.end(claims.user_id, Which::One(session), "logout").await?;
        }
        // Also the token of a session: a notification-service of the version before knows no sessions.
        self.revoke(claims).await
    }

    /// Logs out by the refresh token of a cookie. A token that is not genuine, or whose session has ended, has no effect.
    pub(super) async fn log_out_by_refresh_token(&self, token: &SecretString) -> Result<(), SessionError> {
        let Some(session) = self.session_of(token) else { return Ok(()) };
        let Some(user) = store::user_of(&self.db, session).await? else { return Ok(()) };
        self.end(user, Which::One(session), "logout").await.map(drop)
    }

    /// Ends all sessions of a user, and revokes the tokens that belong to none.
    pub(crate) async fn log_out_everywhere(&self, claims: Claims) -> Result<(), SessionError> {
        self.end(claims.user_id, Which::AllBut(None), "logout").await?;
        // See `log_out`. Also, a fast clock may have issued a token without a session in the future.
        self.revoke(claims).await
    }

    /// Ends one session of a user.
    pub(crate) async fn end_one(&self, user: UserId, session: SessionId) -> Result<(), SessionError> {
        let ended = self.end(user, Which::One(session), "revoked").await?;
        if ended.session_ids.is_empty() { Err(SessionError::NotFound) } else { Ok(()) }
    }

    /// Replaces the password hash of the caller, and ends all other sessions. Returns whether the hash was still `old`.
    pub(crate) async fn replace_password(
        &self,
        claims: &Claims,
        old: String,
        new: String,
    ) -> Result<bool, SessionError> {
        let (user, kept) = (claims.user_id, claims.sid);
        self.in_task(async move |sessions| {
            let replaced = store::replace_password(&sessions.db, user, (&old, &new), kept).await?;
            let Some(ended) = replaced else { return Ok(false) };
            tracing::info!(user.id = %user, "password changed");
            sessions.announce(user, ended, "password").await;
            Ok(true)
        })
        .await
    }

    async fn revoke(&self, claims: Claims) -> Result<(), SessionError> {
        self.in_task(async move |sessions| {
            let (user, token) = (claims.user_id, claims.jti);
            store::revoke(&sessions.db, token, user, claims.expires_at()).await?;
            tracing::info!(user.id = %user, "logged out");
            sessions.notifier.session_revoked(user, token).await;
            Ok(())
        })
        .await
    }

    async fn end(&self, user: UserId, which: Which, reason: &'static str) -> Result<EndedSessions, SessionError> {
        self.in_task(async move |sessions| {
            let ended = store::end(&sessions.db, user, which).await?;
            sessions.announce(user, ended.clone(), reason).await;
            Ok(ended)
        })
        .await
    }

    /// Announces a session that ended because its refresh token was reused.
    pub(super) async fn announce_reused(&self, user: UserId, session: SessionId) {
        self.announce(user, EndedSessions { session_ids: vec![session], issued_before: None }, "reuse").await;
    }

    /// Announces the sessions that ended because a user has too many. The login does not wait for it.
    pub(super) fn announce_surplus(&self, user: UserId, session_ids: Vec<SessionId>) {
        let (sessions, ended) = (self.clone(), EndedSessions { session_ids, issued_before: None });
        let work = async move { sessions.announce(user, ended, "limit").await };
        self.tasks.spawn(correlation::in_current_scope(work));
    }

    async fn announce(&self, user: UserId, ended: EndedSessions, reason: &'static str) {
        if ended == EndedSessions::default() {
            return;
        }
        let count = ended.session_ids.len();
        metrics::counter!(ENDED_TOTAL, "reason" => reason).increment(count as u64);
        tracing::info!(user.id = %user, sessions = count, reason, "sessions ended");
        self.notifier.sessions_ended(user, ended).await;
    }

    /// Does work in a task: the sockets are closed even if the client disconnects after the commit.
    async fn in_task<T, F>(&self, work: impl FnOnce(Self) -> F) -> Result<T, SessionError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, SessionError>> + Send + 'static,
    {
        self.tasks.spawn(correlation::in_current_scope(work(self.clone()))).await?
    }
}
