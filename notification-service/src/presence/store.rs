//! Presence in Redis: keys and commands. Each key may be on another node of a cluster.

use std::collections::{HashMap, HashSet};

use chrono::Utc;
use fred::{
    error::Error as RedisError,
    interfaces::{HashesInterface as _, KeysInterface as _, SetsInterface as _},
    prelude::{Client, Expiration, SetOptions},
};
use futures_util::future::try_join_all;
use neonchat_common::{ids::UserId, json, redis::namespace::Namespace};
use serde::{Deserialize, Serialize};

use super::lease::{DEAD, Lease};
use crate::protocol::Status;

/// The lifetime of a status that is not renewed, in seconds.
const STATUS_TTL_SECS: i64 = 65;

/// The lifetime of the index of a lease's users, in seconds. It is of use until other instances have cleaned up after its instance.
const INDEX_TTL_SECS: i64 = 3600;

/// The hash of all leases and their counters.
const INSTANCES: &str = "instances";

/// The value of `online:{id}`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OnlineStatus {
    pub(crate) user_id: UserId,
    pub(crate) status: Status,
    /// Unix seconds.
    pub(crate) last_seen: i64,
}

/// A user's connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Connections {
    pub(super) all: HashSet<String>,
    pub(super) away: HashSet<String>,
}

impl Connections {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty() && self.away.is_empty()
    }

    /// Returns those that `predicate` accepts.
    pub(super) fn filter(&self, predicate: impl Fn(&str) -> bool) -> Self {
        let filter = |names: &HashSet<String>| names.iter().filter(|name| predicate(name)).cloned().collect();
        Self { all: filter(&self.all), away: filter(&self.away) }
    }

    /// Returns those that are not in `others`.
    pub(super) fn without(&self, others: &Self) -> Self {
        Self { all: &self.all - &others.all, away: &self.away - &others.away }
    }

    /// Returns the status that follows from the connections; `None` is offline.
    pub(super) fn status(&self) -> Option<Status> {
        if self.all.is_empty() {
            None
        } else if self.all.is_subset(&self.away) {
            Some(Status::Away)
        } else {
            Some(Status::Online)
        }
    }
}

/// The commands of presence.
#[derive(Clone)]
pub(super) struct Store {
    redis: Client,
    namespace: Namespace,
}

impl Store {
    pub(super) const fn new(redis: Client, namespace: Namespace) -> Self {
        Self { redis, namespace }
    }

    pub(super) async fn connections(&self, user: UserId) -> Result<Connections, RedisError> {
        let pipeline = self.redis.pipeline();
        let () = pipeline.smembers(self.connections_key(user)).await?;
        let () = pipeline.smembers(self.away_key(user)).await?;
        let (all, away) = pipeline.all().await?;
        Ok(Connections { all, away })
    }

    /// Adds connections, and marks which of them are away.
    pub(super) async fn add_connections(&self, user: UserId, new: &Connections) -> Result<(), RedisError> {
        let pipeline = self.redis.pipeline();
        // The away mark comes first: a reader in between never takes a connection that is away for one that is not.
        for (key, names) in [(self.away_key(user), &new.away), (self.connections_key(user), &new.all)] {
            if !names.is_empty() {
                let () = pipeline.sadd(&key, names.iter().cloned().collect::<Vec<_>>()).await?;
                let () = pipeline.expire(key, STATUS_TTL_SECS, None).await?;
            }
        }
        pipeline.last().await
    }

    /// Removes connections and away marks. Returns how many connections were still there.
    pub(super) async fn remove_connections(&self, user: UserId, old: &Connections) -> Result<usize, RedisError> {
        let remove = async |key: String, names: &HashSet<String>| match names.len() {
            0 => Ok(0),
            _ => self.redis.srem(key, names.iter().cloned().collect::<Vec<_>>()).await,
        };
        let removed = remove(self.connections_key(user), &old.all).await?;
        remove(self.away_key(user), &old.away).await.map(|_: usize| removed)
    }

    /// Replaces the announced status in one step, with a lifetime of 65 s, and returns the one before. Only the instance that has
    /// the user may create a missing status: what another one knows may be out of date.
    pub(super) async fn swap_status(
        &self,
        user: UserId,
        connections: &Connections,
        create_if_missing: bool,
    ) -> Result<Option<Status>, RedisError> {
        let key = self.online_key(user);
        let before: Option<String> = match connections.status() {
            None => self.redis.getdel(key).await?,
            Some(status) => {
                let value = OnlineStatus { user_id: user, status, last_seen: Utc::now().timestamp() };
                let pipeline = self.redis.pipeline();
                let () = pipeline.expire(self.connections_key(user), STATUS_TTL_SECS, None).await?;
                if !connections.away.is_empty() {
                    let () = pipeline.expire(self.away_key(user), STATUS_TTL_SECS, None).await?;
                }
                let expiration = Some(Expiration::EX(STATUS_TTL_SECS));
                let only = Some(SetOptions::XX).filter(|_| !create_if_missing);
                let () = pipeline.set(key, json::text(&value), expiration, only, true).await?;
                pipeline.last().await?
            }
        };
        Ok(before.and_then(|json| parse(user, &json)).map(|before| before.status))
    }

