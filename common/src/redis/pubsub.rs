//! Pub/Sub on one Redis, and on a cluster: the one place where the two differ.
//!
//! On a cluster it is sharded: a channel belongs to a slot, as a key does, and a publication goes to the node of that slot
//! alone, and to its replicas. By plain PUBLISH each publication would go to every node, and more nodes would carry no more.

use fred::{
    interfaces::{ClientLike as _, ClusterInterface as _, PubsubInterface},
    prelude::{Client, Error, ErrorKind},
    types::cluster::SlotRange,
};
use futures_util::future::try_join_all;

use super::COMMAND_TIMEOUT;

/// Publishes, or queues it in a pipeline. The count of receivers is not told: it would be that of one node alone.
///
/// # Errors
/// Redis did not take it.
pub async fn publish(redis: &impl PubsubInterface, channel: String, payload: String) -> Result<(), Error> {
    if redis.is_clustered() { redis.spublish(channel, payload).await } else { redis.publish(channel, payload).await }
}

/// Subscribes to channels, all of which are sent at once: keep them to some thousands.
///
/// # Errors
/// Redis did not take all of them. Some may be subscribed to.
pub async fn subscribe(redis: &Client, channels: Vec<String>) -> Result<(), Error> {
    if !redis.is_clustered() {
        return redis.subscribe(channels).await;
    }
    // Each by itself: those of one command have to be of one slot, and fred takes one answer for a command, of which
    // Redis sends one for each channel.
    try_join_all(channels.into_iter().map(|channel| redis.ssubscribe(channel))).await.map(drop)
}

/// Unsubscribes from channels, whether or not they are subscribed to.
///
/// # Errors
/// Redis could not be told.
pub async fn unsubscribe(redis: &Client, channels: Vec<String>) -> Result<(), Error> {
    if !redis.is_clustered() {
        return redis.unsubscribe(channels).await;
    }
    try_join_all(channels.into_iter().map(|channel| redis.sunsubscribe(channel))).await.map(drop)
}

/// Which node of a cluster has which slots, as a client knows it. Of one Redis it is always the same.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Slots(Vec<SlotRange>);

impl Slots {
    /// As the client knows it now.
    #[must_use]
    pub fn cached(redis: &Client) -> Self {
        Self(redis.cached_cluster_state().map(|state| state.slots().to_vec()).unwrap_or_default())
    }

    /// As the cluster says. A node from which a slot is moved drops the subscriptions of that slot, and the client does not
    /// tell of it.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn fetch(redis: &Client) -> Result<Self, Error> {
        if redis.is_clustered() {
            let answer = tokio::time::timeout(COMMAND_TIMEOUT, redis.sync_cluster()).await;
            answer.unwrap_or_else(|_| {
                Err(Error::new(ErrorKind::Timeout, "the cluster does not say who has which slots"))
            })?;
        }
        Ok(Self::cached(redis))
    }
}
