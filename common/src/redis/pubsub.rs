//! Pub/Sub on a single Redis and on a cluster. All code that differs between the two is here.
//!
//! A cluster uses sharded Pub/Sub: a channel belongs to a slot, like a key, and a publication goes only to the node of that slot
//! and its replicas. Plain PUBLISH would send each publication to all nodes, so that more nodes would not carry more load.

use fred::{
    interfaces::{ClientLike as _, ClusterInterface as _, PubsubInterface},
    prelude::{Client, Error, ErrorKind},
    types::cluster::SlotRange,
};
use futures_util::future::try_join_all;

use super::COMMAND_TIMEOUT;

/// Publishes `payload`, or queues it in a pipeline. Does not return the number of receivers, which would be that of one node.
///
/// # Errors
/// Redis did not accept the publication.
pub async fn publish(redis: &impl PubsubInterface, channel: String, payload: String) -> Result<(), Error> {
    if redis.is_clustered() { redis.spublish(channel, payload).await } else { redis.publish(channel, payload).await }
}

/// Subscribes to channels. Sends all of them at the same time, so callers should pass at most some thousands.
///
/// # Errors
/// A subscription failed. Others may have succeeded.
pub async fn subscribe(redis: &Client, channels: Vec<String>) -> Result<(), Error> {
    if !redis.is_clustered() {
        return redis.subscribe(channels).await;
    }
    // One command for each channel: the channels of a command have to be in the same slot, and fred expects one answer to a
    // command, but Redis sends one for each channel.
    try_join_all(channels.into_iter().map(|channel| redis.ssubscribe(channel))).await.map(drop)
}

/// Unsubscribes from channels. Ignores channels without a subscription.
///
/// # Errors
/// Redis did not accept the command.
pub async fn unsubscribe(redis: &Client, channels: Vec<String>) -> Result<(), Error> {
    if !redis.is_clustered() {
        return redis.unsubscribe(channels).await;
    }
    try_join_all(channels.into_iter().map(|channel| redis.sunsubscribe(channel))).await.map(drop)
}

/// The assignment of slots to the nodes of a cluster. For a single Redis it is always equal.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Slots(Vec<SlotRange>);

impl Slots {
    /// Returns the assignment that the client has cached.
    #[must_use]
    pub fn cached(redis: &Client) -> Self {
        Self(redis.cached_cluster_state().map(|state| state.slots().to_vec()).unwrap_or_default())
    }

    /// Fetches the assignment from the cluster. When a slot moves, its old node drops the subscriptions, and the client does not
    /// report it.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn fetch(redis: &Client) -> Result<Self, Error> {
        if redis.is_clustered() {
            let answer = tokio::time::timeout(COMMAND_TIMEOUT, redis.sync_cluster()).await;
            answer.unwrap_or_else(|_| {
                Err(Error::new(ErrorKind::Timeout, "the cluster did not return its slots in time"))
            })?;
        }
        Ok(Self::cached(redis))
    }
}
