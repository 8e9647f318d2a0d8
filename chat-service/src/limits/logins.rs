//! The limits on logins that fail.
//!
//! By name and address, so that nobody can lock a user out from elsewhere; and by address, whatever the name, so that
//! one host cannot try a password on many users. A login is counted before its password is looked at, and taken back
//! when it did not fail: many at once cannot pass before the first is counted.

use std::time::Duration;

use thiserror::Error;

use super::{
    address::ClientAddress,
    limiter::{Limiter, Rule, Taken},
};
use crate::users::username::Username;

const WINDOW: Duration = Duration::from_mins(15);

/// For one user from one address.
const OF_NAME: Rule = Rule { limit: 10, window: WINDOW };

/// For all users from one address.
const OF_ADDRESS: Rule = Rule { limit: 30, window: WINDOW };

/// The limits on failed logins.
#[derive(Clone)]
pub struct LoginLimit {
    limiter: Limiter,
    is_on: bool,
}

/// Too many logins failed: under this name from this address, or from this address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too many logins failed")]
pub struct TooManyFailures {
    /// What has to be waited before the next.
    pub wait: Duration,
}

/// A login of which it is not known yet whether it fails. It counts as failed until it is told otherwise.
pub struct Attempt<'a> {
    limit: &'a LoginLimit,
    keys: Option<Keys>,
}

struct Keys {
    of_name: Option<String>,
    of_address: String,
}

impl LoginLimit {
    /// With `is_on` false there is none.
    #[must_use]
    pub fn new(limiter: Limiter, is_on: bool) -> Self {
        Self { limiter, is_on }
    }

    /// Counts a login. What cannot be a name is counted by address alone.
    ///
    /// # Errors
    /// Too many failed before. This one is then not counted.
    pub async fn begin(&self, name: Option<&Username>, from: ClientAddress) -> Result<Attempt<'_>, TooManyFailures> {
        if !self.is_on {
            return Ok(Attempt { limit: self, keys: None });
        }
        let of_address = format!("limit:login:{from}");
        let of_name = name.map(|name| format!("{of_address}:{}", name.key()));
        if let Some(key) = &of_name {
            self.take(key, OF_NAME).await?;
        }
        self.take(&of_address, OF_ADDRESS).await?;
        Ok(Attempt { limit: self, keys: Some(Keys { of_name, of_address }) })
    }

    async fn take(&self, key: &str, rule: Rule) -> Result<(), TooManyFailures> {
        match self.limiter.take(key, rule).await {
            Taken::Passed(_) | Taken::Uncounted => Ok(()),
            Taken::Refused(quota) => {
                metrics::counter!("rate_limited_total", "limit" => "login").increment(1);
                Err(TooManyFailures { wait: quota.reset })
            }
        }
    }
}

impl Attempt<'_> {
    /// It was the user: the failures under this name are forgotten, those of the address are not, or who has a login of
    /// their own could try on for ever.
    pub async fn succeeded(self) {
        let Some(Keys { of_name, of_address }) = self.keys else { return };
        if let Some(key) = of_name {
            self.limit.limiter.forget(&key).await;
        }
        self.limit.limiter.give_back(&of_address).await;
    }

    /// It came to nothing, for a reason that is not the client's.
    pub async fn void(self) {
        let Some(Keys { of_name, of_address }) = self.keys else { return };
        for key in of_name.into_iter().chain([of_address]) {
            self.limit.limiter.give_back(&key).await;
        }
    }
}
