//! What chat-service asks of notification-service, and what it publishes for all of its instances.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use fred::clients::Client;
use futures_util::future::join_all;
use neonchat_common::{
    bus::{Channel, Envelope, Event},
    correlation,
    deployment::OwnDeployment,
    error::ApiError,
    grpc::client::GrpcClient,
    ids::{ChatId, Seq, TokenId, UserId},
    json,
    redis::{self, monitor::Monitor, namespace::Namespace},
    trace,
};
use neonchat_proto::notification::v1::{GetUsersStatusRequest, SendMessageRequest};

use crate::{
    chats::model::ChatItem,
    messages::model::Message,
    users::model::{Status, UserStatus},
};

/// The longest that a list of chats waits to learn who is online. It is then shown with nobody online.
const PRESENCE_TIMEOUT: Duration = Duration::from_millis(300);

/// The longest that the delivery of a message may take. It is found without it too, by comparing heads. Nobody waits for
/// it, so it is long enough for a notification-service that itself waits for a Redis that hangs.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(3);

/// The longest that asking after the health of notification-service takes.
const HEALTH_TIMEOUT: Duration = Duration::from_millis(800);

/// The longest that a publication is waited for. What it tells of is stored, and is found without it too.
const PUBLISH_TIMEOUT: Duration = Duration::from_millis(300);

/// The way to notification-service: by gRPC to one instance, by Redis to all of them.
#[derive(Clone)]
pub(crate) struct Notifier {
    peer: GrpcClient,
    redis: Client,
    namespace: Namespace,
    deployment: OwnDeployment,
    monitor: Monitor,
}

/// What one member is to be told of a new chat.
pub(crate) struct NewChat {
    /// The member.
    pub(crate) member: UserId,
    /// The chat as this member sees it.
    pub(crate) item: ChatItem,
}

impl Notifier {
    /// Asks over this connection, and publishes over this one, on channels of this namespace, as this deployment.
    #[must_use]
    pub(crate) fn new(peer: GrpcClient, redis: Client, namespace: Namespace, deployment: OwnDeployment) -> Self {
        Self { peer, redis, namespace, deployment, monitor: Monitor::default() }
    }

    /// Knows from this monitor what is wrong with Redis.
    #[must_use]
    pub(crate) fn monitored_by(self, monitor: Monitor) -> Self {
        Self { monitor, ..self }
    }

    /// The users who have a socket open, also if it is `away`. Empty if that cannot be known in time.
    pub(crate) async fn online(&self, users: impl IntoIterator<Item = UserId>) -> HashSet<UserId> {
        let statuses = self.statuses(users).await.unwrap_or_else(|error| {
            tracing::debug!(error.cause = %error, "presence unknown");
            Vec::new()
        });
        statuses.into_iter().filter(|user| user.status != Status::Offline).map(|user| user.user_id).collect()
    }

    /// The presence of users.
    ///
    /// # Errors
    /// It cannot be known in time.
    pub(crate) async fn statuses(&self, users: impl IntoIterator<Item = UserId>) -> Result<Vec<UserStatus>, ApiError> {
        let user_ids: Vec<_> = users.into_iter().map(|user| user.to_string()).collect();
        if user_ids.is_empty() {
            return Ok(Vec::new());
        }
        let answer = self.peer.call(PRESENCE_TIMEOUT, GetUsersStatusRequest { user_ids }).await?;
        answer.statuses.iter().map(UserStatus::from_wire).collect()
    }

    /// Tells each member's sockets, on every instance, of a new chat. With Redis away nobody is told.
    pub(crate) async fn chat_created(&self, chats: impl IntoIterator<Item = NewChat>) {
        join_all(chats.into_iter().map(|NewChat { member, item }| async move {
            let event = |chat| Event::ChatCreated {
                chat_id: item.id,
                last_seq: item.last_seq,
                partner_ids: vec![item.partner.id],
                chat,
            };
            self.publish(Channel::User(member), event(&json::raw(&item))).await;
        }))
        .await;
    }

    /// Has a message that is stored delivered to the sockets of its chat, on every instance.
    pub(crate) async fn message_stored(&self, message: Message) {
        let request = SendMessageRequest {
            message_id: message.id.to_string(),
            chat_id: message.chat_id.to_string(),
            sender_id: message.sender_id.to_string(),
            text: message.text,
            timestamp: message.created_at.timestamp_micros(),
            metadata: HashMap::from([
                ("seq".to_owned(), message.seq.to_string()),
                ("request_id".to_owned(), message.request_id.to_string()),
            ]),
        };
        if let Err(status) = self.peer.call(DELIVERY_TIMEOUT, request).await {
            tracing::warn!(message.id = %message.id, error.cause = %status, "message not delivered");
        }
    }

    /// Tells the sockets of a chat, on every instance, how far a member has read. With Redis away nobody is told.
    pub(crate) async fn read(&self, chat: ChatId, user_id: UserId, read: Seq) {
        self.publish(Channel::Chat(chat), Event::Receipt { user_id, read }).await;
    }

    /// Has the sockets that a token opened closed, on every instance. With Redis away they stay until it is back.
    pub(crate) async fn session_revoked(&self, user: UserId, token_id: TokenId) {
        self.publish(Channel::User(user), Event::SessionRevoked { token_id }).await;
    }

    async fn publish(&self, channel: Channel, event: Event<'_>) {
        let request_id = correlation::current();
        let mut trace = trace::Span::child(&correlation::current_trace(), || trace::publish(channel));
        let traceparent = trace.context().traceparent().map(Into::into);
        let (deployment, request_id) = (self.deployment.id(), request_id.as_str().into());
        let envelope = Envelope { instance: None, deployment, request_id, traceparent, event };
        let publishing = redis::pubsub::publish(&self.redis, self.namespace.name(channel), envelope.encode());
        match tokio::time::timeout(PUBLISH_TIMEOUT, publishing).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => tracing::warn!(redis.channel = %channel, error.cause = %error, "redis publish failed"),
            Err(_) => tracing::warn!(redis.channel = %channel, "redis publish timed out"),
        }
        trace.fail("not_published");
    }

    /// Whether Redis answers, and takes commands.
    pub(crate) async fn is_redis_healthy(&self) -> bool {
        self.monitor.error_code().is_none() && redis::is_healthy(&self.redis).await
    }

    /// Returns what is wrong with Redis, as [`Monitor::error_code`].
    #[must_use]
    pub(crate) fn redis_fault(&self) -> Option<String> {
        self.monitor.error_code()
    }

    /// Whether notification-service answers, and says that it serves.
    pub(crate) async fn is_peer_healthy(&self) -> bool {
        self.peer.is_serving(HEALTH_TIMEOUT).await
    }
}
