//! Publishes events to the other instances.

use std::mem;

use fred::{error::Error as RedisError, interfaces::ClientLike as _, prelude::Client};
use futures_util::{future::maybe_done, poll};
use neonchat_common::{
    bus::{Channel, Envelope, Event},
    deployment::Announcement,
    ids::{DeploymentId, InstanceId},
    redis::{namespace::Namespace, pubsub},
    trace::{self, TraceContext},
};

/// Publishes on the channels of a namespace.
#[derive(Clone)]
pub(crate) struct Publisher {
    client: Client,
    namespace: Namespace,
}

impl Publisher {
    pub(crate) const fn new(client: Client, namespace: Namespace) -> Self {
        Self { client, namespace }
    }

    /// Announces a deployment. A failure is only logged, because announcements are repeated.
    pub(crate) async fn announce(&self, announcement: &Announcement) {
        let Ok(payload) = serde_json::to_string(announcement) else { return };
        if let Err(error) = pubsub::publish(&self.client, self.namespace.name(Channel::Deployments), payload).await {
            log_publish_failure(&error);
        }
    }

    /// Publishes to the subscribed instances. Returns whether Redis accepted the publication.
    pub(crate) async fn publish(&self, publication: Publication) -> bool {
        // One result for the one publication. Without it, other instances may not have the event.
        self.publish_all(vec![publication]).await.first().copied().unwrap_or(false)
    }

    /// Publishes to the subscribed instances, in this order. Returns for each publication whether Redis accepted it. Fails without
    /// waiting if there is no connection to Redis. All commands are in the Redis client's queue after the first poll.
    pub(crate) async fn publish_all(&self, mut publications: Vec<Publication>) -> Vec<bool> {
        let count = publications.len();
        let published =
            if self.client.is_connected() { self.queue_all(&mut publications).await } else { vec![false; count] };
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

    /// The client writes all commands that are in its queue at once. It would write each command of a pipeline by itself.
    async fn queue_all(&self, publications: &mut [Publication]) -> Vec<bool> {
        let publish = |Publication { channel, payload, .. }: &mut Publication| {
            let (channel, payload) = (self.namespace.name(*channel), mem::take(payload));
            Box::pin(maybe_done(pubsub::publish(&self.client, channel, payload)))
        };
        let mut commands: Vec<_> = publications.iter_mut().map(publish).collect();
        for command in &mut commands {
            // The first poll queues it.
            let _ = poll!(command);
        }
        let mut published = Vec::with_capacity(commands.len());
        for mut command in commands {
            command.as_mut().await;
            let result = command.as_mut().take_output();
            published.push(result.is_some_and(|result| result.inspect_err(log_publish_failure).is_ok()));
        }
        published
    }
}

fn log_publish_failure(error: &RedisError) {
    tracing::debug!(error.cause = %error, "redis publish failed");
}

/// An encoded event for the other instances.
#[derive(Debug)]
pub(crate) struct Publication {
    channel: Channel,
    payload: String,
    trace: trace::Span,
}

impl Publication {
    /// Encodes an event of this deployment. `request_id` is the ID of the request that caused it, and `trace` its trace.
    /// `instance` is this instance if the local sockets have the event already.
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
