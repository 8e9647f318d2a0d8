//! Limits on refreshes of sessions.
//!
//! A genuine refresh token is limited by its session, so that the users behind one address do not share a limit. All others are limited
//! by address, together with the calls that create or check passwords.

use std::time::Duration;

use neonchat_common::{http::address::ClientAddress, ids::SessionId};

use super::limiter::{Decision, Limiter, Rule};
use crate::config::LimitSettings;

const MINUTE: Duration = Duration::from_mins(1);

/// The limits on refreshes.
#[derive(Clone)]
pub(crate) struct RefreshLimit {
    limiter: Limiter,
    per_session: Option<Rule>,
    per_address: Option<Rule>,
}

impl RefreshLimit {
    /// Allows a session as many refreshes per minute as requests of a user, and an address without a genuine token as many as requests
    /// to `/auth`.
    pub(crate) fn new(limiter: Limiter, limits: LimitSettings) -> Self {
        let rule = |limit| (limit > 0).then_some(Rule { limit, window: MINUTE });
        Self { limiter, per_session: rule(limits.requests_per_minute), per_address: rule(limits.auth_per_minute) }
    }

    /// Counts a refresh of a session.
    ///
    /// # Errors
    /// How long to wait, if there were too many.
    pub(crate) async fn acquire(&self, session: SessionId) -> Result<(), Duration> {
        self.count(&format!("limit:refresh:{session}"), self.per_session).await
    }

    /// Counts a refresh without a genuine token.
    ///
    /// # Errors
    /// How long to wait, if there were too many.
    pub(crate) async fn acquire_refused(&self, from: ClientAddress) -> Result<(), Duration> {
        self.count(&format!("limit:auth:{from}"), self.per_address).await
    }

    async fn count(&self, key: &str, rule: Option<Rule>) -> Result<(), Duration> {
        let Some(rule) = rule else { return Ok(()) };
        match self.limiter.acquire(key, rule).await {
            Decision::Allowed(_) | Decision::Uncounted => Ok(()),
            Decision::Refused(quota) => {
                metrics::counter!("rate_limited_total", "limit" => "refresh").increment(1);
                Err(quota.reset)
            }
        }
    }
}
