//! The limits on logins that fail.
//!
//! By name and address, so that nobody can lock a user out from elsewhere. And by address whatever the name, so that one
//! host cannot try a password on many users: this limit is larger, since many users may share an address, and a user who
//! has logged in from the address before is not subject to it. A login is counted before its password is checked, and the
//! count is taken back if it did not fail, so that many at once cannot pass before the first is counted.

use std::time::Duration;

use neonchat_common::http::address::ClientAddress;
use thiserror::Error;

use super::limiter::{Decision, Limiter, Rule};

/// In which time failures of one name from one address are counted.
const NAME_WINDOW: Duration = Duration::from_mins(15);

/// In which time failures from one address are counted.
const ADDRESS_WINDOW: Duration = Duration::from_hours(1);

/// How long after a login a user is known at an address.
const KNOWN_FOR: Duration = Duration::from_hours(30 * 24);

/// The limits on failed logins.
#[derive(Clone)]
pub(crate) struct LoginLimit {
    limiter: Limiter,
    per_name: Option<Rule>,
    per_address: Option<Rule>,
}

/// Too many logins failed: under this name from this address, or from this address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too many logins failed")]
pub(crate) struct TooManyFailures {
    /// What has to be waited before the next.
    pub(crate) wait: Duration,
}

/// A login whose outcome is not known yet. It counts as failed until it is told otherwise.
pub(crate) struct Attempt<'a> {
    limiter: &'a Limiter,
    /// What it was counted under.
    of_name: Option<String>,
    of_address: Option<String>,
    /// Under what the user is known at the address.
    known: Option<String>,
}

impl LoginLimit {
    /// With these numbers of failures, for one name from one address in 15 minutes and for one address in an hour. 0 is no
    /// limit.
    #[must_use]
    pub(crate) fn new(limiter: Limiter, per_name: u32, per_address: u32) -> Self {
        let rule = |limit, window| (limit > 0).then_some(Rule { limit, window });
        Self { limiter, per_name: rule(per_name, NAME_WINDOW), per_address: rule(per_address, ADDRESS_WINDOW) }
    }

    /// Counts a login, under the key of its username: spellings of one name share a key. What cannot be a name is counted by
    /// address alone.
    ///
    /// # Errors
    /// Too many failed before. This one is then not counted.
    pub(crate) async fn begin(
        &self,
        name: Option<String>,
        from: ClientAddress,
    ) -> Result<Attempt<'_>, TooManyFailures> {
        let of_address = format!("limit:login:{from}");
        let of_name = name.as_ref().map(|name| format!("{of_address}:{name}"));
        let known = name.filter(|_| self.per_address.is_some()).map(|name| format!("known:{from}:{name}"));
        let mut attempt = Attempt { limiter: &self.limiter, of_name: None, of_address: None, known };
        if let (Some(rule), Some(key)) = (self.per_name, of_name) {
            self.acquire(&key, rule).await?;
            attempt.of_name = Some(key);
        }
        if let Some(rule) = self.per_address {
            match self.acquire(&of_address, rule).await {
                Ok(()) => attempt.of_address = Some(of_address),
                Err(refused) => {
                    if !attempt.is_of_known_user().await {
                        attempt.cancel().await;
                        return Err(refused);
                    }
                }
            }
        }
        Ok(attempt)
    }

    async fn acquire(&self, key: &str, rule: Rule) -> Result<(), TooManyFailures> {
        match self.limiter.acquire(key, rule).await {
            Decision::Allowed(_) | Decision::Uncounted => Ok(()),
            Decision::Refused(quota) => Err(TooManyFailures { wait: quota.reset }),
        }
    }
}

impl Attempt<'_> {
    async fn is_of_known_user(&self) -> bool {
        match &self.known {
            Some(key) => self.limiter.has_flag(key).await,
            None => false,
        }
    }

    /// The password was right: the failures under this name are forgotten. Those of the address are not, since otherwise
    /// an attacker with an account could go on for ever.
    pub(crate) async fn succeeded(self) {
        if let Some(key) = self.of_name {
            self.limiter.reset(&key).await;
        }
        if let Some(key) = self.of_address {
            self.limiter.release(&key).await;
        }
        if let Some(key) = self.known {
            self.limiter.set_flag(&key, KNOWN_FOR).await;
        }
    }

    /// It came to nothing, for a reason that is not the client's.
    pub(crate) async fn cancel(self) {
        for key in self.of_name.into_iter().chain(self.of_address) {
            self.limiter.release(&key).await;
        }
    }
}
