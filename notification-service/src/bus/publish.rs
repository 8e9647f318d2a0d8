//! Publishes events to the other instances.

use std::mem;

use fred::{error::Error as RedisError, interfaces::ClientLike as _, prelude::Client};
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

    /// Publishes to the subscribed instances, in this order and in one pipeline. Returns for each publication whether Redis
    /// accepted it. Fails without waiting if there is no connection to Redis.
    pub(crate) async fn publish_all(&self, mut publications: Vec<Publication>) -> Vec<bool> {
        let count = publications.len();
        let mut published = if self.client.is_connected() {
            let pipeline = self.client.pipeline();
            for Publication { channel, payload, .. } in &mut publications {
                // A pipeline only queues the command here.
                let _ = pubsub::publish(&pipeline, self.namespace.name(channel), mem::take(payload)).await;
            }
            let results = pipeline.try_all::<()>().await;
            results.into_iter().map(|result| result.inspect_err(log_publish_failure).is_ok()).collect()
        } else {
            Vec::new()
        };
        // If the whole pipeline fails, there is one error for all publications.
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
