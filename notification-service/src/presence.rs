//! Who is online, over all instances. The truth is in Redis:
//!
//! - `user:{id}:ws_connections`: the user's connections, each named `instance:connection`
//! - `user:{id}:away_connections`: those of them that said that the user is away
//! - `online:{id}`: the status that follows from the two, as it was last announced, for a little over a minute
//!
//! Each change ends in [`Presence::settle`], which derives the status anew. It exchanges the announced status with one
//! command, so that of several instances that see the same change just one announces it. No command touches two keys,
//! so that it works on a cluster. Every connection is entered again every few seconds: after Redis lost everything, all
//! is as before.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::Utc;
use fred::{
    error::Error as RedisError,
    interfaces::{KeysInterface as _, SetsInterface as _},
    prelude::{Client, Expiration},
};
use futures_util::{StreamExt as _, future::try_join_all, stream};
use neonchat_common::{
    correlation,
    ids::{InstanceId, UserId},
    lifecycle::Tasks,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    connection::protocol::{PresenceEvent, ServerFrame, Status},
    delivery::Delivery,
    hub::{Hub, Socket},
};

/// How long a status lasts that nobody renews, in seconds (contract, section 7).
const STATUS_TTL_SECS: i64 = 65;

/// How often it is renewed: three renewals may fail.
const RENEW_INTERVAL: Duration = Duration::from_secs(20);

/// Users that are renewed at a time.
const RENEW_CONCURRENCY: usize = 64;

/// How often a status is derived anew when it changes in the same moment.
const MAX_SETTLE_ATTEMPTS: usize = 3;

/// The value of `online:{id}`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OnlineStatus {
    pub(crate) user_id: UserId,
    pub(crate) status: Status,
    /// Unix seconds.
    pub(crate) last_seen: i64,
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Presence {
    redis: Client,
    instance: InstanceId,
    hub: Arc<Hub>,
    delivery: Delivery,
    tasks: Tasks,
    /// How long a user without connections is still online.
    grace: Duration,
}

impl Presence {
    pub(crate) fn new(redis: Client, delivery: Delivery, grace: Duration) -> Self {
        let (instance, hub, tasks) = (delivery.instance, Arc::clone(&delivery.hub), delivery.tasks.clone());
        Self { redis, instance, hub, delivery, tasks, grace }
    }

    /// Renews what this instance knows, until the process ends.
    pub(crate) async fn run(&self) {
        let mut tick = tokio::time::interval(RENEW_INTERVAL);
        loop {
            tick.tick().await;
            stream::iter(self.hub.sockets())
                .for_each_concurrent(RENEW_CONCURRENCY, async |socket| self.renew(&socket).await)
                .await;
        }
    }

    async fn renew(&self, socket: &Socket) {
        // Before it is closed, or those who are to be told are not known any more.
        let peers = self.hub.peers(socket.user);
        let entered = async {
            self.enter(socket).await?;
            if self.hub.sockets_of(socket.user).iter().any(|other| other.id == socket.id) {
                self.settle_among(socket.user, peers).await
            } else {
                // It may have been withdrawn before it was entered. Whoever closed it settles.
                self.withdraw(socket).await
            }
        };
        if let Err(error) = entered.await {
            tracing::debug!(user.id = %socket.user, error.cause = %error, "presence was not renewed");
        }
    }

    /// A socket was opened.
    pub(crate) fn connected(&self, socket: &Arc<Socket>) {
        let (this, socket) = (self.clone(), Arc::clone(socket));
        self.in_background(async move { this.renew(&socket).await });
    }

    /// A socket's user went away, or came back.
    pub(crate) async fn set_status(&self, socket: &Socket, status: Status) {
        let (key, connection) = (away_key(socket.user), self.connection(socket));
        let changed = async {
            match status {
                Status::Away => self.redis.sadd::<(), _, _>(&key, connection).await?,
                Status::Online => self.redis.srem::<(), _, _>(&key, connection).await?,
            }
            self.redis.expire::<(), _>(&key, STATUS_TTL_SECS, None).await?;
            self.settle(socket.user).await
        };
        if let Err(error) = changed.await {
            tracing::warn!(user.id = %socket.user, error.cause = %error, "presence was not changed");
        }
    }

