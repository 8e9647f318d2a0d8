//! What this instance knows of the presence of its users, independent of Redis.
//!
//! A user of this instance is in one of three phases:
//!
//! | phase | event | action | next phase |
//! |---|---|---|---|
//! | – | a socket opened | enter its connection in Redis, announce the status | connected |
//! | connected | the last socket closed | none yet | grace, for the grace period |
//! | grace | a socket opened | none: the user never was offline | connected |
//! | grace | the period ended, Redis has a status or connections | remove our connections, announce what follows from the others | – |
//! | grace | the period ended, Redis has neither | find out why: see below | confirming |
//! | confirming | a socket opened | announce, since others may have announced `offline` | connected |
//! | confirming | the time ended, Redis lost no data | another instance announced `offline`: nothing to do | – |
//! | confirming | the time ended, Redis lost its data | announce `offline` | – |
//!
//! Redis knows nothing of a user either because another instance has announced that the user is offline, or because it lost its
//! data. In the second case other instances need time to enter their connections of the user again. The lease tells which:
//! it is renewed every second, and a renewal finds lost data.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use neonchat_common::ids::UserId;
use tokio::{sync::Notify, time::Instant};

use super::lease::RENEW_INTERVAL;
use crate::{
    hub::{PresenceAudience, Socket},
    protocol::Status,
};

/// The time that other instances get to enter a user again after Redis lost its data. An instance that takes longer announces
/// all of its users, since it cannot know what was announced of them meanwhile.
const REENTRY_TIMEOUT: Duration = Duration::from_secs(8);

/// The least time between two announcements of a user's status that clients cause by `presence` frames.
const STATUS_CHANGE_INTERVAL: Duration = Duration::from_secs(1);

/// The users of this instance, and those whose last socket closed a short time ago.
#[derive(Debug, Default)]
pub(super) struct LocalUsers {
    users: Mutex<HashMap<UserId, UserRecord>>,
    emptied: Notify,
}

/// The last announcement of a user's status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LastAnnounced {
    /// The status, as far as this instance knows.
    pub(super) status: Option<Status>,
    /// The announcement was begun, and it is unknown whether it reached all instances.
    pub(super) is_announcement_pending: bool,
}

#[derive(Debug, Default)]
struct UserRecord {
    phase: Phase,
    last: LastAnnounced,
    /// When the next change of status by a client is announced, or when the last one was.
    status_change: Option<Instant>,
    /// When Redis lost the user's data.
    lost: Option<Instant>,
}

#[derive(Debug, Default)]
enum Phase {
    /// The user has sockets here.
    #[default]
    Connected,
    /// The last socket closed. The user stays online until then.
    Grace { until: Instant, audience: PresenceAudience },
    /// Redis knows nothing of the user. The reason is known then.
    Confirming { until: Instant, audience: PresenceAudience },
}

/// What has to be true of a user in Redis.
#[derive(Debug)]
pub(super) enum LocalPresence {
    /// The user is connected by these sockets.
    Connected(Vec<Arc<Socket>>),
    /// Nothing is to be done yet.
    Waiting,
    /// The user has no connections here. The audience is the one at the close of the last socket.
    Disconnected(PresenceAudience),
    /// The user is not one of this instance.
    Unknown,
}

/// Whether a user without an entry in Redis is offline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Confirmation {
    /// It is not known before this moment.
    Later(Instant),
    /// Another instance has announced it.
    Announced,
    /// Redis lost its data, and no instance has announced it.
    Unannounced,
}

impl LocalUsers {
    /// Returns what has to be true of a user. Moves a user who has sockets to the phase *connected*.
    pub(super) fn presence(
        &self,
        user: UserId,
        sockets: impl FnOnce() -> Vec<Arc<Socket>>,
        now: Instant,
    ) -> LocalPresence {
        let mut users = self.lock();
        // Read under the lock: a socket that closes meanwhile starts its grace period after this.
        let sockets = sockets();
        if !sockets.is_empty() {
            let record = users.entry(user).or_default();
            let was_maybe_offline = match std::mem::take(&mut record.phase) {
                Phase::Connected => false,
                Phase::Grace { until, .. } => until <= now,
                Phase::Confirming { .. } => true,
            };
            if was_maybe_offline {
                record.last.status = None;
            }
            return LocalPresence::Connected(sockets);
        }
        match users.get(&user).map(|record| &record.phase) {
            None | Some(Phase::Connected) => LocalPresence::Unknown,
            Some(Phase::Grace { until, .. } | Phase::Confirming { until, .. }) if now < *until => {
                LocalPresence::Waiting
            }
            Some(Phase::Grace { audience, .. } | Phase::Confirming { audience, .. }) => {
                LocalPresence::Disconnected(audience.clone())
            }
        }
    }

