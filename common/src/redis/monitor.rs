//! Tells the operator what is wrong with a connection to Redis: once when it goes wrong, and once when it is well again.
//!
//! Clients connect again by themselves and commands fail one by one, at a level that nobody reads. What Redis answers
//! (`WRONGPASS`, `NOAUTH`, `NOPERM`, `READONLY` …) would otherwise be in no log.

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

use crate::lifecycle::Tasks;

/// How often a command is tried.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// What is wrong where Redis gave no code.
const UNREACHABLE: &str = "unreachable";

/// Watches one connection. Clones watch the same one.
#[derive(Clone, Debug, Default)]
pub struct Monitor(Arc<Mutex<Option<Fault>>>);

#[derive(Debug)]
struct Fault {
    /// The first word of Redis' error, or [`UNREACHABLE`].
    code: String,
    since: Instant,
}

impl Monitor {
    /// Starts watching a client, which the log calls `name`. Where there is a `probe`, the key of this name is deleted every
    /// second, which shows whether Redis takes commands that write.
    #[must_use]
    pub fn start(client: &Client, name: &'static str, probe: Option<String>, tasks: &Tasks) -> Self {
        let monitor = Self::default();
        let watch = Watch { client: client.clone(), name, probe, monitor: monitor.clone() };
        tasks.spawn_until_stopped(watch.run());
        monitor
    }

    /// Returns what is wrong: the code of Redis' error, such as `WRONGPASS`, or `unreachable`.
    #[must_use]
    pub fn error_code(&self) -> Option<String> {
        self.lock().as_ref().map(|fault| fault.code.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Fault>> {
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
                // The error that ended a connection comes before the next connection.
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
                // On a cluster one node may be away, and the probe asks another one.
                _ = tick.tick(), if self.client.is_connected() => self.probe(!self.client.is_clustered()).await,
            }
        }
    }

    /// Tries a command. Where it succeeds, the connection is well if that `clears` it.
    async fn probe(&self, clears: bool) {
        let answer = match &self.probe {
            Some(key) => self.client.del::<(), _>(key).await,
            None => Ok(()),
        };
        match answer {
            Ok(()) if clears => self.well(),
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
        *fault = Some(Fault { code: code.to_owned(), since });
        drop(fault);
        if code == UNREACHABLE {
            tracing::warn!(redis.client = self.name, error.cause = %error, "redis connection lost");
        } else {
            tracing::error!(redis.client = self.name, error.code = code, error.cause = %error, "redis refuses commands");
        }
    }

    fn well(&self) {
        let Some(Fault { since, .. }) = self.monitor.lock().take() else { return };
        let down_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(redis.client = self.name, down_ms, "redis connection restored");
    }
}

/// The first word of an answer of Redis: upper case by convention. `ERR`, which says nothing, is the word for the rest.
fn code(details: &str) -> &str {
    let word = details.split_whitespace().next().unwrap_or_default();
    let is_code = word.len() >= 3 && word.bytes().all(|byte| byte.is_ascii_uppercase());
    if is_code { word } else { UNREACHABLE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_what_redis_says_first() {
        assert_eq!(code("WRONGPASS invalid username-password pair or user is disabled."), "WRONGPASS");
        assert_eq!(code("READONLY You can't write against a read only replica."), "READONLY");
        for other in ["Connection refused (os error 111)", "IO error", "", "A b", "Request timed out."] {
            assert_eq!(code(other), UNREACHABLE, "{other}");
        }
    }
}
