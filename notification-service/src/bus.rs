//! Redis Pub/Sub: publishing, and keeping subscribed to just what the sockets of this instance need.

mod inbox;

use std::{collections::HashSet, mem, sync::Arc, time::Duration};

use fred::{
    error::Error as RedisError,
    interfaces::{ClientLike as _, EventInterface as _},
    prelude::Client,
};
use neonchat_common::{
    bus::{Channel, Envelope, Event},
    deployment::Announcement,
    ids::{DeploymentId, InstanceId},
    redis::{
        namespace::Namespace,
        pubsub::{self, Slots},
    },
    trace::{self, TraceContext},
};
use tokio::{
    sync::{broadcast::error::RecvError, watch},
    time::{MissedTickBehavior, interval},
};

pub(crate) use self::inbox::Inbox;
use crate::{hub::Hub, resync::Resync};

/// Channels in one SUBSCRIBE or UNSUBSCRIBE.
const CHANNELS_PER_COMMAND: usize = 1000;

/// The longest that a handshake waits for the user's channel. Where Redis is away it goes on without.
const SUBSCRIBE_WAIT: Duration = Duration::from_millis(500);

/// How long subscriptions that failed wait before they are tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// How often a cluster is asked whether channels have moved to another node.
const SLOTS_INTERVAL: Duration = Duration::from_secs(4);

/// Channels that every instance is subscribed to.
const ALWAYS: [Channel; 2] = [Channel::System, Channel::Deployments];

/// Publishing. See the module.
#[derive(Clone)]
pub(crate) struct Publisher {
    client: Client,
    namespace: Namespace,
}

impl Publisher {
    pub(crate) const fn new(client: Client, namespace: Namespace) -> Self {
        Self { client, namespace }
    }

    /// Announces a deployment. Where Redis does not take it, the next announcement follows soon.
    pub(crate) async fn announce(&self, announcement: &Announcement) {
        let Ok(payload) = serde_json::to_string(announcement) else { return };
        if let Err(error) = pubsub::publish(&self.client, self.namespace.name(Channel::Deployments), payload).await {
            not_published(&error);
        }
    }

    /// Publishes to every instance that is subscribed; returns whether Redis took it.
    pub(crate) async fn publish(&self, publication: Publication) -> bool {
        self.publish_all(vec![publication]).await.first().copied().unwrap_or_default()
    }

    /// Publishes to every instance that is subscribed, in this order and in one go. Returns of each whether Redis took it.
    /// Fails at once where Redis is known to be away.
    pub(crate) async fn publish_all(&self, mut publications: Vec<Publication>) -> Vec<bool> {
        let count = publications.len();
        let mut published = if self.client.is_connected() {
            let pipeline = self.client.pipeline();
            for Publication { channel, payload, .. } in &mut publications {
                // Only queued here.
                let _ = pubsub::publish(&pipeline, self.namespace.name(channel), mem::take(payload)).await;
            }
            let results = pipeline.try_all::<()>().await;
            results.into_iter().map(|result| result.inspect_err(not_published).is_ok()).collect()
        } else {
            Vec::new()
        };
        // One error may stand for all.
        published.resize(count, false);
        for (Publication { trace, .. }, published) in publications.iter_mut().zip(&published) {
            trace.set_batch_size(count);
            if !published {
                trace.fail("not_published");
            }
        }
        let succeeded = published.iter().filter(|published| **published).count() as u64;
        metrics::counter!("redis_publishes_total", "outcome" => "ok").increment(succeeded);
        metrics::counter!("redis_publishes_total", "outcome" => "failed").increment(count as u64 - succeeded);
        published
    }
}

fn not_published(error: &RedisError) {
    tracing::debug!(error.cause = %error, "not published");
}

/// An event on its way to the other instances.
#[derive(Debug)]
pub(crate) struct Publication {
    channel: Channel,
    payload: String,
    trace: trace::Span,
}

impl Publication {
    /// Of an event of this deployment that a request of this id has caused, as a part of its trace; by `instance`, where its
    /// own sockets have it already.
    pub(crate) fn new(
        channel: Channel,
        deployment: Option<DeploymentId>,
        instance: Option<InstanceId>,
        request_id: &str,
        event: Event<'_>,
        trace: &TraceContext,
    ) -> Self {
        let trace = trace::Span::child(trace, || trace::publish(channel));
        let traceparent = trace.context().traceparent().map(Into::into);
        let envelope = Envelope { instance, deployment, request_id: request_id.into(), traceparent, event };
        Self { channel, payload: envelope.encode(), trace }
    }
}