    /// A socket was closed. A user without any is offline after the grace.
    pub(crate) fn disconnected(&self, socket: &Arc<Socket>, peers: Peers) {
        let (this, socket) = (self.clone(), Arc::clone(socket));
        self.in_background(async move {
            let left = async {
                this.withdraw(&socket).await?;
                if this.status(socket.user).await?.is_none() {
                    tokio::time::sleep(this.grace).await;
                }
                this.settle_among(socket.user, peers).await
            };
            if let Err(error) = left.await {
                tracing::warn!(user.id = %socket.user, error.cause = %error, "presence was not withdrawn");
            }
        });
    }

    /// The statuses of these users; one who is offline is left out.
    pub(crate) async fn statuses(&self, users: &[UserId]) -> Result<Vec<OnlineStatus>, RedisError> {
        let values = users.iter().map(|user| self.redis.get::<Option<String>, _>(online_key(*user)));
        let values = try_join_all(values).await?;
        Ok(values.into_iter().flatten().filter_map(|json| serde_json::from_str(&json).ok()).collect())
    }

    fn in_background(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.tasks.spawn(correlation::carry(work)));
    }

    async fn enter(&self, socket: &Socket) -> Result<(), RedisError> {
        let key = connections_key(socket.user);
        self.redis.sadd::<(), _, _>(&key, self.connection(socket)).await?;
        self.redis.expire::<(), _>(&key, STATUS_TTL_SECS, None).await?;
        self.redis.expire::<(), _>(away_key(socket.user), STATUS_TTL_SECS, None).await
    }

    async fn withdraw(&self, socket: &Socket) -> Result<(), RedisError> {
        let connection = self.connection(socket);
        self.redis.srem::<(), _, _>(connections_key(socket.user), connection.clone()).await?;
        self.redis.srem::<(), _, _>(away_key(socket.user), connection).await
    }

    /// What follows from the connections.
    async fn status(&self, user: UserId) -> Result<Option<Status>, RedisError> {
        let connections: usize = self.redis.scard(connections_key(user)).await?;
        let away: usize = self.redis.scard(away_key(user)).await?;
        Ok(match connections {
            0 => None,
            _ if away >= connections => Some(Status::Away),
            _ => Some(Status::Online),
        })
    }

    async fn settle(&self, user: UserId) -> Result<(), RedisError> {
        self.settle_among(user, self.hub.peers(user)).await
    }

    /// Derives a user's status, and announces it where it is another than the last time.
    async fn settle_among(&self, user: UserId, peers: Peers) -> Result<(), RedisError> {
        for _ in 0..MAX_SETTLE_ATTEMPTS {
            let status = self.status(user).await?;
            let before = self.exchange(user, status).await?;
            if status == before {
                return Ok(());
            }
            if status.is_none() && self.status(user).await?.is_some() {
                continue; // Connected in just this moment.
            }
            self.announce(user, status, &peers).await;
            return Ok(());
        }
        Ok(())
    }

    /// Sets the announced status and returns the one before.
    async fn exchange(&self, user: UserId, status: Option<Status>) -> Result<Option<Status>, RedisError> {
        let key = online_key(user);
        let before: Option<String> = match status {
            None => self.redis.getdel(key).await?,
            Some(status) => {
                let value = OnlineStatus { user_id: user, status, last_seen: Utc::now().timestamp() };
                let value = json!(value).to_string();
                self.redis.set(key, value, Some(Expiration::EX(STATUS_TTL_SECS)), None, true).await?
            }
        };
        Ok(before.and_then(|json| serde_json::from_str::<OnlineStatus>(&json).ok()).map(|before| before.status))
    }

    async fn announce(&self, user_id: UserId, status: Option<Status>, peers: &Peers) {
        let event = match status {
            Some(Status::Online) => PresenceEvent::Online,
            Some(Status::Away) => PresenceEvent::Away,
            None => PresenceEvent::Offline,
        };
        let frame = ServerFrame::Presence { event, user_id, timestamp: Utc::now().timestamp() }.encode();
        stream::iter(peers)
            .for_each_concurrent(RENEW_CONCURRENCY, async |(peer, chats)| {
                self.delivery.tell_presence(*peer, chats.clone(), &frame).await;
            })
            .await;
    }

    fn connection(&self, socket: &Socket) -> String {
        format!("{}:{}", self.instance, socket.id)
    }
}

/// Those who are told of a user's presence, and the chats that they share with the user.
pub(crate) type Peers = HashMap<UserId, Vec<neonchat_common::ids::ChatId>>;

fn online_key(user: UserId) -> String {
    format!("online:{user}")
}

fn connections_key(user: UserId) -> String {
    format!("user:{user}:ws_connections")
}

fn away_key(user: UserId) -> String {
    format!("user:{user}:away_connections")
}
