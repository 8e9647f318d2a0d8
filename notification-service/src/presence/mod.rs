//! Who is online, over all instances. The truth is in Redis, each key in the namespace of the deployment:
//!
//! - `user:{id}:ws_connections`: the user's connections, each named `lease:socket`
//! - `{user:{id}:ws_connections}:away`: those of them that said that the user is away
//! - `online:{id}`: the status that follows from the two, as it was last announced, for a little over a minute
//! - `instances`: the lease of each instance (see [`lease`])
//! - `instance:{lease}:users`: of whom an instance has connections
//!
//! Whatever happens to a user, the user is settled: see [`settle`]. The announced status is exchanged with one command, so
//! that of several instances that see the same change just one announces it. No command touches two keys, so that it works
//! on a cluster. What an instance leaves behind that is killed, the others clear up: see [`sweep`].

mod lease;
mod local;
mod settle;
mod store;
mod sweep;
mod turns;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use fred::{error::Error as RedisError, interfaces::ClientLike as _, prelude::Client};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use neonchat_common::{correlation, ids::UserId, lifecycle::Tasks, redis::namespace::Namespace};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use self::{
    lease::{BEAT, Holding, Lease, Renewed, Watch},
    local::Local,
    settle::Unsettled,
    store::{OnlineStatus, Store},
    turns::Turns,
};
use crate::{
    delivery::Delivery,
    hub::{Hub, Peers, Socket},
    protocol::Status,
    work_set::WorkSet,
};

/// How often each user is settled even if nothing happens: a status lasts for twice as long, and a little longer.
const RENEWALS: Duration = Duration::from_secs(30);

/// Users that are settled at a time.
const CONCURRENCY: usize = 64;

/// How long users that could not be settled wait until they are tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// The longest that withdrawing all users takes beyond their grace, and in all.
const WITHDRAW_LIMITS: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(10));

/// See the module.
pub(crate) struct Presence {
    redis: Client,
    store: Store,
    hub: Arc<Hub>,
    delivery: Delivery,
    /// How long a user without connections is still online.
    grace: Duration,
    local: Local,
    /// Users that have to be settled.
    changed: Arc<WorkSet<UserId>>,
    /// Leases of instances that are gone.
    gone: WorkSet<Lease>,
    /// Users of theirs of whom something was announced, and nobody knows whether it was heard.
    unheard: Mutex<HashSet<UserId>>,
    /// The lease that this instance holds.
    lease: watch::Sender<Option<Lease>>,
    /// No lease is to be held any more.
    ending: CancellationToken,
}

impl Presence {
    pub(crate) fn new(redis: Client, namespace: Namespace, delivery: Delivery, grace: Duration) -> Self {
        Self {
            store: Store::new(redis.clone(), namespace),
            redis,
            hub: Arc::clone(&delivery.hub),
            delivery,
            grace,
            local: Local::default(),
            changed: Arc::default(),
            gone: WorkSet::default(),
            unheard: Mutex::default(),
            lease: watch::Sender::default(),
            ending: CancellationToken::new(),
        }
    }

    /// Starts the workers.
    pub(crate) fn start(self: &Arc<Self>, tasks: &Tasks) {
        let this = Arc::clone(self);
        tasks.spawn_until_stopped(async move { this.hold_lease().await });
        let this = Arc::clone(self);
        tasks.spawn_until_stopped(async move { this.settle_all().await });
        let this = Arc::clone(self);
        tasks.spawn_until_stopped(async move { this.renew_all().await });
        let this = Arc::clone(self);
        tasks.spawn_until_stopped(async move { this.sweep_all().await });
    }

    /// A socket was opened.
    pub(crate) fn connected(&self, socket: &Socket) {
        self.changed.add([socket.user]);
    }

    /// A socket's user went away, or came back.
    pub(crate) fn set_status(&self, socket: &Socket, status: Status) {
        if !socket.set_away(status == Status::Away) {
            return;
        }
        let now = Instant::now();
        match self.local.flip(socket.user, now) {
            Some(at) if at > now => self.settle_at(socket.user, at),
            Some(_) => self.changed.add([socket.user]),
            None => {}
        }
    }

    /// A socket was closed, and the hub knows it no longer. If it was the user's last, the user is offline after the grace, and
    /// these are told.
    pub(crate) fn disconnected(&self, user: UserId, left: Option<Peers>) {
        if let Some(peers) = left.filter(|_| self.hub.sockets_of(user).is_empty()) {
            let until = Instant::now() + self.grace;
            self.local.leave(user, until, peers);
            self.settle_at(user, until);
        } else {
            self.changed.add([user]);
        }
    }

    /// The statuses of these users; one who is offline is left out.
    pub(crate) async fn statuses(&self, users: &[UserId]) -> Result<Vec<OnlineStatus>, RedisError> {
        self.store.statuses(users).await
    }

    /// After the last socket was closed: waits until all users are settled, and gives the lease back. What cannot be
    /// settled is left to the others, with the lease.
    pub(crate) async fn withdraw(&self) {
        let (beyond_grace, in_all) = WITHDRAW_LIMITS;
        let withdrawn = async {
            self.local.until_empty().await;
            self.ending.cancel();
            // The sender lives as long as this does.
            let _ = self.lease.subscribe().wait_for(Option::is_none).await;
        };
        if timeout((self.grace + beyond_grace).min(in_all), withdrawn).await.is_err() {
            tracing::warn!("presence is left to the other instances");
        }
    }

