//! Presence of users over all instances. The shared state is in Redis, each key in the namespace of the deployment:
//!
//! - `user:{id}:ws_connections`: the user's connections, each named `lease:socket`
//! - `{user:{id}:ws_connections}:away`: those of them on which the user is away
//! - `online:{id}`: the status that was announced last, with a lifetime of 65 s
//! - `instances`: the lease of each instance (see [`lease`])
//! - `instance:{lease}:users`: the index of a lease, the users with connections under it
//!
//! Every change of a user leads to [`reconcile`]. The announced status is replaced with one command: of several instances that
//! see the same change, exactly one announces it. No command touches two keys, so all of it works on a cluster. Live instances
//! clean up after dead ones: see [`sweep`].

mod last_seen;
mod lease;
mod local;
mod queue;
mod reconcile;
mod renew;
mod store;
mod sweep;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use fred::{error::Error as RedisError, interfaces::ClientLike as _, prelude::Client};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use neonchat_common::{
    correlation,
    ids::{InstanceId, UserId},
    redis::namespace::Namespace,
    tasks::Tasks,
};
use tokio::{
    sync::watch,
    time::{Instant, interval, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use self::{
    last_seen::LastSeen,
    lease::Lease,
    local::LocalUsers,
    queue::ReconcileQueue,
    reconcile::ReconcileError,
    store::{OnlineStatus, Store},
};
use crate::{
    chat_service::ChatService,
    dedup_queue::DedupQueue,
    delivery::Delivery,
    deployment::Deployments,
    hub::{Hub, PresenceAudience, Socket},
    protocol::Status,
};

/// How often each user is reconciled even without a change. The lifetime of a status is a little more than twice as long.
const RECONCILE_INTERVAL: Duration = Duration::from_secs(30);

/// Users that are reconciled at the same time.
const CONCURRENCY: usize = 64;

/// The pause before users that could not be reconciled are tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// The longest that removing all users takes: after their grace period, and in total.
const WITHDRAW_TIMEOUTS: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(10));

/// The longest that the last users take who are recorded as last seen, at the end of the process.
const LAST_SEEN_TIMEOUT: Duration = Duration::from_secs(2);

/// The parts of the service that presence uses.
pub(crate) struct Dependencies {
    pub(crate) instance: InstanceId,
    pub(crate) deployments: Arc<Deployments>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) chat_service: ChatService,
    pub(crate) delivery: Delivery,
    pub(crate) tasks: Tasks,
}

/// The presence of the users of this instance.
pub(crate) struct Presence {
    redis: Client,
    store: Store,
    instance: InstanceId,
    deployments: Arc<Deployments>,
    hub: Arc<Hub>,
    chat_service: ChatService,
    delivery: Delivery,
    tasks: Tasks,
    /// How long a user without connections stays online.
    grace: Duration,
    local: LocalUsers,
    /// Users to reconcile.
    changed: Arc<DedupQueue<UserId>>,
    /// Leases of dead instances.
    dead: DedupQueue<Lease>,
    /// Users of dead instances whose announcement was begun, and may not have reached all instances.
    announcement_pending: Mutex<HashSet<UserId>>,
    last_seen: LastSeen,
    /// The lease that this instance holds.
    lease: watch::Sender<Option<Lease>>,
    /// Cancelled when the lease is to be given back.
    ending: CancellationToken,
}

impl Presence {
    pub(crate) fn new(redis: Client, namespace: Namespace, dependencies: Dependencies, grace: Duration) -> Self {
        let Dependencies { instance, deployments, hub, chat_service, delivery, tasks } = dependencies;
        Self {
            store: Store::new(redis.clone(), namespace),
            redis,
            instance,
            deployments,
            hub,
            chat_service,
            delivery,
            tasks,
            grace,
            local: LocalUsers::default(),
            changed: Arc::default(),
            dead: DedupQueue::default(),
            announcement_pending: Mutex::default(),
            last_seen: LastSeen::default(),
            lease: watch::Sender::default(),
            ending: CancellationToken::new(),
        }
    }

    /// Starts the workers.
    pub(crate) fn start(self: &Arc<Self>, tasks: &Tasks) {
        let this = Arc::clone(self);
        tasks.spawn_until_stopped(async move { this.hold_lease().await });
        let this = Arc::clone(self);
        tasks.spawn_until_stopped(async move { this.reconcile_all().await });
        let this = Arc::clone(self);
        tasks.spawn_until_stopped(async move { this.reconcile_periodically().await });
        let this = Arc::clone(self);
        tasks.spawn_until_stopped(async move { this.sweep_all().await });
        let this = Arc::clone(self);
        tasks.spawn_until_stopped(async move {
            let write = |users: Vec<_>| {
                let chat_service = this.chat_service.clone();
                async move { chat_service.record_last_seen(&users).await }
            };
            this.last_seen.write_all(write).await;
        });
    }

    /// Records that a socket opened.
    pub(crate) fn connected(&self, socket: &Socket) {
        self.changed.add([socket.user]);
    }