    /// Records that a client changed the status of a connected user. Returns when to announce it: the first change at once, and
    /// later ones at most once in [`STATUS_CHANGE_INTERVAL`]. `None` where an announcement that is due later covers it.
    pub(super) fn status_changed(&self, user: UserId, now: Instant) -> Option<Instant> {
        let mut users = self.lock();
        let record = users.entry(user).or_default();
        let at = match record.status_change {
            Some(at) if at > now => return None,
            Some(at) => now.max(at + STATUS_CHANGE_INTERVAL),
            None => now,
        };
        record.status_change = Some(at);
        Some(at)
    }

    /// Starts the grace period of a user whose last socket here closed.
    pub(super) fn start_grace(&self, user: UserId, until: Instant, audience: PresenceAudience) {
        self.lock().entry(user).or_default().phase = Phase::Grace { until, audience };
    }

    /// Removes a user who was reconciled as disconnected, unless the user has connected since, or has another grace period.
    pub(super) fn remove(&self, user: UserId, now: Instant) {
        let mut users = self.lock();
        if let Entry::Occupied(record) = users.entry(user)
            && let Phase::Grace { until, .. } | Phase::Confirming { until, .. } = &record.get().phase
            && *until <= now
        {
            record.remove();
        }
        let is_empty = users.is_empty();
        drop(users);
        if is_empty {
            self.emptied.notify_waiters();
        }
    }

    /// Returns what was announced of a user last.
    pub(super) fn last_announced(&self, user: UserId) -> LastAnnounced {
        self.lock().get(&user).map(|record| record.last).unwrap_or_default()
    }

    /// Records that a status is about to be announced.
    pub(super) fn begin_announcement(&self, user: UserId) {
        if let Some(record) = self.lock().get_mut(&user) {
            record.last.is_announcement_pending = true;
        }
    }

    /// Records that this status was announced, or had been before.
    pub(super) fn end_announcement(&self, user: UserId, status: Option<Status>) {
        if let Some(record) = self.lock().get_mut(&user) {
            record.last = LastAnnounced { status, is_announcement_pending: false };
            record.lost = None;
        }
    }

    /// Returns whether a disconnected user without connections and status in Redis was announced as offline.
    pub(super) fn confirm_offline(&self, user: UserId, now: Instant) -> Confirmation {
        let mut users = self.lock();
        let Some(record) = users.get_mut(&user) else { return Confirmation::Announced };
        let (audience, is_confirming) = match std::mem::take(&mut record.phase) {
            // The user has connected since.
            Phase::Connected => return Confirmation::Announced,
            // And the last socket closed again.
            Phase::Grace { until, audience } if until > now => {
                record.phase = Phase::Grace { until, audience };
                return Confirmation::Later(until);
            }
            Phase::Grace { audience, .. } => (audience, false),
            Phase::Confirming { audience, .. } => (audience, true),
        };
        let until = match record.lost {
            Some(lost) => lost + REENTRY_TIMEOUT,
            // By then the lease was renewed, or found lost.
            None if !is_confirming => now + 2 * RENEW_INTERVAL,
            None => now,
        };
        record.phase = Phase::Confirming { until, audience };
        match record.lost {
            _ if until > now => Confirmation::Later(until),
            Some(_) => Confirmation::Unannounced,
            None => Confirmation::Announced,
        }
    }

    /// Records that the lease was lost, and all entries of this instance with it. `maybe_evicted`: others may have announced that
    /// connected users are offline.
    pub(super) fn lose(&self, now: Instant, maybe_evicted: bool) {
        for record in self.lock().values_mut() {
            record.lost = Some(now);
            if maybe_evicted && matches!(record.phase, Phase::Connected) {
                record.last.status = None;
            }
        }
    }

    /// Returns all users.
    pub(super) fn users(&self) -> Vec<UserId> {
        self.lock().keys().copied().collect()
    }

    /// Returns whether the grace period of a user has started.
    #[cfg(test)]
    pub(super) fn is_in_grace(&self, user: UserId) -> bool {
        self.lock().get(&user).is_some_and(|record| matches!(record.phase, Phase::Grace { .. }))
    }

    /// Waits until no user is connected, and all have been reconciled.
    pub(super) async fn until_empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.lock().is_empty() {
                return;
            }
            emptied.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, UserRecord>> {
        // A panic leaves no record in an invalid state.
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
