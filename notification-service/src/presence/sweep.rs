//! What an instance left behind that is gone. Every instance that lives clears it up, all at once: each step may be done
//! twice, and what is left undone by one that dies over it is done by another.

use std::{
    collections::HashSet,
    sync::{MutexGuard, PoisonError},
};

use futures_util::{StreamExt as _, stream};
use neonchat_common::{correlation, error::ApiError, ids::UserId};

use super::{Presence, lease::Lease, local::LastKnown, settle::Unsettled};
use crate::hub::Peers;

/// Users that are read at a time, at random, so that several instances share the work.
const PAGE: usize = 256;

/// Users that are worked on at a time.
const CONCURRENCY: usize = 32;

impl Presence {
    /// Clears up after the leases that were found to be gone, until the process ends.
    pub(super) async fn sweep_all(&self) {
        loop {
            self.gone.wait().await;
            for lease in self.gone.take() {
                if let Err(error) = self.sweep(&lease).await {
                    // It is found again with the next look.
                    tracing::warn!(instance.lease = lease.name(), error.cause = %error, "not cleared up after");
                }
            }
        }
    }

    async fn sweep(&self, gone: &Lease) -> Result<(), Unsettled> {
        loop {
            let users = self.store.some_users(gone, PAGE).await?;
            if users.is_empty() {
                break;
            }
            let reaped = stream::iter(users)
                .map(|user| correlation::carry(self.reap(gone, user)))
                .buffer_unordered(CONCURRENCY)
                .collect::<Vec<_>>();
            reaped.await.into_iter().collect::<Result<(), _>>()?;
        }
        if self.store.forget(gone).await? {
            metrics::counter!("presence_reaped_leases_total").increment(1);
            tracing::warn!(instance.lease = gone.name(), "a lease was not renewed: cleared up after it");
        }
        Ok(())
    }

    /// Withdraws a user's connections under a lease, and announces what follows from it.
    async fn reap(&self, gone: &Lease, user: UserId) -> Result<(), Unsettled> {
        let mut connections = self.store.connections(user).await?;
        let old = connections.filter(|name| gone.holds(name));
        if !old.is_empty() {
            let count = self.store.withdraw(user, &old).await?;
            metrics::counter!("presence_reaped_connections_total").increment(count as u64);
            connections = self.store.connections(user).await?;
        }
        let is_unsure = self.unheard().contains(&user);
        if is_unsure || self.store.announced(user).await? != connections.status() {
            let peers = match self.peers(user).await {
                Ok(peers) => peers,
                Err(error) => {
                    // Or nobody would know later that there is something to announce.
                    self.store.keep_announced(user).await?;
                    return Err(error.into());
                }
            };
            self.unheard().insert(user);
            let last = LastKnown { announced: None, is_unsure };
            self.announce(user, connections, false, Some(&peers), last).await?;
            self.unheard().remove(&user);
        }
        Ok(self.store.unregister(gone, user).await?)
    }

    pub(super) fn unheard(&self) -> MutexGuard<'_, HashSet<UserId>> {
        self.unheard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is to be told of a user who may be nobody's here.
    async fn peers(&self, user: UserId) -> Result<Peers, ApiError> {
        if !self.hub.sockets_of(user).is_empty() {
            return Ok(self.hub.peers(user));
        }
        let mut peers = Peers::new();
        for chat in self.delivery.chat_service.chats_of(user, None).await? {
            for partner in chat.partners {
                peers.entry(partner).or_default().push(chat.id);
            }
        }
        Ok(peers)
    }
}
