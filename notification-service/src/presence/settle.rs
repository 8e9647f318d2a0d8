//! One user: what is true of this instance is entered in Redis, what follows from all of it is announced.

use std::{borrow::Cow, sync::Arc};

use chrono::Utc;
use fred::error::Error as RedisError;
use neonchat_common::{error::ApiError, ids::UserId};
use thiserror::Error;
use tokio::time::Instant;

use super::{
    Presence,
    lease::Lease,
    local::{LastKnown, Standing},
    store::Connections,
};
use crate::{
    hub::{Peers, Socket},
    protocol::{PresenceEvent, ServerFrame, Status},
};

/// Peers of a user that are told with one pipeline. What others are told goes in between.
const TOLD_AT_ONCE: usize = 128;

/// How often a status is derived anew when it changes in the same moment.
const MAX_ATTEMPTS: usize = 5;

/// A user is not settled, and should be again.
#[derive(Debug, Error)]
pub(super) enum Unsettled {
    #[error("Redis: {0}")]
    Redis(#[from] RedisError),
    #[error("who is to be told is not known: {0}")]
    Peers(#[from] ApiError),
    #[error("not everybody could be told")]
    Unheard,
    #[error("it changes too fast")]
    Unsteady,
}

impl Presence {
    /// Makes Redis say of a user what is true of this instance, and announces what follows from it, if it is new. Called
    /// again after whatever went wrong. Of one user, one at a time.
    pub(super) async fn settle(&self, lease: &Lease, user: UserId) -> Result<(), Unsettled> {
        let now = Instant::now();
        let (sockets, peers) = match self.local.standing(user, || self.hub.sockets_of(user), now) {
            Standing::Unknown | Standing::Grace => return Ok(()),
            Standing::Here(sockets) => (sockets, None),
            Standing::Left(peers) => (Vec::new(), Some(peers)),
        };
        let mut connections = self.store.connections(user).await?;
        let ours = connections.filter(|name| lease.is_of_the_instance_of(name));
        let open = open(lease, &sockets);
        let (new, old) = (open.without(&ours), ours.without(&open));
        if !new.is_empty() {
            // First by whom it would be found, should this process end in between.
            self.store.register(lease, user).await?;
            self.store.enter(user, &new).await?;
        }
        if !old.is_empty() {
            self.store.withdraw(user, &old).await?;
        }
        if !(new.is_empty() && old.is_empty()) {
            connections = self.store.connections(user).await?;
        }
        let is_here = !sockets.is_empty();
        let mut last = self.local.last(user);
        if !is_here && connections.status().is_none() && last.announced.is_some() {
            if self.store.announced(user).await?.is_none()
                && let Some(later) = self.local.doubt(user, now)
            {
                self.settle_at(user, later);
                return Ok(());
            }
            if !self.local.is_lost(user) {
                // Another instance has announced it.
                last.announced = None;
            }
        }
        self.local.begin(user);
        let announced = self.announce(user, connections, is_here, peers.as_ref(), last).await?;
        self.local.end(user, announced);
        if !is_here {
            self.store.unregister(lease, user).await?;
            self.local.left(user, now);
        }
        Ok(())
    }

    /// Announces the status that follows from a user's connections, if it is not the one that was announced last. Returns
    /// what it is. Told are `peers`, or those whom the hub knows.
    pub(super) async fn announce(
        &self,
        user: UserId,
        mut connections: Connections,
        is_here: bool,
        peers: Option<&Peers>,
        mut last: LastKnown,
    ) -> Result<Option<Status>, Unsettled> {
        let mut may_enter = is_here;
        for _ in 0..MAX_ATTEMPTS {
            let status = connections.status();
            let before = self.store.exchange(user, &connections, may_enter).await?;
            if before.is_none() && status.is_some() && !may_enter {
                // Whoever has the user announces that.
                return Ok(status);
            }
            // What Redis has lost, nobody has to be told again.
            if before.or(last.announced) == status && !last.is_unsure {
                return Ok(status);
            }
            self.tell(user, status, peers).await?;
            // Another instance may have seen another status, and exchanged it before this one.
            connections = self.store.connections(user).await?;
            if connections.status() == status {
                return Ok(status);
            }
            // What was announced here has to be made good here.
            (last, may_enter) = (LastKnown::default(), true);
        }
        Err(Unsettled::Unsteady)
    }

    async fn tell(&self, user_id: UserId, status: Option<Status>, peers: Option<&Peers>) -> Result<(), Unsettled> {
        let (event, label) = match status {
            Some(Status::Online) => (PresenceEvent::Online, "online"),
            Some(Status::Away) => (PresenceEvent::Away, "away"),
            None => (PresenceEvent::Offline, "offline"),
        };
        metrics::counter!("presence_events_total", "event" => label).increment(1);
        let frame = ServerFrame::Presence { event, user_id, timestamp: Utc::now().timestamp() }.to_json();
        let peers = peers.map_or_else(|| Cow::Owned(self.hub.peers(user_id)), Cow::Borrowed);
        let mut all_heard = true;
        let mut peers = peers.iter().peekable();
        while peers.peek().is_some() {
            let some = peers.by_ref().take(TOLD_AT_ONCE).map(|(peer, chats)| (*peer, chats.clone()));
            all_heard &= self.delivery.tell_presence(some, &frame).await;
        }
        if all_heard { Ok(()) } else { Err(Unsettled::Unheard) }
    }
}

/// The connections of these sockets.
fn open(lease: &Lease, sockets: &[Arc<Socket>]) -> Connections {
    let name = |socket: &Arc<Socket>| lease.connection(socket.id);
    Connections {
        all: sockets.iter().map(name).collect(),
        away: sockets.iter().filter(|socket| socket.is_away()).map(name).collect(),
    }
}
