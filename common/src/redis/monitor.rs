//! Logs when a Redis connection fails and when it recovers, once each.
//!
//! Clients reconnect automatically, and log failed commands only at levels that are off by default. Without the
//! monitor, no log would have the error of Redis (`WRONGPASS`, `NOAUTH`, `NOPERM`, `READONLY` …).

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fred::{
    interfaces::{ClientLike as _, EventInterface as _, KeysInterface as _},
    prelude::{Client, Error},
};
use tokio::{
    select,
    sync::broadcast::error::RecvError,
    time::{Instant, MissedTickBehavior, interval},
};

use crate::tasks::Tasks;

/// The interval of probes.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// The error code if Redis did not answer with one.
const UNREACHABLE: &str = "unreachable";

/// Watches a connection. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct Monitor(Arc<Mutex<Option<Failure>>>);

#[derive(Debug)]
struct Failure {
    /// The first word of the error of Redis, or [`UNREACHABLE`].
    code: String,
    since: Instant,
}

impl Monitor {
    /// Starts watching a client. `name` identifies it in the log. If `probe` is set, the monitor deletes the key of this name every
    /// second, which checks that Redis accepts writes.
    #[must_use]
    pub fn start(client: &Client, name: &'static str, probe: Option<String>, tasks: &Tasks) -> Self {
        let monitor = Self::default();
        let watch = Watch { client: client.clone(), name, probe, monitor: monitor.clone() };
        tasks.spawn_until_stopped(watch.run());
        monitor
    }

    /// Returns the code of the current error: a code of Redis such as `WRONGPASS`, or `unreachable`.
    #[must_use]
    pub fn error_code(&self) -> Option<String> {
        self.lock().as_ref().map(|fault| fault.code.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Failure>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Watch {
    client: Client,
    name: &'static str,
    probe: Option<String>,
    monitor: Monitor,
}

impl Watch {
    async fn run(self) {
        let (mut errors, mut connected) = (self.client.error_rx(), self.client.reconnect_rx());
        let mut tick = interval(PROBE_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            select! {
                // The error that closed a connection has to be handled before the next connection.
                biased;
                error = errors.recv() => match error {
                    Ok((error, _)) => self.failed(&error),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
                connection = connected.recv() => match connection {
                    Ok(_) | Err(RecvError::Lagged(_)) => self.probe(true).await,
                    Err(RecvError::Closed) => return,
                },
                // On a cluster another node may answer the probe although one is unreachable.
                _ = tick.tick(), if self.client.is_connected() => self.probe(!self.client.is_clustered()).await,
            }
        }
    }

    /// Sends a probe. If it succeeds and `clears` is set, the connection counts as restored.
    async fn probe(&self, clears: bool) {
        let answer = match &self.probe {
            Some(key) => self.client.del::<(), _>(key).await,
            None => Ok(()),
        };
        match answer {
            Ok(()) if clears => self.restored(),
            Ok(()) => {}
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&self, error: &Error) {
        let code = code(error.details());
        let mut fault = self.monitor.lock();
        if fault.as_ref().is_some_and(|fault| fault.code == code) {
            return;
        }
        let since = fault.as_ref().map_or_else(Instant::now, |fault| fault.since);
        *fault = Some(Failure { code: code.to_owned(), since });
        drop(fault);
        if code == UNREACHABLE {
            tracing::warn!(redis.client = self.name, error.cause = %error, "redis connection lost");
        } else {
            tracing::error!(redis.client = self.name, error.code = code, error.cause = %error, "redis refused a command");
        }
    }

    fn restored(&self) {
        let Some(Failure { since, .. }) = self.monitor.lock().take() else { return };
        let down_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(redis.client = self.name, down_ms, "redis connection restored");
    }
}

/// Returns the first word of an error of Redis if it is a code, which is upper case by convention. `ERR` is the generic code.
fn code(details: &str) -> &str {
    let word = details.split_whitespace().next().unwrap_or_default();
    let is_code = word.len() >= 3 && word.bytes().all(|byte| byte.is_ascii_uppercase());
    if is_code { word } else { UNREACHABLE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_first_word_of_redis_error() {
        assert_eq!(code("WRONGPASS invalid username-password pair or user is disabled."), "WRONGPASS");
        assert_eq!(code("READONLY You can't write against a read only replica."), "READONLY");
        for other in ["Connection refused (os error 111)", "IO error", "", "A b", "Request timed out."] {
            assert_eq!(code(other), UNREACHABLE, "{other}");
        }
    }
}
