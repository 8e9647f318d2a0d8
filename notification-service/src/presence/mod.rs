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

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use fred::{error::Error as RedisError, interfaces::ClientLike as _, prelude::Client};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use neonchat_common::{
    correlation,
    ids::{ChatId, UserId},
    lifecycle::Tasks,
    redis::namespace::Namespace,
};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use self::{
    lease::{BEAT, Holding, Lease, Renewed, Watch},
    local::Local,
    settle::Unsettled,
    store::{OnlineStatus, Store},
};
use crate::{
    connection::protocol::Status,
    delivery::Delivery,
    hub::{Hub, Socket},
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

/// Those who are told of a user's presence, and the chats that they share with the user.
pub(crate) type Peers = HashMap<UserId, Vec<ChatId>>;

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
        socket.set_away(status == Status::Away);
        self.changed.add([socket.user]);
    }

    /// A socket was closed, and the hub knows it no longer. A user without any is offline after the grace.
    pub(crate) fn disconnected(&self, user: UserId, peers: Peers) {
        if self.hub.sockets_of(user).is_empty() {
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

    /// Settles whoever has to be, a batch at a time, so that no user is settled twice at once.
    async fn settle_all(&self) {
        let mut lease = self.lease.subscribe();
        loop {
            self.changed.wait().await;
            let Ok(lease) = lease.wait_for(Option::is_some).await.map(|lease| lease.clone()) else { return };
            let Some(lease) = lease.filter(|_| self.redis.is_connected()) else {
                sleep(RETRY_PAUSE).await;
                continue;
            };
            let settled = stream::iter(self.changed.take())
                .map(|user| correlation::carry(self.settle(&lease, user)).map(move |settled| (user, settled)))
                .buffer_unordered(CONCURRENCY)
                .collect::<Vec<_>>()
                .await;
            let failed = settled.into_iter().filter_map(|(user, settled)| Some((user, settled.err()?)));
            let failed: Vec<(UserId, Unsettled)> = failed.collect();
            if let Some((_, error)) = failed.first() {
                tracing::warn!(users = failed.len(), error.cause = %error, "presence waits");
                metrics::counter!("presence_retries_total").increment(failed.len() as u64);
                sleep(RETRY_PAUSE).await;
                self.changed.add(failed.into_iter().map(|(user, _)| user));
            }
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
