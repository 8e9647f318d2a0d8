//! Presence in Redis: the keys, and the commands. Each key may be on another node of a cluster.

use std::collections::{HashMap, HashSet};

use chrono::Utc;
use fred::{
    error::Error as RedisError,
    interfaces::{HashesInterface as _, KeysInterface as _, SetsInterface as _},
    prelude::{Client, Expiration, SetOptions},
};
use futures_util::future::try_join_all;
use neonchat_common::{ids::UserId, redis::namespace::Namespace};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::lease::{GONE, Lease};
use crate::protocol::Status;

/// How long a status lasts that nobody renews, in seconds (contract, section 7).
const STATUS_TTL_SECS: i64 = 65;

/// How long it is kept of whom an instance had connections, in seconds. It is of use as long as there may be somebody to
/// clear up after that instance.
const USERS_TTL_SECS: i64 = 3600;

/// All leases, and the number of each.
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

    /// Those that `which` takes in.
    pub(super) fn filter(&self, which: impl Fn(&str) -> bool) -> Self {
        let filter = |names: &HashSet<String>| names.iter().filter(|name| which(name)).cloned().collect();
        Self { all: filter(&self.all), away: filter(&self.away) }
    }

    /// Those that are not in `others`.
    pub(super) fn without(&self, others: &Self) -> Self {
        Self { all: &self.all - &others.all, away: &self.away - &others.away }
    }

    /// What follows from them.
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

/// See the module.
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

    /// Enters connections, and says which of them are away.
    pub(super) async fn enter(&self, user: UserId, new: &Connections) -> Result<(), RedisError> {
        let pipeline = self.redis.pipeline();
        // In an order in which nobody who looks in between takes one that is away for one that is not.
        for (key, names) in [(self.away_key(user), &new.away), (self.connections_key(user), &new.all)] {
            if !names.is_empty() {
                let () = pipeline.sadd(&key, names.iter().cloned().collect::<Vec<_>>()).await?;
                let () = pipeline.expire(key, STATUS_TTL_SECS, None).await?;
            }
        }
        pipeline.last().await
    }

    /// Withdraws connections, and that some are away. Returns how many were still there.
    pub(super) async fn withdraw(&self, user: UserId, old: &Connections) -> Result<usize, RedisError> {
        let remove = async |key: String, names: &HashSet<String>| match names.len() {
            0 => Ok(0),
            _ => self.redis.srem(key, names.iter().cloned().collect::<Vec<_>>()).await,
        };
        let withdrawn = remove(self.connections_key(user), &old.all).await?;
        remove(self.away_key(user), &old.away).await.map(|_: usize| withdrawn)
    }

    /// Sets the announced status, for a little over a minute, and returns the one before. Where there is none, only an
    /// instance that has the user, and so `may_enter`, sets it: for others it may be old.
    pub(super) async fn exchange(
        &self,
        user: UserId,
        connections: &Connections,
        may_enter: bool,
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
                let only = Some(SetOptions::XX).filter(|_| !may_enter);
                let () = pipeline.set(key, json!(value).to_string(), expiration, only, true).await?;
                pipeline.last().await?
            }
        };
        Ok(before.and_then(|json| parse(&json)).map(|before| before.status))
    }

    /// The status that was announced last.
    pub(super) async fn announced(&self, user: UserId) -> Result<Option<Status>, RedisError> {
        Ok(self.statuses(&[user]).await?.first().map(|online| online.status))
    }

    /// Keeps the announced status for as long again.
    pub(super) async fn keep_announced(&self, user: UserId) -> Result<(), RedisError> {
        self.redis.expire(self.online_key(user), STATUS_TTL_SECS, None).await
    }

    /// The statuses of these users; one who is offline is left out.
    pub(super) async fn statuses(&self, users: &[UserId]) -> Result<Vec<OnlineStatus>, RedisError> {
        let values = users.iter().map(|user| self.redis.get::<Option<String>, _>(self.online_key(*user)));
        let values = try_join_all(values).await?;
        Ok(values.into_iter().flatten().filter_map(|json| parse(&json)).collect())
    }

    /// Renews a lease. Returns its number, and all leases with theirs.
    pub(super) async fn beat(&self, lease: &Lease) -> Result<(i64, HashMap<Lease, i64>), RedisError> {
        let (pipeline, instances) = (self.redis.pipeline(), self.namespace.name(INSTANCES));
        let () = pipeline.hincrby(&instances, lease.name(), 1).await?;
        let () = pipeline.hgetall(&instances).await?;
        let () = pipeline.expire(self.users_key(lease), USERS_TTL_SECS, None).await?;
        let (beats, leases, _): (i64, HashMap<String, i64>, i64) = pipeline.all().await?;
        Ok((beats, leases.into_iter().map(|(name, beats)| (Lease::named(&name), beats)).collect()))
    }

    /// The instance of a lease is gone: tells the others, and the instance too, should it only have stood still.
    pub(super) async fn mark_gone(&self, lease: &Lease) -> Result<(), RedisError> {
        self.redis.hset(self.namespace.name(INSTANCES), (lease.name(), GONE)).await
    }

    /// A lease is done with. Returns whether nobody else has said so.
    pub(super) async fn forget(&self, lease: &Lease) -> Result<bool, RedisError> {
        let () = self.redis.del(self.users_key(lease)).await?;
        self.redis.hdel(self.namespace.name(INSTANCES), lease.name()).await
    }

    /// A user has connections under a lease.
    pub(super) async fn register(&self, lease: &Lease, user: UserId) -> Result<(), RedisError> {
        self.redis.sadd(self.users_key(lease), user.to_string()).await
    }

    /// A user has none any more.
    pub(super) async fn unregister(&self, lease: &Lease, user: UserId) -> Result<(), RedisError> {
        self.redis.srem(self.users_key(lease), user.to_string()).await
    }

    /// Some of the users who have connections under a lease; none where nobody has.
    pub(super) async fn some_users(&self, lease: &Lease, count: usize) -> Result<Vec<UserId>, RedisError> {
        let users: Vec<String> = self.redis.srandmember(self.users_key(lease), Some(count)).await?;
        Ok(users.iter().filter_map(|user| user.parse().ok()).collect())
    }
}

fn parse(json: &str) -> Option<OnlineStatus> {
    serde_json::from_str(json).ok()
}

/// The keys.
impl Store {
    fn online_key(&self, user: UserId) -> String {
        self.namespace.name(format_args!("online:{user}"))
    }

    fn connections_key(&self, user: UserId) -> String {
        self.namespace.name(format_args!("user:{user}:ws_connections"))
    }

    /// By its hash tag, which has the namespace inside, it is on the same node of a cluster as the connections, so that one
    /// pipeline reads and writes both in its order.
    fn away_key(&self, user: UserId) -> String {
        format!("{{{}}}:away", self.connections_key(user))
    }

    fn users_key(&self, lease: &Lease) -> String {
        self.namespace.name(format_args!("instance:{}:users", lease.name()))
    }
}
