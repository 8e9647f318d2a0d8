//! A rate limiter in Redis, shared by all instances.
//!
//! It is a sliding window of two counters: the requests in the current window, and a share of those in the previous
//! one. The first window starts with the first request, so the first `limit` requests always pass, and hardly more pass
//! in any window. A fixed window allows twice the limit around its end, and a token bucket (GCRA) nearly twice in its
//! first window. A log of all requests is exact, but its memory grows with the limit, while this takes two numbers.

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

/// The timeout for Redis. After it, a request passes without a limit.
const REDIS_TIMEOUT: Duration = Duration::from_millis(250);

/// Each script is atomic and uses one key, as Redis Cluster requires. Every call sends the text of the script. Redis
/// caches the compiled script, and a restarted Redis needs no preparation. Calling scripts by their hashes was not
/// faster when measured.
const ACQUIRE: &str = include_str!("acquire.lua");
const RELEASE: &str = include_str!("release.lua");

/// A limit: the number of requests in a window of time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    /// The number of requests. At least 1.
    pub(crate) limit: u32,
    pub(crate) window: Duration,
}

/// What is left of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Requests allowed per window.
    pub(crate) limit: u32,
    /// Requests that may still pass now.
    pub(crate) remaining: u32,
    /// The time until the window ends; if nothing remains, until the next request may pass.
    pub(crate) reset: Duration,
}

/// The decision about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It passes, and was counted.
    Allowed(Quota),
    /// It is refused, and was not counted.
    Refused(Quota),
    /// It passes without being counted, because Redis is unavailable.
    Uncounted,
}

/// Counts requests in Redis.
#[derive(Clone)]
pub(crate) struct Limiter {
    redis: Client,
    namespace: Namespace,
}

impl Limiter {
    pub(crate) fn new(redis: Client, namespace: Namespace) -> Self {
        Self { redis, namespace }
    }

    /// Counts a request if the limit allows it.
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
                tracing::debug!(error.cause = %cause, "redis unavailable, request allowed without rate limit");
                Decision::Uncounted
            }
        }
    }

    /// Uncounts a request that passed. If Redis is unavailable, it stays counted.
    pub(crate) async fn release(&self, key: &str) {
        let key = self.namespace.name(key);
        if let Err(cause) = self.call(self.redis.eval::<(), _, _, _>(RELEASE, key, Vec::<String>::new())).await {
            tracing::debug!(error.cause = %cause, "rate limit count not reduced");
        }
    }

    /// Deletes the counts of a key.
    pub(crate) async fn reset(&self, key: &str) {
        if let Err(cause) = self.call(self.redis.del::<(), _>(self.namespace.name(key))).await {
            tracing::debug!(error.cause = %cause, "rate limit count not deleted");
        }
    }

    /// Sets a key that expires after `time`.
    pub(crate) async fn set_flag(&self, key: &str, time: Duration) {
        let expire = Expiration::PX(time.as_millis().try_into().unwrap_or(i64::MAX));
        if let Err(cause) =
            self.call(self.redis.set::<(), _, _>(self.namespace.name(key), 1, Some(expire), None, false)).await
        {
            tracing::debug!(error.cause = %cause, "rate limit key not stored");
        }
    }

    /// Returns whether a key is set; `false` if Redis is unavailable.
    pub(crate) async fn has_flag(&self, key: &str) -> bool {
        self.call(self.redis.exists::<u32, _>(self.namespace.name(key))).await.is_ok_and(|count| count > 0)
    }

    /// Calls Redis within [`REDIS_TIMEOUT`], or fails immediately if the connection is known to be lost.
    async fn call<T>(&self, command: impl Future<Output = Result<T, RedisError>>) -> Result<T, RedisUnavailable> {
        if !self.redis.is_connected() {
            return Err(RedisUnavailable::NotConnected);
        }
        let answer = tokio::time::timeout(REDIS_TIMEOUT, command).await;
        Ok(answer.map_err(|_| RedisUnavailable::Timeout)??)
    }
}

/// Why Redis did not execute a command.
#[derive(Debug, Error)]
enum RedisUnavailable {
    #[error("Redis is not connected")]
    NotConnected,
    #[error("Redis did not answer in time")]
    Timeout,
    #[error(transparent)]
    Failed(#[from] RedisError),
}

/// Returns the error for a request that exceeds a limit.
pub(crate) fn rate_limited(wait: Duration) -> ApiError {
    let seconds = whole_seconds(wait);
    let detail = format!("Too many requests. Try again in {seconds} s.");
    ApiError { retry_after: Some(Duration::from_secs(seconds)), ..ApiError::new(ErrorCode::RateLimited, detail) }
}

/// Returns the seconds of a duration, rounded up, so that a client that waits for them is not refused again.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}
