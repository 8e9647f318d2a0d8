//! Reconciling one user: Redis is made to agree with this instance, and the status that follows is announced.

use std::{borrow::Cow, sync::Arc};

use chrono::Utc;
use fred::error::Error as RedisError;
use neonchat_common::{error::ApiError, ids::UserId};
use thiserror::Error;
use tokio::time::Instant;

use super::{
    Presence,
    lease::Lease,
    local::{Confirmation, LastAnnounced, LocalPresence},
    store::Connections,
};
use crate::{
    hub::{PresenceAudience, Socket},
    protocol::{PresenceEvent, ServerFrame, Status},
};

/// Users who are notified with one pipeline. Other publications go between the pipelines.
const USERS_PER_PIPELINE: usize = 128;

/// How often a status is derived again that changes while it is announced.
const MAX_ATTEMPTS: usize = 5;

/// Why a user could not be reconciled. It is tried again.
#[derive(Debug, Error)]
pub(super) enum ReconcileError {
    #[error("Redis failed: {0}")]
    Redis(#[from] RedisError),
    #[error("the presence audience is not known: {0}")]
    Audience(#[from] ApiError),
    #[error("the status was not published to the whole presence audience")]
    Unpublished,
    #[error("the status changes too fast")]
    Unstable,
}

impl Presence {
    /// Enters the connections of a user in Redis, removes those that are gone, and announces the status that follows if it is new.
    /// Idempotent. The queue never runs it twice at the same time for one user.
    pub(super) async fn reconcile(&self, lease: &Lease, user: UserId) -> Result<(), ReconcileError> {
        let now = Instant::now();
        let (sockets, audience) = match self.local.presence(user, || self.hub.sockets_of(user), now) {
            LocalPresence::Unknown | LocalPresence::Waiting => return Ok(()),
            LocalPresence::Connected(sockets) => (sockets, None),
            LocalPresence::Disconnected(audience) => (Vec::new(), Some(audience)),
        };
        let connections = self.update_connections(lease, user, &sockets).await?;
        let is_connected = !sockets.is_empty();
        let mut last = self.local.last_announced(user);
        if !is_connected && connections.status().is_none() && last.status.is_some() {
            let confirmation = match self.store.announced(user).await? {
                None => self.local.confirm_offline(user, now),
                // The instance that removes this status from Redis announces the change.
                Some(_) => Confirmation::Announced,
            };
            match confirmation {
                Confirmation::Later(at) => {
                    self.reconcile_at(user, at);
                    return Ok(());
                }
                Confirmation::Announced => last.status = None,
                Confirmation::Unannounced => {}
            }
        }
        self.local.begin_announcement(user);
        let announced = self.announce(user, connections, is_connected, audience.as_ref(), last).await?;
        self.local.end_announcement(user, announced);
        if !is_connected {
            self.store.unregister(lease, user).await?;
            self.local.remove(user, now);
        }
        Ok(())
    }

    /// Makes this instance's connections of a user in Redis those of these sockets. Returns all connections of the user.
    async fn update_connections(
        &self,
        lease: &Lease,
        user: UserId,
        sockets: &[Arc<Socket>],
    ) -> Result<Connections, ReconcileError> {
        let connections = self.store.connections(user).await?;
        let entered = connections.filter(|name| lease.is_of_same_instance(name));
        let open = open_connections(lease, sockets);
        let (new, old) = (open.without(&entered), entered.without(&open));
        if new.is_empty() && old.is_empty() {
            return Ok(connections);
        }
        if !new.is_empty() {
            // The index comes first: by it others find the connections if this process ends in between.
            self.store.register(lease, user).await?;
            self.store.add_connections(user, &new).await?;
        }
        if !old.is_empty() {
            self.store.remove_connections(user, &old).await?;
        }
        Ok(self.store.connections(user).await?)
    }

    /// Announces the status that follows from a user's connections, unless it was announced last. Without an `audience`, the users
    /// that the hub knows are notified. Returns the status.
    pub(super) async fn announce(
        &self,
        user: UserId,
        mut connections: Connections,
        is_connected: bool,
        audience: Option<&PresenceAudience>,
        mut last: LastAnnounced,
    ) -> Result<Option<Status>, ReconcileError> {
        let mut create_if_missing = is_connected;
        for _ in 0..MAX_ATTEMPTS {
            let status = connections.status();
            let before = self.store.swap_status(user, &connections, create_if_missing).await?;
            if before.is_none() && status.is_some() && !create_if_missing {
                // The instance that has the user's connections announces it.
                return Ok(status);
            }
            // A status that Redis lost is not announced again.
            if before.or(last.status) == status && !last.is_announcement_pending {
                return Ok(status);
            }
            self.publish_status(user, status, audience).await?;
            // Another instance may have derived another status, and stored it before this one.
            connections = self.store.connections(user).await?;
            if connections.status() == status {
                return Ok(status);
            }
            // What was announced here has to be corrected here.
            (last, create_if_missing) = (LastAnnounced::default(), true);
        }
        Err(ReconcileError::Unstable)
    }

    async fn publish_status(
        &self,
        user_id: UserId,
        status: Option<Status>,
        audience: Option<&PresenceAudience>,
    ) -> Result<(), ReconcileError> {
        let (event, label) = match status {
            Some(Status::Online) => (PresenceEvent::Online, "online"),
            Some(Status::Away) => (PresenceEvent::Away, "away"),
            None => (PresenceEvent::Offline, "offline"),
        };
        metrics::counter!("presence_events_total", "event" => label).increment(1);
        let now = Utc::now();
        if status.is_none() {
            self.last_seen.record(user_id, now.timestamp_micros());
        }
        let frame = ServerFrame::Presence { event, user_id, timestamp: now.timestamp() }.to_json();
        let audience = audience.map_or_else(|| Cow::Owned(self.hub.presence_audience(user_id)), Cow::Borrowed);
        let mut is_published = true;
        let mut audience = audience.iter().peekable();
        while audience.peek().is_some() {
            let some = audience.by_ref().take(USERS_PER_PIPELINE).map(|(user, chats)| (*user, chats.clone()));
            is_published &= self.delivery.publish_presence(some, &frame).await;
        }
        if is_published { Ok(()) } else { Err(ReconcileError::Unpublished) }
    }
}

/// Returns the connections of these sockets.
fn open_connections(lease: &Lease, sockets: &[Arc<Socket>]) -> Connections {
    let name = |socket: &Arc<Socket>| lease.connection(socket.id);
    Connections {
        all: sockets.iter().map(name).collect(),
        away: sockets.iter().filter(|socket| socket.is_away()).map(name).collect(),
    }
}
