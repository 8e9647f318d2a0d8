//! Starts, continues, checks and lists sessions. [`ending`](super::ending) ends them.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt as _, TryFutureExt as _, future::BoxFuture};
use neonchat_common::{
    correlation,
    http::address::ClientAddress,
    ids::{SessionId, TokenId, UserId},
    security::SecurityEvent,
    security_event,
    tasks::Tasks,
    token::{Claims, TokenError, TokenRef, Tokens},
};
use secrecy::SecretString;
use tokio::sync::Semaphore;

use super::{
    error::SessionError,
    in_flight::{Entry, InFlight, Outcome},
    model::{Device, Grant, Refreshed, SessionLimit, SessionList, SessionUser},
    purge,
    refresh_token::{RefreshToken, RefreshTokens},
    refused::RefusedTokens,
    store::{self, NewSession, Standing},
};
use crate::{
    config::{LimitSettings, SessionSettings},
    db::{Db, DbResult},
    limits::{limiter::Limiter, refreshes::RefreshLimit},
    notifier::Notifier,
};

/// The most updates of the time of last use at once. Such an update may be left out: a later request makes it.
const MAX_TOUCHES: usize = 2;

/// Refreshes, by outcome.
pub(crate) const REFRESHES_TOTAL: &str = "session_refreshes_total";
pub(crate) const REFRESH_OUTCOMES: [&str; 4] = ["rotated", "repeated", "reused", "refused"];

/// Starts, continues, checks, lists and ends sessions.
#[derive(Clone)]
pub(crate) struct Sessions {
    pub(super) db: Db,
    pub(super) notifier: Notifier,
    pub(super) tasks: Tasks,
    tokens: Tokens,
    refresh_tokens: RefreshTokens,
    /// How long a session lasts without a refresh.
    lifetime: Duration,
    max_per_user: u32,
    refresh_limit: RefreshLimit,
    in_flight: InFlight,
    refused: RefusedTokens,
    touches: Arc<Semaphore>,
}

impl Sessions {
    /// Starts the deletion of ended sessions.
    pub(crate) fn start(
        (db, notifier, tasks): (Db, Notifier, Tasks),
        tokens: Tokens,
        settings: SessionSettings,
        limiter: &Limiter,
        limits: LimitSettings,
    ) -> Self {
        let SessionSettings { refresh_key, lifetime, max_per_user } = settings;
        purge::start(&tasks, db.clone());
        Self {
            db,
            notifier,
            tasks,
            tokens,
            refresh_tokens: RefreshTokens::new(refresh_key),
            lifetime,
            max_per_user,
            refresh_limit: RefreshLimit::new(limiter.clone(), limits),
            in_flight: InFlight::default(),
            refused: RefusedTokens::default(),
            touches: Arc::new(Semaphore::new(MAX_TOUCHES)),
        }
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

    /// Checks that a token's user exists, and that neither the token nor its session was revoked. It queries Postgres each time, so
    /// a logout takes effect on every instance immediately.
    pub(crate) async fn check(&self, user: UserId, token: TokenRef) -> Result<(), SessionError> {
        let Standing { has_user, is_revoked, is_stale } = store::standing(&self.db, user, token).await?;
        if has_user && !is_revoked {
            if let Some(session) = token.sid.filter(|_| is_stale) {
                self.touch(session);
            }
            return Ok(());
        }
        self.refused.add(token.jti);
        Err(if has_user { SessionError::Revoked } else { SessionError::CallerNotFound })
    }

    /// Records in the background that a session is used.
    fn touch(&self, session: SessionId) {
        let Ok(permit) = Arc::clone(&self.touches).try_acquire_owned() else { return };
        let db = self.db.clone();
        self.tasks.spawn(correlation::in_current_scope(async move {
            if let Err(error) = store::touch(&db, session).await {
                tracing::debug!(session.id = %session, error.cause = %error, "use of a session not recorded");
            }
            drop(permit);
        }));
    }

    /// Starts a session of a user whose password has this hash. Returns `None` if the hash is another one by now. If the user has too
    /// many sessions, the one that was used least recently ends.
    pub(crate) async fn begin(
        &self,
        user: SessionUser,
        password_hash: &str,
        device_name: Option<&str>,
        device: &Device,
    ) -> Result<Option<Grant>, SessionError> {
        let new = NewSession {
            id: SessionId::new(),
            user: user.id,
            password_hash,
            device_name,
            device,
            lifetime: self.lifetime_secs(),
            max: self.max_per_user,
        };
        let Some(surplus) = store::start(&self.db, &new).await? else { return Ok(None) };
        metrics::counter!("sessions_started_total").increment(1);
        tracing::info!(user.id = %user.id, session.id = %new.id, "logged in");
        self.announce_surplus(user.id, surplus);
        self.grant(user, RefreshToken { session: new.id, counter: 0 }, self.lifetime).map(Some)
    }

    /// Continues the session of a refresh token, which is used up. Within a minute, the token gets the same successor again. If it was
    /// used before that, its session ends.
    pub(crate) async fn refresh(
        &self,
        token: &SecretString,
        device: Device,
        from: ClientAddress,
    ) -> Result<Grant, SessionError> {
        let Some(token) = self.refresh_tokens.verify(token) else {
            security_event!(SecurityEvent::RefreshRejected, client.address = %from);
            return Err(self.refuse_refresh(from, SessionError::ForgedRefreshToken).await);
        };
        self.refresh_limit.acquire(token.session).await.map_err(SessionError::TooMany)?;
        let (outcome, is_new) =
            self.in_flight.join(token, |entry| self.begin_refresh(token, device, from, entry)).await;
        match outcome.map_err(SessionError::Shared)? {
            Refreshed::Continued { user, counter, expires_in, is_repeated } => {
                count_refresh(if is_new && !is_repeated { "rotated" } else { "repeated" });
                self.grant(user, RefreshToken { counter, ..token }, expires_in)
            }
            Refreshed::Reused(_) => {
                count_refresh("reused");
                Err(SessionError::Reused)
            }
            Refreshed::Ended => {
                count_refresh("refused");
                Err(SessionError::Ended)
            }
        }
    }

    /// Begins a refresh in a task: if the session ends, its sockets are closed even if the client disconnects.
    fn begin_refresh(
        &self,
        token: RefreshToken,
        device: Device,
        from: ClientAddress,
        entry: Entry,
    ) -> BoxFuture<'static, Outcome> {
        let sessions = self.clone();
        let work = async move {
            let refreshed = sessions.rotate(token, &device, from).await;
            drop(entry);
            refreshed
        };
        let task = self.tasks.spawn(correlation::in_current_scope(work));
        async move { task.await?.map_err(SessionError::Db) }.map_err(Arc::new).boxed()
    }

