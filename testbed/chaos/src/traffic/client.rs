//! A device of a user: a socket to a random instance, reopened when it ends, and REST calls beside it.

use std::time::Duration;

use anyhow::Context as _;
use neonchat_testbed::client::Socket;
use tokio::{sync::mpsc, task::JoinSet, time::timeout};

use super::{
    Load, Phase,
    changes::Changer,
    reactions::Reacter,
    rest::{Fetcher, Poster},
    scheduled::Scheduler,
    session::Session,
    state::Shared,
};

/// The longest that a handshake may take before the device tries another instance.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

/// The first and the longest backoff in milliseconds. It doubles after each attempt. Up to as much again is jitter.
const BACKOFF_MS: (u64, u64) = (50, 1000);

/// The capacity of the queue of chats to fetch. A session that waits for space does not read.
pub(super) const MAX_FETCHES: usize = 64;

/// A device of a user.
pub(super) struct Device {
    shared: Shared,
    load: Load,
    rng: fastrand::Rng,
}

impl Device {
    pub(super) const fn new(shared: Shared, load: Load, rng: fastrand::Rng) -> Self {
        Self { shared, load, rng }
    }

    /// Starts its tasks.
    pub(super) fn spawn(mut self, tasks: &mut JoinSet<()>) {
        let (fetches, queue) = mpsc::channel(MAX_FETCHES);
        tasks.spawn(Fetcher::new(self.shared.clone(), queue, self.rng.fork()).run());
        if self.load.rest {
            tasks.spawn(Poster::new(self.shared.clone(), self.load, self.rng.fork()).run());
            tasks.spawn(Changer::new(self.shared.clone(), self.load, self.rng.fork()).run());
            tasks.spawn(Reacter::new(self.shared.clone(), self.load, self.rng.fork()).run());
            tasks.spawn(Scheduler::new(self.shared.clone(), self.load, self.rng.fork()).run());
        }
        tasks.spawn(self.stay_connected(fetches));
    }

    async fn stay_connected(mut self, fetches: mpsc::Sender<super::rest::Fetch>) {
        let (mut backoff, max) = BACKOFF_MS;
        while !self.shared.is(Phase::Stopped) {
            let mut pause = Duration::from_millis(backoff + self.rng.u64(0..=backoff));
            match self.open().await {
                Ok(socket) => {
                    backoff = BACKOFF_MS.0;
                    self.shared.state.open();
                    let mut session = Session::new(socket, &self.shared, self.load, fetches.clone(), self.rng.fork());
                    if let Some(after) = session.run().await {
                        pause = after;
                    }
                    session.end();
                    self.shared.state.close();
                }
                Err(_) => backoff = (2 * backoff).min(max),
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn open(&mut self) -> anyhow::Result<Socket> {
        let base = self.shared.endpoints.socket(&mut self.rng);
        timeout(OPEN_TIMEOUT, Socket::open(&base, &self.shared.user, None)).await.context("the handshake timed out")?
    }
}
