//! Cleanup after dead instances. All live instances do this concurrently: every step is idempotent, and what one that dies meanwhile
//! leaves undone is done by another.

use std::{
    collections::HashSet,
    sync::{MutexGuard, PoisonError},
};

use futures_util::{StreamExt as _, stream};
use neonchat_common::{correlation, error::ApiError, ids::UserId};

use super::{Presence, lease::Lease, local::LastAnnounced, reconcile::ReconcileError};
use crate::hub::PresenceAudience;

/// Users that are read from Redis at a time, at random: so several instances share the work.
const PAGE: usize = 256;

/// Users that are reaped at the same time.
const CONCURRENCY: usize = 32;

impl Presence {
    /// Cleans up after leases of dead instances, until the process ends.
    pub(super) async fn sweep_all(&self) {
        loop {
            self.dead.wait().await;
            for lease in self.dead.take() {
                if let Err(error) = self.sweep(&lease).await {
                    // The next observation finds the lease again.
                    tracing::warn!(instance.lease = lease.name(), error.cause = %error, "cleanup after a dead instance failed");
                }
            }
        }
    }

    async fn sweep(&self, dead: &Lease) -> Result<(), ReconcileError> {
        loop {
            let users = self.store.some_users(dead, PAGE).await?;
            if users.is_empty() {
                break;
            }
            let reaped = stream::iter(users)
                .map(|user| correlation::in_current_scope(self.reap(dead, user)))
                .buffer_unordered(CONCURRENCY)
                .collect::<Vec<_>>();
            reaped.await.into_iter().collect::<Result<(), _>>()?;
        }
        if self.store.delete_lease(dead).await? {
            metrics::counter!("presence_reaped_leases_total").increment(1);
            tracing::warn!(instance.lease = dead.name(), "lease was not renewed, cleaned up after its instance");
        }
        Ok(())
    }

    /// Removes a user's connections under a lease, and announces the status that follows.
    async fn reap(&self, dead: &Lease, user: UserId) -> Result<(), ReconcileError> {
        let mut connections = self.store.connections(user).await?;
        let old = connections.filter(|name| dead.owns(name));
        if !old.is_empty() {
            let count = self.store.remove_connections(user, &old).await?;
            metrics::counter!("presence_reaped_connections_total").increment(count as u64);
            connections = self.store.connections(user).await?;
        }
        let is_announcement_pending = self.announcement_pending().contains(&user);
        if is_announcement_pending || self.store.announced(user).await? != connections.status() {
            let audience = match self.presence_audience(user).await {
                Ok(audience) => audience,
                Err(error) => {
                    // The stored status is what shows later that a change is not announced yet.
                    self.store.keep_announced(user).await?;
                    return Err(error.into());
                }
            };
            self.announcement_pending().insert(user);
            let last = LastAnnounced { status: None, is_announcement_pending };
            self.announce(user, connections, false, Some(&audience), last).await?;
            self.announcement_pending().remove(&user);
        }
        Ok(self.store.unregister(dead, user).await?)
    }

    pub(super) fn announcement_pending(&self) -> MutexGuard<'_, HashSet<UserId>> {
        self.announcement_pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the presence audience of a user who may have no socket here.
    async fn presence_audience(&self, user: UserId) -> Result<PresenceAudience, ApiError> {
        if !self.hub.sockets_of(user).is_empty() {
            return Ok(self.hub.presence_audience(user));
        }
        let mut audience = PresenceAudience::new();
        for chat in self.chat_service.chats_of(user, None).await? {
            for other in chat.presence {
                audience.entry(other).or_default().push(chat.id);
            }
        }
        Ok(audience)
    }
}
