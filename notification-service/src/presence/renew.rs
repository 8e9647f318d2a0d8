//! Renewing the lease of this instance, and observing those of the others.

use fred::{error::Error as RedisError, interfaces::ClientLike as _};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{
    Presence,
    lease::{FailureDetector, LeaseState, RENEW_INTERVAL, Renewal},
};

impl Presence {
    /// Renews the lease of this instance and observes those of the others, until the lease is given back.
    pub(super) async fn hold_lease(&self) {
        let mut state = LeaseState::new(self.instance);
        let mut detector = FailureDetector::new(self.grace);
        let mut tick = interval(RENEW_INTERVAL);
        // Late observations are not made up for: each is evidence only if time has passed since the one before.
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.ending.run_until_cancelled(tick.tick()).await.is_some() {
            if self.redis.is_connected()
                && let Err(error) = self.renew_lease(&mut state, &mut detector).await
            {
                tracing::warn!(error.cause = %error, "presence lease renewal failed");
            }
        }
        if self.redis.is_connected()
            && let Err(error) = self.store.delete_lease(&state.lease()).await
        {
            tracing::warn!(error.cause = %error, "presence lease could not be deleted");
        }
        self.lease.send_replace(None);
    }

    async fn renew_lease(&self, state: &mut LeaseState, detector: &mut FailureDetector) -> Result<(), RedisError> {
        let (mut counter, mut leases) = self.store.renew(&state.lease()).await?;
        if let Renewal::Lost { maybe_evicted } = state.renewed(counter, Instant::now()) {
            tracing::warn!(maybe_evicted, "presence lease lost, taking a new one");
            metrics::counter!("presence_leases_lost_total").increment(1);
            self.lease.send_replace(None);
            self.local.lose(Instant::now(), maybe_evicted);
            self.announcement_pending().clear();
            (counter, leases) = self.store.renew(&state.lease()).await?;
            state.renewed(counter, Instant::now());
        }
        let own = state.lease();
        if self.lease.borrow().is_none() {
            // Only now: no entry is made under a lease that other instances do not observe yet.
            self.lease.send_replace(Some(own.clone()));
            self.changed.add(self.hub.users().into_iter().chain(self.local.users()));
        }
        let (dead, alive) = detector.observe(&leases, &own);
        metrics::gauge!("presence_instances").set(alive);
        if self.deployments.must_yield() {
            // The leases of another deployment are its own to clean up: only it can notify its users.
            return Ok(());
        }
        for lease in &dead {
            if leases.get(lease).is_some_and(|counter| *counter >= 0) {
                self.store.mark_dead(lease).await?;
            }
        }
        self.dead.add(dead);
        Ok(())
    }
}