    async fn rotate(&self, token: RefreshToken, device: &Device, from: ClientAddress) -> DbResult<Refreshed> {
        let session = token.session;
        let refreshed = store::refresh(&self.db, token, device, self.lifetime_secs()).await?;
        match &refreshed {
            Refreshed::Continued { .. } => {}
            Refreshed::Reused(user) => {
                security_event!(SecurityEvent::SessionReused, user.id = %user, session.id = %session, client.address = %from);
                self.announce_reused(*user, session).await;
            }
            Refreshed::Ended => {
                security_event!(SecurityEvent::TokenRevoked, session.id = %session, client.address = %from);
            }
        }
        Ok(refreshed)
    }

    /// Counts a refresh without a genuine token. Returns the error for the client.
    pub(crate) async fn refuse_refresh(&self, from: ClientAddress, error: SessionError) -> SessionError {
        count_refresh("refused");
        self.refresh_limit.acquire_refused(from).await.map_or_else(SessionError::TooMany, |()| error)
    }

    fn grant(
        &self,
        user: SessionUser,
        refresh_token: RefreshToken,
        refresh_expires_in: Duration,
    ) -> Result<Grant, SessionError> {
        let session = refresh_token.session;
        let token = self.tokens.issue_for_session(user.id, &user.username, session).map_err(SessionError::Internal)?;
        Ok(Grant {
            user,
            session,
            token: token.into(),
            expires_in: self.tokens.lifetime(),
            refresh_token: self.refresh_tokens.derive(refresh_token),
            refresh_expires_in,
        })
    }

    /// Returns a page of the caller's sessions.
    pub(crate) async fn list(
        &self,
        claims: &Claims,
        after: Option<SessionId>,
        limit: SessionLimit,
    ) -> Result<SessionList, SessionError> {
        let mut sessions = store::list(&self.db, claims.user_id, after, limit, claims.sid).await?;
        let next = limit.next_place(&mut sessions, |session| session.id.to_string());
        Ok(SessionList { sessions, next })
    }

    /// Returns the session of a genuine refresh token.
    pub(super) fn session_of(&self, token: &SecretString) -> Option<SessionId> {
        self.refresh_tokens.verify(token).map(|token| token.session)
    }

    /// Returns the lifetime in seconds. The settings bound it.
    fn lifetime_secs(&self) -> i32 {
        i32::try_from(self.lifetime.as_secs()).unwrap_or(i32::MAX)
    }
}

fn count_refresh(outcome: &'static str) {
    metrics::counter!(REFRESHES_TOTAL, "outcome" => outcome).increment(1);
}
