//! What this instance knows of the presence of its users, whatever becomes of Redis.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use neonchat_common::ids::UserId;
use tokio::{sync::Notify, time::Instant};

use super::lease::BEAT;
use crate::{
    hub::{Peers, Socket},
    protocol::Status,
};

/// How long the other instances have to enter a user again of whom Redis has lost everything. One that takes longer
/// announces all of its users, for it cannot know what was said of them meanwhile.
const REENTRY_LIMIT: Duration = Duration::from_secs(8);

/// The least time between two changes of a user's status that are announced because a client said so.
const FLIP_PAUSE: Duration = Duration::from_secs(1);

/// Its users, and those who have just left.
#[derive(Debug, Default)]
pub(super) struct Local {
    users: Mutex<HashMap<UserId, Known>>,
    emptied: Notify,
}

/// What is known of a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LastKnown {
    /// The status that was announced last, as far as this instance knows.
    pub(super) announced: Option<Status>,
    /// An announcement was begun, and nobody knows whether it was heard.
    pub(super) is_unsure: bool,
}

#[derive(Debug, Default)]
struct Known {
    last: LastKnown,
    /// When a change of status by a client is announced, or was.
    flipped: Option<Instant>,
    /// Since when Redis does not know it any more.
    lost: Option<Instant>,
    leaving: Option<Leaving>,
}

/// A user whose last socket here was closed.
#[derive(Debug)]
struct Leaving {
    /// Until then the user is not offline.
    until: Instant,
    peers: Peers,
    is_doubted: bool,
}

/// How it stands with a user.
pub(super) enum Standing {
    /// Connected here, by these sockets.
    Here(Vec<Arc<Socket>>),
    /// Not connected any more, and not offline yet.
    Grace,
    /// Not connected any more. These are to be told.
    Left(Peers),
    /// Somebody else's.
    Unknown,
}

impl Local {
    /// How it stands with a user, who has these sockets here.
    pub(super) fn standing(&self, user: UserId, sockets: impl FnOnce() -> Vec<Arc<Socket>>, now: Instant) -> Standing {
        let mut users = self.lock();
        // Looked at under the lock, so that a socket that is closed meanwhile is not forgotten by what was true before.
        let sockets = sockets();
        if !sockets.is_empty() {
            let known = users.entry(user).or_default();
            if known.leaving.take().is_some_and(|leaving| leaving.until <= now || leaving.is_doubted) {
                // Others may have announced that the user is offline.
                known.last.announced = None;
            }
            return Standing::Here(sockets);
        }
        match users.get(&user).and_then(|known| known.leaving.as_ref()) {
            None => Standing::Unknown,
            Some(leaving) if now < leaving.until => Standing::Grace,
            Some(leaving) => Standing::Left(leaving.peers.clone()),
        }
    }

    /// A client has changed the status of a user, who is connected here. Returns when that is to be announced; `None` where an
    /// announcement that comes later includes it. The first one is at once, and no two are closer than [`FLIP_PAUSE`].
    pub(super) fn flip(&self, user: UserId, now: Instant) -> Option<Instant> {
        let mut users = self.lock();
        let known = users.entry(user).or_default();
        let at = match known.flipped {
            Some(flipped) if flipped > now => return None,
            Some(flipped) => now.max(flipped + FLIP_PAUSE),
            None => now,
        };
        known.flipped = Some(at);
        Some(at)
    }

    /// A user's last socket here was closed.
    pub(super) fn leave(&self, user: UserId, until: Instant, peers: Peers) {
        self.lock().entry(user).or_default().leaving = Some(Leaving { until, peers, is_doubted: false });
    }

    /// A user who has left is settled, unless the user was here again meanwhile.
    pub(super) fn left(&self, user: UserId, now: Instant) {
        let mut users = self.lock();
        if let Entry::Occupied(known) = users.entry(user)
            && known.get().leaving.as_ref().is_some_and(|leaving| leaving.until <= now)
        {
            known.remove();
        }
        let is_empty = users.is_empty();
        drop(users);
        if is_empty {
            self.emptied.notify_waiters();
        }
    }

    /// What is known of a user.
    pub(super) fn last(&self, user: UserId) -> LastKnown {
        self.lock().get(&user).map(|known| known.last).unwrap_or_default()
    }

    /// A status is about to be announced.
    pub(super) fn begin(&self, user: UserId) {
        if let Some(known) = self.lock().get_mut(&user) {
            known.last.is_unsure = true;
        }
    }

    /// It was announced, or did not need to be.
    pub(super) fn end(&self, user: UserId, announced: Option<Status>) {
        if let Some(known) = self.lock().get_mut(&user) {
            known.last = LastKnown { announced, is_unsure: false };
            known.lost = None;
        }
    }

