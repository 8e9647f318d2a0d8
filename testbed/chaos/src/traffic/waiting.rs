//! Waits for the clients: until they have what is stored, and until nothing is in flight.

use std::{convert::Infallible, time::Duration};

use anyhow::Context as _;
use neonchat_testbed::poll::{POLL_INTERVAL, until};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{
    Phase, State, Traffic,
    evidence::{self, Pending},
    ordinary::Ordinary,
};
use crate::cluster::Cluster;

/// How often a user looks who waits for messages.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

impl Traffic {
    /// Waits until the condition is true for each client.
    pub(super) async fn until(
        &self,
        limit: Duration,
        what: &str,
        is_true: impl Fn(&State) -> bool,
    ) -> anyhow::Result<()> {
        let of_all = async || self.clients().iter().all(|state| is_true(state));
        tokio::select! {
            result = timeout(limit, until(of_all)) => result.with_context(|| format!("not within {limit:?}: {what}")),
            never = self.look() => match never {},
        }
    }

    /// The users look at their ordinary clients, which do not wait for the next attempt to connect then.
    async fn look(&self) -> Infallible {
        loop {
            for ordinary in &self.ordinary {
                ordinary.wake().await;
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// Waits for the next ack. Returns the time it took, or `None` after `limit`.
    pub async fn first_ack(&self, limit: Duration) -> Option<Duration> {
        let (begun, before) = (Instant::now(), self.acks());
        timeout_at(begun + limit, until(async || self.acks() != before)).await.ok().map(|()| begun.elapsed())
    }

    /// Waits until each client has every message that is stored now, and an answer to each of its sends. Returns the time
    /// it took, or `None` after `limit`.
    ///
    /// # Errors
    /// Postgres is not available.
    pub async fn catch_up(&self, cluster: &Cluster, limit: Duration) -> anyhow::Result<Option<Duration>> {
        let begun = Instant::now();
        let heads = evidence::heads(cluster, &self.chats).await?;
        let has_all = |state: &State| state.has_all(&heads) && state.is_answered_before(begun);
        Ok(self.until(limit, "", has_all).await.ok().map(|()| begun.elapsed()))
    }

    /// Stops new messages and waits until each send is answered. Returns a description of what was unanswered after
    /// `limit`.
    pub async fn stop_sending(&self, limit: Duration) -> Option<String> {
        self.phase.send_replace(Phase::Settling);
        let is_answered = |state: &State| state.is_answered_before(Instant::now());
        self.until(limit, "", is_answered).await.err().map(|_| {
            let open: usize = self.clients().iter().map(|state| state.unanswered()).sum();
            format!("{open} messages and changes were not answered within {limit:?}")
        })
    }

    /// Resumes sending new messages.
    pub fn resume_sending(&self) {
        self.phase.send_replace(Phase::Active);
    }

    /// Waits until every scheduled message was sent, and every reaction has its event. Returns a description of what was pending after
    /// `limit`. After a crash it takes half a minute until another instance sends the message.
    ///
    /// # Errors
    /// Postgres is not available.
    pub async fn drain(&self, cluster: &Cluster, limit: Duration) -> anyhow::Result<Option<String>> {
        let (deadline, sql) = (Instant::now() + limit, cluster.sql().await?);
        loop {
            let Pending { scheduled, reactions } = evidence::pending(&sql, &self.chats).await?;
            if scheduled == 0 && reactions == 0 {
                return Ok(None);
            }
            if Instant::now() >= deadline {
                let pending = format!("{scheduled} scheduled messages and {reactions} reactions");
                return Ok(Some(format!("{pending} were pending after {limit:?}")));
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Stops new messages and waits until each client has every message. Returns a description of what was missing after
    /// `limit`.
    ///
    /// # Errors
    /// Postgres is not available.
    pub async fn settle(&self, cluster: &Cluster, limit: Duration) -> anyhow::Result<Option<String>> {
        let deadline = Instant::now() + limit;
        if let Some(unanswered) = self.stop_sending(limit).await {
            return Ok(Some(unanswered));
        }
        if let Some(pending) = self.drain(cluster, deadline - Instant::now()).await? {
            return Ok(Some(pending));
        }
        let heads = evidence::heads(cluster, &self.chats).await?;
        let has_all = |state: &State| state.is_connected() && state.has_settled(&heads);
        if self.until(deadline - Instant::now(), "", has_all).await.is_err() {
            let behind = self.clients().iter().filter(|state| !has_all(state)).count();
            return Ok(Some(format!("{behind} clients did not have every message within {limit:?}")));
        }
        let wrong = self.ordinary.iter().find_map(Ordinary::wrong);
        Ok(wrong.map(|wrong| format!("a client of the SDK: {wrong}")))
    }
}