/// Subscriptions. One worker alone subscribes and unsubscribes, so that the two never overtake one another; it looks at
/// what the hub wants now, and not at what was asked for in between.
pub(crate) struct Subscriptions {
    client: Client,
    namespace: Namespace,
    hub: Arc<Hub>,
    resync: Arc<Resync>,
    current: watch::Sender<HashSet<Channel>>,
}

impl Subscriptions {
    /// Of a client that is used for nothing else, to channels of this namespace.
    pub(crate) fn new(client: Client, namespace: Namespace, hub: Arc<Hub>, resync: Arc<Resync>) -> Self {
        Self { client, namespace, hub, resync, current: watch::Sender::default() }
    }

    /// Waits, for a short while, until a channel is subscribed to.
    pub(crate) async fn wait_for(&self, channel: Channel) {
        if self.client.is_connected() {
            let mut current = self.current.subscribe();
            let subscribed = current.wait_for(|channels| channels.contains(&channel));
            let _ = tokio::time::timeout(SUBSCRIBE_WAIT, subscribed).await;
        }
    }

    /// The worker: keeps the subscriptions as the hub wants them.
    pub(crate) async fn run(&self) {
        let mut connected = self.client.reconnect_rx();
        let mut look = interval(SLOTS_INTERVAL);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut slots = Slots::default();
        self.hub.interest.add(ALWAYS);
        loop {
            tokio::select! {
                event = connected.recv() => match event {
                    Err(RecvError::Closed) => return,
                    Ok(_) | Err(RecvError::Lagged(_)) => {
                        tracing::info!("redis subscriber connected");
                        slots = Slots::known(&self.client);
                        self.start_over();
                    }
                },
                _ = look.tick(), if self.client.is_clustered() && self.client.is_connected() => {
                    self.follow(&mut slots).await;
                }
                () = self.hub.interest.wait() => self.settle().await,
            }
        }
    }

    /// Looks whether slots of a cluster have moved: their subscriptions did not move with them.
    async fn follow(&self, slots: &mut Slots) {
        match Slots::ask(&self.client).await {
            Ok(now) if now == *slots => {}
            Ok(now) => {
                tracing::info!("redis cluster: slots moved");
                *slots = now;
                self.start_over();
            }
            Err(error) => tracing::warn!(error.cause = %error, "redis cluster: where its slots are is not known"),
        }
    }

    /// A new connection has no subscriptions; and what was published in between is lost.
    fn start_over(&self) {
        // On a cluster this was one node of several: of the others, what is not wanted any more has to go.
        let before = self.current.send_replace(HashSet::new());
        self.hub.interest.add(before);
        let (chats, users) = (self.hub.chats(), self.hub.users());
        self.hub.interest.add(chats.into_iter().map(Channel::Chat));
        self.hub.interest.add(users.iter().copied().map(Channel::User).chain(ALWAYS));
        self.resync.refresh_users(users);
    }

    async fn settle(&self) {
        let changed = self.hub.interest.take();
        let (wanted, superfluous): (Vec<_>, Vec<_>) = changed.into_iter().partition(|channel| self.hub.wants(*channel));
        let missing: Vec<_> = {
            let current = self.current.borrow();
            wanted.into_iter().filter(|channel| !current.contains(channel)).collect()
        };
        for channels in missing.chunks(CHANNELS_PER_COMMAND) {
            if let Err(error) = pubsub::subscribe(&self.client, self.names(channels)).await {
                return self.postpone(&missing, &superfluous, &error).await;
            }
            self.current.send_modify(|current| current.extend(channels));
            // What was published before the subscription is found by comparing heads.
            self.resync.check_heads(channels.iter().filter_map(|channel| match channel {
                Channel::Chat(chat) => Some(*chat),
                Channel::User(_) | Channel::System | Channel::Deployments => None,
            }));
        }
        for channels in superfluous.chunks(CHANNELS_PER_COMMAND) {
            if let Err(error) = pubsub::unsubscribe(&self.client, self.names(channels)).await {
                return self.postpone(&[], &superfluous, &error).await;
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

    async fn postpone(&self, missing: &[Channel], superfluous: &[Channel], error: &RedisError) {
        tracing::warn!(error.cause = %error, "redis: subscriptions wait");
        self.hub.interest.add(missing.iter().chain(superfluous).copied());
        // Not only until it is connected: where it never will be, this fails at once, and would be tried again at once.
        tokio::time::sleep(RETRY_PAUSE).await;
        let _ = self.client.wait_for_connect().await;
    }
}