    /// A user has left, and Redis knows neither of connections nor of a status. Either another instance has announced that
    /// the user is offline; or Redis has lost it, and perhaps other connections of the user too, which have to be given time
    /// to be entered again. Returns when to look again, until that is known and they have had that time.
    pub(super) fn doubt(&self, user: UserId, now: Instant) -> Option<Instant> {
        let mut users = self.lock();
        let known = users.get_mut(&user)?;
        let leaving = known.leaving.as_mut()?;
        let until = match known.lost {
            Some(lost) => lost + REENTRY_LIMIT,
            // By then the lease was renewed, or found lost.
            None if !leaving.is_doubted => now + 2 * BEAT,
            None => now,
        };
        leaving.is_doubted = true;
        leaving.until = until;
        Some(until).filter(|until| *until > now)
    }

    /// Whether Redis has lost what was announced of a user.
    pub(super) fn is_lost(&self, user: UserId) -> bool {
        self.lock().get(&user).is_some_and(|known| known.lost.is_some())
    }

    /// Redis has lost everything; or, perhaps, others have announced that those who are here are not.
    pub(super) fn lose(&self, now: Instant, perhaps_reaped: bool) {
        for known in self.lock().values_mut() {
            known.lost = Some(now);
            if perhaps_reaped && known.leaving.is_none() {
                known.last.announced = None;
            }
        }
    }

    /// All of them.
    pub(super) fn users(&self) -> Vec<UserId> {
        self.lock().keys().copied().collect()
    }

    /// Waits until nobody is here, and everybody who was is settled.
    pub(super) async fn until_empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.lock().is_empty() {
                return;
            }
            emptied.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Known>> {
        // Whatever a thread that panicked left behind is whole.
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use neonchat_common::ids::TokenId;

    use super::*;
    use crate::hub::SocketId;

    const SECOND: Duration = Duration::from_secs(1);

    /// A user who was announced online, and has left.
    fn left(at: Instant) -> (Local, UserId) {
        let (local, user) = (Local::default(), UserId::new());
        assert!(matches!(local.standing(user, || here(user), at), Standing::Here(_)));
        local.end(user, Some(Status::Online));
        local.leave(user, at, Peers::new());
        (local, user)
    }

    fn here(user: UserId) -> Vec<Arc<Socket>> {
        vec![Arc::new(Socket::new(SocketId::for_test(), user, TokenId::new(), None))]
    }

    #[test]
    fn a_user_has_left_when_the_grace_is_over() {
        let start = Instant::now();
        let (local, user) = left(start + SECOND);
        assert!(matches!(local.standing(user, Vec::new, start), Standing::Grace));
        assert!(matches!(local.standing(user, Vec::new, start + SECOND), Standing::Left(_)));
        // Another close in the meantime begins another grace.
        local.leave(user, start + 2 * SECOND, Peers::new());
        local.left(user, start + SECOND);
        assert!(matches!(local.standing(user, Vec::new, start + SECOND), Standing::Grace));
        local.left(user, start + 2 * SECOND);
        assert!(matches!(local.standing(user, Vec::new, start + 2 * SECOND), Standing::Unknown));
    }

    #[test]
    fn flips_of_one_user_are_announced_at_a_bounded_rate_and_the_last_one_counts() {
        let (start, millis) = (Instant::now(), Duration::from_millis);
        let (local, user) = (Local::default(), UserId::new());
        assert_eq!(local.flip(user, start), Some(start));
        assert_eq!(local.flip(user, start + millis(10)), Some(start + SECOND));
        for later in [20, 500, 999] {
            assert_eq!(local.flip(user, start + millis(later)), None);
        }
        assert_eq!(local.flip(user, start + millis(1001)), Some(start + 2 * SECOND));
        assert_eq!(local.flip(UserId::new(), start), Some(start));
        assert_eq!(local.flip(user, start + 9 * SECOND), Some(start + 9 * SECOND));
    }

    #[test]
    fn where_nothing_was_lost_another_instance_has_announced_it() {
        let start = Instant::now();
        let (local, user) = left(start);
        let later = local.doubt(user, start).expect("a doubt");
        assert!(later >= start + BEAT);
        assert_eq!(local.doubt(user, later), None);
        assert!(!local.is_lost(user));
    }

    #[test]
    fn where_redis_has_lost_it_others_have_time_to_enter_the_user_again() {
        let start = Instant::now();
        let (local, user) = left(start);
        let later = local.doubt(user, start).expect("a doubt");
        local.lose(start + BEAT, false);
        let limit = start + BEAT + REENTRY_LIMIT;
        assert_eq!(local.doubt(user, later), Some(limit));
        assert_eq!(local.doubt(user, limit), None);
        assert!(local.is_lost(user));
        assert_eq!(local.last(user).announced, Some(Status::Online));
    }

    #[test]
    fn what_others_may_have_announced_meanwhile_is_not_known() {
        let start = Instant::now();
        let user = UserId::new();
        let local = Local::default();
        local.standing(user, || here(user), start);
        local.end(user, Some(Status::Online));
        local.lose(start, false);
        assert_eq!(local.last(user).announced, Some(Status::Online));
        local.lose(start, true);
        assert_eq!(local.last(user).announced, None);

        // Nor of one who was gone for longer than the grace.
        let (local, user) = left(start);
        local.standing(user, || here(user), start + SECOND);
        assert_eq!(local.last(user).announced, None);
    }
}
