//! A limit that all instances share.
//!
//! A sliding window of two counters: what was let through in the running window, and as much of the window before as is
//! still within reach. It begins with the first request, so that the first `limit` pass whenever they come, and never
//! lets many more through in any window. A fixed window lets twice the limit through around its end, and a token bucket (GCRA)
//! nearly twice in its first window; a log of all requests is exact, and costs memory by the limit instead of two numbers.

use std::time::Duration;

use fred::{
    clients::Client,
    error::Error as RedisError,
    interfaces::{ClientLike as _, KeysInterface as _, LuaInterface as _},
    types::Expiration,
};
use neonchat_common::{
    error::{ApiError, ErrorCode},
    redis::namespace::Namespace,
};
use thiserror::Error;

/// The longest that a request waits for Redis before it passes unlimited.
const REDIS_TIMEOUT: Duration = Duration::from_millis(250);

/// Each is one atomic step with one key, as a cluster wants it. They go along with every call: Redis compiles them once,
/// and one that has just come up need not be told first. By their hashes was no faster (measured).
const ACQUIRE: &str = include_str!("acquire.lua");
const RELEASE: &str = include_str!("release.lua");

/// How many may pass in which time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    /// How many. At least 1.
    pub(crate) limit: u32,
    /// In which time.
    pub(crate) window: Duration,
}

/// What is left of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    /// How many may pass in a window.
    pub(crate) limit: u32,
    /// How many more may pass at once.
    pub(crate) remaining: u32,
    /// When more may pass: the end of the running window, or what has to be waited where nothing is left.
    pub(crate) reset: Duration,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It was counted, and passes.
    Allowed(Quota),
    /// It was not counted, and does not pass.
    Refused(Quota),
    /// Redis was not there to count it, and it passes.
    Uncounted,
}

/// Counts in Redis.
#[derive(Clone)]
pub(crate) struct Limiter {
    redis: Client,
    namespace: Namespace,
}

impl Limiter {
    /// Counts over this connection, under keys of this namespace.
    #[must_use]
    pub(crate) fn new(redis: Client, namespace: Namespace) -> Self {
        Self { redis, namespace }
    }

    /// Counts one, if the rule has room for it.
    pub(crate) async fn acquire(&self, key: &str, rule: Rule) -> Decision {
        let Rule { limit, window } = rule;
        let arguments = vec![limit.to_string(), window.as_millis().to_string()];
        match self.call(self.redis.eval(ACQUIRE, self.namespace.name(key), arguments)).await {
            Ok((remaining, _, wait)) if wait > 0 => {
                Decision::Refused(Quota { limit, remaining, reset: Duration::from_millis(wait) })
            }
            Ok((remaining, reset, _)) => {
                Decision::Allowed(Quota { limit, remaining, reset: Duration::from_millis(reset) })
            }
            Err(cause) => {
                metrics::counter!("rate_limit_bypassed_total").increment(1);
                tracing::debug!(error.cause = %cause, "request passed uncounted");
                Decision::Uncounted
            }
        }
    }

    /// Takes one back that passed. Where Redis is away it stays counted.
    pub(crate) async fn release(&self, key: &str) {
        let key = self.namespace.name(key);
        if let Err(cause) = self.call(self.redis.eval::<(), _, _, _>(RELEASE, key, Vec::<String>::new())).await {
            tracing::debug!(error.cause = %cause, "rate limit count not reduced");
        }
    }

    /// Forgets all that passed.
    pub(crate) async fn reset(&self, key: &str) {
        if let Err(cause) = self.call(self.redis.del::<(), _>(self.namespace.name(key))).await {
            tracing::debug!(error.cause = %cause, "rate limit count not deleted");
        }
    }

    /// Remembers a key for a time, without a value.
    pub(crate) async fn set_flag(&self, key: &str, time: Duration) {
        let expire = Expiration::PX(time.as_millis().try_into().unwrap_or(i64::MAX));
        if let Err(cause) =
            self.call(self.redis.set::<(), _, _>(self.namespace.name(key), 1, Some(expire), None, false)).await
        {
            tracing::debug!(error.cause = %cause, "rate limit key not stored");
        }
    }

    /// Whether a key is remembered. It is not where Redis is away.
    pub(crate) async fn has_flag(&self, key: &str) -> bool {
        self.call(self.redis.exists::<u32, _>(self.namespace.name(key))).await.is_ok_and(|count| count > 0)
    }

    /// Not at all where Redis is known to be away, and for a moment where it does not answer.
    async fn call<T>(&self, question: impl Future<Output = Result<T, RedisError>>) -> Result<T, RedisUnavailable> {
        if !self.redis.is_connected() {
            return Err(RedisUnavailable::NotConnected);
        }
        let answer = tokio::time::timeout(REDIS_TIMEOUT, question).await;
        Ok(answer.map_err(|_| RedisUnavailable::TooLate)??)
    }
}

/// Why Redis did not count.
#[derive(Debug, Error)]
enum RedisUnavailable {
    #[error("Redis is not connected")]
    NotConnected,
    #[error("Redis did not answer in time")]
    TooLate,
    #[error(transparent)]
    Failed(#[from] RedisError),
}

/// The answer to what comes too soon.
#[must_use]
pub(crate) fn rate_limited(wait: Duration) -> ApiError {
    let seconds = whole_seconds(wait);
    let detail = format!("Too many requests. Try again in {seconds} s.");
    ApiError { retry_after: Some(Duration::from_secs(seconds)), ..ApiError::new(ErrorCode::RateLimited, detail) }
}

/// Returns the seconds of a duration, rounded up: a client that comes back then does not come too soon.
#[must_use]
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}
