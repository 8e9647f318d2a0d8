//! A device of a user: a socket on whichever instance, opened again whenever it ends, and REST beside it.

use std::time::Duration;

use anyhow::Context as _;
use neonchat_testbed::client::Socket;
use tokio::{sync::mpsc, task::JoinSet, time::timeout};

use super::{
    Load, Phase,
    rest::{Fetcher, Poster},
    session::Session,
    state::Shared,
};

/// The longest that opening a socket takes before another instance is tried.
const OPEN_LIMIT: Duration = Duration::from_secs(5);

/// Milliseconds between two attempts to connect, doubled from the first to the last. As much again is added at random.
const BACKOFF_MS: (u64, u64) = (50, 1000);

/// Chats that wait to be fetched. A socket that has to wait for room reads nothing meanwhile.
const MAX_FETCHES: usize = 64;

/// See the module.
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
        }
        tasks.spawn(self.stay_connected(fetches));
    }

    async fn stay_connected(mut self, fetches: mpsc::Sender<super::rest::Fetch>) {
        let (mut backoff, max) = BACKOFF_MS;
        while !self.shared.is(Phase::End) {
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
        timeout(OPEN_LIMIT, Socket::open(&base, &self.shared.user, None)).await.context("not opened in time")?
    }
}