    /// Returns the status that was announced last.
    pub(super) async fn announced(&self, user: UserId) -> Result<Option<Status>, RedisError> {
        Ok(self.statuses(&[user]).await?.first().map(|online| online.status))
    }

    /// Extends the lifetime of the announced status.
    pub(super) async fn keep_announced(&self, user: UserId) -> Result<(), RedisError> {
        self.redis.expire(self.online_key(user), STATUS_TTL_SECS, None).await
    }

    /// Returns the statuses of those of the users who are not offline.
    pub(super) async fn statuses(&self, users: &[UserId]) -> Result<Vec<OnlineStatus>, RedisError> {
        let values = users.iter().map(|user| self.redis.get::<Option<String>, _>(self.online_key(*user)));
        let values = try_join_all(values).await?;
        Ok(users.iter().zip(values).filter_map(|(user, json)| parse(*user, &json?)).collect())
    }

    /// Renews a lease. Returns its counter, and all leases with their counters.
    pub(super) async fn renew(&self, lease: &Lease) -> Result<(i64, HashMap<Lease, i64>), RedisError> {
        let (pipeline, instances) = (self.redis.pipeline(), self.namespace.name(INSTANCES));
        let () = pipeline.hincrby(&instances, lease.name(), 1).await?;
        let () = pipeline.hgetall(&instances).await?;
        let () = pipeline.expire(self.index_key(lease), INDEX_TTL_SECS, None).await?;
        let (counter, leases, _): (i64, HashMap<String, i64>, i64) = pipeline.all().await?;
        Ok((counter, leases.into_iter().map(|(name, counter)| (Lease::named(&name), counter)).collect()))
    }

    /// Marks the instance of a lease as dead, for the other instances, and for that instance if it was only suspended.
    pub(super) async fn mark_dead(&self, lease: &Lease) -> Result<(), RedisError> {
        self.redis.hset(self.namespace.name(INSTANCES), (lease.name(), DEAD)).await
    }

    /// Deletes a lease. Returns whether it was there.
    pub(super) async fn delete_lease(&self, lease: &Lease) -> Result<bool, RedisError> {
        let () = self.redis.del(self.index_key(lease)).await?;
        self.redis.hdel(self.namespace.name(INSTANCES), lease.name()).await
    }

    /// Adds a user to the index of a lease.
    pub(super) async fn register(&self, lease: &Lease, user: UserId) -> Result<(), RedisError> {
        self.redis.sadd(self.index_key(lease), user.to_string()).await
    }

    /// Removes a user from the index of a lease.
    pub(super) async fn unregister(&self, lease: &Lease, user: UserId) -> Result<(), RedisError> {
        self.redis.srem(self.index_key(lease), user.to_string()).await
    }

    /// Returns at most `count` random users of a lease's index.
    pub(super) async fn some_users(&self, lease: &Lease, count: usize) -> Result<Vec<UserId>, RedisError> {
        let users: Vec<String> = self.redis.srandmember(self.index_key(lease), Some(count)).await?;
        Ok(users.iter().filter_map(|user| user.parse().ok()).collect())
    }
}

/// Parses the status of a user. An invalid one counts as none, so the next reconcile replaces it.
fn parse(user: UserId, json: &str) -> Option<OnlineStatus> {
    let status = serde_json::from_str(json);
    status.inspect_err(|error| tracing::warn!(user.id = %user, error.cause = %error, "invalid status in redis")).ok()
}

/// Keys.
impl Store {
    fn online_key(&self, user: UserId) -> String {
        self.namespace.name(format_args!("online:{user}"))
    }

    fn connections_key(&self, user: UserId) -> String {
        self.namespace.name(format_args!("user:{user}:ws_connections"))
    }

    /// The hash tag, which includes the namespace, puts it on the same cluster node as the connections: one pipeline reads and
    /// writes both in order.
    fn away_key(&self, user: UserId) -> String {
        format!("{{{}}}:away", self.connections_key(user))
    }

    fn index_key(&self, lease: &Lease) -> String {
        self.namespace.name(format_args!("instance:{}:users", lease.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_log::Log;

    #[test]
    fn warns_of_invalid_status() {
        let (log, _guard) = Log::start();
        let user = UserId::new();
        assert!(parse(user, &format!(r#"{{"user_id":"{user}","status":"online","last_seen":1}}"#)).is_some());
        assert!(log.lines("").is_empty());
        assert!(parse(user, r#"{"status":"#).is_none());
        let lines = log.lines("invalid status in redis");
        assert!(lines.len() == 1 && lines[0].contains(&user.to_string()), "{lines:?}");
    }
}
