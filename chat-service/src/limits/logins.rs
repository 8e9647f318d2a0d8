//! Limits on failed logins.
//!
//! One limit is by name and address, so that nobody can lock a user out from another address. The other is by address
//! alone, so that one host cannot try a password on many users. It is larger, because many users may share an address,
//! and does not apply to a user who has logged in from the address before. A login is counted before its password is
//! checked, and uncounted if it did not fail, so that concurrent logins cannot exceed the limit.

use std::time::Duration;

use neonchat_common::http::address::ClientAddress;
use thiserror::Error;

use super::limiter::{Decision, Limiter, Rule};

/// The window for failures of one name from one address.
const NAME_WINDOW: Duration = Duration::from_mins(15);

/// The window for failures from one address.
const ADDRESS_WINDOW: Duration = Duration::from_hours(1);

/// How long a user counts as known at an address after a login.
const KNOWN_FOR: Duration = Duration::from_hours(30 * 24);

/// The limits on failed logins.
#[derive(Clone)]
pub(crate) struct LoginLimit {
    limiter: Limiter,
    per_name: Option<Rule>,
    per_address: Option<Rule>,
}

/// Too many logins failed: for this name from this address, or from this address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too many logins failed")]
pub(crate) struct TooManyFailures {
    /// How long to wait before the next login.
    pub(crate) wait: Duration,
}

/// A login whose outcome is not known yet. It counts as failed until [`Attempt::succeeded`] or [`Attempt::cancel`].
pub(crate) struct Attempt<'a> {
    limiter: &'a Limiter,
    /// The keys under which it was counted.
    of_name: Option<String>,
    of_address: Option<String>,
    /// The key that says that the user is known at the address.
    known: Option<String>,
}

impl LoginLimit {
    /// Allows `per_name` failures for one name from one address in 15 minutes, and `per_address` failures from one
    /// address in an hour. 0 is no limit.
    pub(crate) fn new(limiter: Limiter, per_name: u32, per_address: u32) -> Self {
        let rule = |limit, window| (limit > 0).then_some(Rule { limit, window });
        Self { limiter, per_name: rule(per_name, NAME_WINDOW), per_address: rule(per_address, ADDRESS_WINDOW) }
    }

    /// Counts a login under the key of its username, which all spellings of the name share. Without a name, it is
    /// counted only by address.
    ///
    /// # Errors
    /// Too many logins failed before. This one is then not counted.
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

    /// Deletes the failures for this name, because the password was right. The failures of the address stay: otherwise an
    /// attacker with an own account could reset them.
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

    /// Uncounts the login, because it failed for a reason that is not the client's.
    pub(crate) async fn cancel(self) {
        for key in self.of_name.into_iter().chain(self.of_address) {
            self.limiter.release(&key).await;
        }
    }
}