    fn settle_at(&self, user: UserId, at: Instant) {
        let changed = Arc::clone(&self.changed);
        self.delivery.tasks.spawn_until_stopped(async move {
            sleep_until(at).await;
            changed.add([user]);
        });
    }

    /// Settles the users that have to be, several at a time.
    async fn settle_all(&self) {
        let mut lease = self.lease.subscribe();
        let (mut turns, mut settling) = (Turns::default(), FuturesUnordered::new());
        let mut failed: Vec<(UserId, Unsettled)> = Vec::new();
        // When those that failed, and those that wait for Redis, have another turn.
        let mut retry_at = None;
        loop {
            let held = lease.borrow_and_update().clone().filter(|_| self.redis.is_connected());
            if let Some(held) = &held {
                while settling.len() < CONCURRENCY
                    && let Some(user) = turns.begin()
                {
                    settling.push(correlation::carry(self.settle_one(held.clone(), user)));
                }
            }
            if !failed.is_empty() || held.is_none() && turns.is_waiting() {
                retry_at.get_or_insert_with(|| Instant::now() + RETRY_PAUSE);
            }
            tokio::select! {
                () = self.changed.wait() => turns.add(self.changed.take()),
                Some((user, settled)) = settling.next() => {
                    turns.end(user);
                    failed.extend(settled.err().map(|error| (user, error)));
                }
                changed = lease.changed() => if changed.is_err() { return },
                () = sleep_until(retry_at.unwrap_or_else(Instant::now)), if retry_at.is_some() => {
                    retry_at = None;
                    Self::report(&failed);
                    turns.add(failed.drain(..).map(|(user, _)| user));
                }
            }
        }
    }

    async fn settle_one(&self, lease: Lease, user: UserId) -> (UserId, Result<(), Unsettled>) {
        (user, self.settle(&lease, user).await)
    }

    fn report(failed: &[(UserId, Unsettled)]) {
        if let Some((_, error)) = failed.first() {
            tracing::warn!(users = failed.len(), error.cause = %error, "presence not announced, trying again");
            metrics::counter!("presence_retries_total").increment(failed.len() as u64);
        }
    }

    /// Settles every user from time to time, some each second: what nobody noticed is mended, and nothing expires.
    async fn renew_all(&self) {
        let turns = RENEWALS.as_secs();
        let mut tick = interval(Duration::from_secs(1));
        for turn in (0..turns).cycle() {
            tick.tick().await;
            let is_due = |user: &UserId| user.0.as_u128() % u128::from(turns) == u128::from(turn);
            self.changed.add(self.hub.users().into_iter().filter(is_due));
        }
    }

    /// Renews the lease of this instance and looks at those of the others, until it is given back.
    async fn hold_lease(&self) {
        let mut holding = Holding::new(self.delivery.instance);
        let mut watch = Watch::new(self.grace);
        let mut tick = interval(BEAT);
        // Looks that come late are not made up for: they say something only if time has passed between them.
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.ending.run_until_cancelled(tick.tick()).await.is_some() {
            if self.redis.is_connected()
                && let Err(error) = self.beat(&mut holding, &mut watch).await
            {
                tracing::warn!(error.cause = %error, "the lease was not renewed");
            }
        }
        if self.redis.is_connected()
            && let Err(error) = self.store.forget(&holding.lease()).await
        {
            tracing::warn!(error.cause = %error, "the lease was not given back");
        }
        self.lease.send_replace(None);
    }

    async fn beat(&self, holding: &mut Holding, watch: &mut Watch) -> Result<(), RedisError> {
        let (mut beats, mut leases) = self.store.beat(&holding.lease()).await?;
        if let Renewed::Lost { perhaps_reaped } = holding.renewed(beats, Instant::now()) {
            tracing::warn!(perhaps_reaped, "the lease was lost");
            metrics::counter!("presence_leases_lost_total").increment(1);
            self.lease.send_replace(None);
            self.local.lose(Instant::now(), perhaps_reaped);
            self.unheard().clear();
            (beats, leases) = self.store.beat(&holding.lease()).await?;
            holding.renewed(beats, Instant::now());
        }
        let own = holding.lease();
        if self.lease.borrow().is_none() {
            // Only now, so that nothing is entered under a lease that nobody could find gone.
            self.lease.send_replace(Some(own.clone()));
            self.changed.add(self.hub.users().into_iter().chain(self.local.users()));
        }
        let (gone, living) = watch.look(&leases, &own);
        metrics::gauge!("presence_instances").set(living);
        if self.delivery.deployments.must_yield() {
            // Leases of another deployment are cleared up after by that one: it alone can tell its users.
            return Ok(());
        }
        for lease in &gone {
            if leases.get(lease).is_some_and(|beats| *beats >= 0) {
                self.store.mark_gone(lease).await?;
            }
        }
        self.gone.add(gone);
        Ok(())
    }
}