    /// Records that the user of a socket went away or came back.
    pub(crate) fn set_status(&self, socket: &Socket, status: Status) {
        if !socket.set_away(status == Status::Away) {
            return;
        }
        let now = Instant::now();
        match self.local.status_changed(socket.user, now) {
            Some(at) if at > now => self.reconcile_at(socket.user, at),
            Some(_) => self.changed.add([socket.user]),
            None => {}
        }
    }

    /// Records that a socket closed and was removed from the hub. If it was the user's last one, the user is offline after the
    /// grace period, and `audience` is notified.
    pub(crate) fn disconnected(&self, user: UserId, audience: Option<PresenceAudience>) {
        if let Some(audience) = audience.filter(|_| self.hub.sockets_of(user).is_empty()) {
            let until = Instant::now() + self.grace;
            self.local.start_grace(user, until, audience);
            self.reconcile_at(user, until);
        } else {
            self.changed.add([user]);
        }
    }

    /// Returns whether the grace period of a user has started.
    #[cfg(test)]
    pub(crate) fn is_in_grace(&self, user: UserId) -> bool {
        self.local.is_in_grace(user)
    }

    /// Returns the statuses of those of the users who are not offline.
    pub(crate) async fn statuses(&self, users: &[UserId]) -> Result<Vec<OnlineStatus>, RedisError> {
        self.store.statuses(users).await
    }

    /// Waits, after the last socket closed, until all users are reconciled, and gives the lease back. What cannot be reconciled in
    /// time is left to the other instances, together with the lease.
    pub(crate) async fn withdraw(&self) {
        let (after_grace, in_total) = WITHDRAW_TIMEOUTS;
        let withdrawn = async {
            self.local.until_empty().await;
            self.ending.cancel();
            // Cannot fail: `self` keeps the sender.
            let _ = self.lease.subscribe().wait_for(Option::is_none).await;
        };
        if timeout((self.grace + after_grace).min(in_total), withdrawn).await.is_err() {
            tracing::warn!("presence not removed in time, left to the other instances");
        }
        if timeout(LAST_SEEN_TIMEOUT, self.last_seen.until_written()).await.is_err() {
            tracing::warn!("last seen times not recorded in time");
        }
    }

    fn reconcile_at(&self, user: UserId, at: Instant) {
        let changed = Arc::clone(&self.changed);
        self.tasks.spawn_until_stopped(async move {
            sleep_until(at).await;
            changed.add([user]);
        });
    }

    /// Reconciles users that changed, several at the same time.
    async fn reconcile_all(&self) {
        let mut lease = self.lease.subscribe();
        let (mut queue, mut in_progress) = (ReconcileQueue::default(), FuturesUnordered::new());
        let mut failed: Vec<(UserId, ReconcileError)> = Vec::new();
        // When users that failed, or wait for Redis, are tried again.
        let mut retry_at = None;
        loop {
            let held = lease.borrow_and_update().clone().filter(|_| self.redis.is_connected());
            if let Some(held) = &held {
                while in_progress.len() < CONCURRENCY
                    && let Some(user) = queue.begin()
                {
                    in_progress.push(correlation::in_current_scope(self.reconcile_one(held.clone(), user)));
                }
            }
            if !failed.is_empty() || held.is_none() && queue.is_waiting() {
                retry_at.get_or_insert_with(|| Instant::now() + RETRY_PAUSE);
            }
            tokio::select! {
                () = self.changed.wait() => queue.add(self.changed.take()),
                Some((user, result)) = in_progress.next() => {
                    queue.end(user);
                    failed.extend(result.err().map(|error| (user, error)));
                }
                changed = lease.changed() => if changed.is_err() { return },
                () = sleep_until(retry_at.unwrap_or_else(Instant::now)), if retry_at.is_some() => {
                    retry_at = None;
                    Self::report(&failed);
                    queue.add(failed.drain(..).map(|(user, _)| user));
                }
            }
        }
    }

    async fn reconcile_one(&self, lease: Lease, user: UserId) -> (UserId, Result<(), ReconcileError>) {
        (user, self.reconcile(&lease, user).await)
    }

    fn report(failed: &[(UserId, ReconcileError)]) {
        if let Some((_, error)) = failed.first() {
            tracing::warn!(users = failed.len(), error.cause = %error, "presence update failed, retrying");
            metrics::counter!("presence_retries_total").increment(failed.len() as u64);
        }
    }

    /// Reconciles every user within each interval, some each second. Repairs what was missed, and renews what would expire.
    async fn reconcile_periodically(&self) {
        let turns = RECONCILE_INTERVAL.as_secs();
        let mut tick = interval(Duration::from_secs(1));
        for turn in (0..turns).cycle() {
            tick.tick().await;
            let is_due = |user: &UserId| user.0.as_u128() % u128::from(turns) == u128::from(turn);
            self.changed.add(self.hub.users().into_iter().filter(is_due));
        }
    }
}
