//! Keeps the subscriptions equal to what the sockets of this instance need.

use std::{collections::HashSet, sync::Arc, time::Duration};

use fred::{
    error::Error as RedisError,
    interfaces::{ClientLike as _, EventInterface as _},
    prelude::Client,
};
use neonchat_common::{
    bus::Channel,
    redis::{
        namespace::Namespace,
        pubsub::{self, Slots},
    },
};
use tokio::{
    sync::{broadcast::error::RecvError, watch},
    time::{MissedTickBehavior, interval},
};

use crate::{hub::Hub, resync::Resync};

/// The most channels in one SUBSCRIBE or UNSUBSCRIBE.
const CHANNELS_PER_COMMAND: usize = 1000;

/// How long a handshake may wait for the subscription to the user's channel. After that it continues without it.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_millis(500);

/// The delay before failed subscriptions are tried again.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// How often a Redis Cluster is asked whether slots have moved to another node.
const SLOTS_INTERVAL: Duration = Duration::from_secs(4);

/// Channels that every instance subscribes to.
const PERMANENT_CHANNELS: [Channel; 2] = [Channel::System, Channel::Deployments];

/// The subscriptions of this instance. A single worker subscribes and unsubscribes, so that these commands cannot overtake
/// each other. It compares with what the hub needs at that moment, so that intermediate changes have no effect.
pub(crate) struct Subscriptions {
    client: Client,
    namespace: Namespace,
    hub: Arc<Hub>,
    resync: Arc<Resync>,
    current: watch::Sender<HashSet<Channel>>,
}

impl Subscriptions {
    /// `client` is used for these subscriptions only.
    pub(crate) fn new(client: Client, namespace: Namespace, hub: Arc<Hub>, resync: Arc<Resync>) -> Self {
        Self { client, namespace, hub, resync, current: watch::Sender::default() }
    }

    /// Waits until a channel is subscribed to, at most [`SUBSCRIBE_TIMEOUT`].
    pub(crate) async fn wait_for(&self, channel: Channel) {
        if self.client.is_connected() {
            let mut current = self.current.subscribe();
            let subscribed = current.wait_for(|channels| channels.contains(&channel));
            let _ = tokio::time::timeout(SUBSCRIBE_TIMEOUT, subscribed).await;
        }
    }

    /// Runs the worker that keeps the subscriptions equal to what the hub needs.
    pub(crate) async fn run(&self) {
        let mut connected = self.client.reconnect_rx();
        let mut slot_checks = interval(SLOTS_INTERVAL);
        slot_checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut slots = Slots::default();
        self.hub.changed_channels.add(PERMANENT_CHANNELS);
        loop {
            tokio::select! {
                event = connected.recv() => match event {
                    Err(RecvError::Closed) => return,
                    Ok(_) | Err(RecvError::Lagged(_)) => {
                        tracing::info!("redis subscriber connected");
                        slots = Slots::cached(&self.client);
                        self.resubscribe();
                    }
                },
                _ = slot_checks.tick(), if self.client.is_clustered() && self.client.is_connected() => {
                    self.detect_moved_slots(&mut slots).await;
                }
                () = self.hub.changed_channels.wait() => self.sync_subscriptions().await,
            }
        }
    }

    /// Subscribes again if slots of a Redis Cluster have moved: their subscriptions did not move with them.
    async fn detect_moved_slots(&self, slots: &mut Slots) {
        match Slots::fetch(&self.client).await {
            Ok(now) if now == *slots => {}
            Ok(now) => {
                tracing::info!("redis cluster slots moved");
                *slots = now;
                self.resubscribe();
            }
            Err(error) => tracing::warn!(error.cause = %error, "redis cluster slots could not be listed"),
        }
    }

    /// Subscribes to all needed channels again: a new connection has no subscriptions, and publications have been lost.
    fn resubscribe(&self) {
        // On a cluster only one node has reconnected. The others may have subscriptions that are not needed any more.
        let before = self.current.send_replace(HashSet::new());
        self.hub.changed_channels.add(before);
        let (chats, users) = (self.hub.chats(), self.hub.users());
        self.hub.changed_channels.add(chats.into_iter().map(Channel::Chat));
        self.hub.changed_channels.add(users.iter().copied().map(Channel::User).chain(PERMANENT_CHANNELS));
        self.resync.refresh_users(users);
    }

    async fn sync_subscriptions(&self) {
        let changed = self.hub.changed_channels.take();
        let (wanted, unwanted): (Vec<_>, Vec<_>) =
            changed.into_iter().partition(|channel| self.hub.needs_channel(*channel));
        let missing: Vec<_> = {
            let current = self.current.borrow();
            wanted.into_iter().filter(|channel| !current.contains(channel)).collect()
        };
        for channels in missing.chunks(CHANNELS_PER_COMMAND) {
            if let Err(error) = pubsub::subscribe(&self.client, self.names(channels)).await {
                return self.retry_later(&missing, &unwanted, &error).await;
            }
            self.current.send_modify(|current| current.extend(channels));
            // Comparing heads finds what was published before the subscription.
            self.resync.check_heads(channels.iter().filter_map(|channel| match channel {
                Channel::Chat(chat) => Some(*chat),
                Channel::User(_) | Channel::System | Channel::Deployments => None,
            }));
        }
        for channels in unwanted.chunks(CHANNELS_PER_COMMAND) {
            if let Err(error) = pubsub::unsubscribe(&self.client, self.names(channels)).await {
                return self.retry_later(&[], &unwanted, &error).await;
            }
            self.current.send_modify(|current| {
                for channel in channels {
                    current.remove(channel);
                }
            });
        }
    }

    fn names(&self, channels: &[Channel]) -> Vec<String> {
        channels.iter().map(|channel| self.namespace.name(channel)).collect()
    }

    async fn retry_later(&self, missing: &[Channel], unwanted: &[Channel], error: &RedisError) {
        tracing::warn!(error.cause = %error, "redis subscribe failed, retrying");
        self.hub.changed_channels.add(missing.iter().chain(unwanted).copied());
        // A pause even if the client is connected: a permanent error would otherwise cause a busy loop.
        tokio::time::sleep(RETRY_DELAY).await;
        let _ = self.client.wait_for_connect().await;
    }
}
