//! Calls to notification-service, and publications to all of its instances.
//!
//! The domains use this module, so it knows none of their types.

mod presence;

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};
use fred::clients::Client;
use futures_util::future::join_all;
use neonchat_common::{
    bus::{Channel, EndedSessions, Envelope, Event, HiddenFrame},
    chat::{ChatClass, MembershipChange, RemovalReason, Role},
    correlation,
    deployment::OwnDeployment,
    error::ApiError,
    grpc::client::GrpcClient,
    ids::{ChatId, MessageId, SendId, Seq, TokenId, UserId},
    redis::{self, monitor::Monitor, namespace::Namespace},
    trace,
};
use neonchat_proto::notification::v1::{GetUsersStatusRequest, SendMessageRequest};
use serde_json::value::RawValue;

pub(crate) use self::presence::{Status, UserStatus};

/// The timeout for presence. A list of chats is then returned with all partners offline.
const PRESENCE_TIMEOUT: Duration = Duration::from_millis(300);

/// The timeout for the delivery of a message. If it fails, notification-service finds the message by a resync. No request
/// waits for the delivery, so the timeout allows for a notification-service that itself waits for a hanging Redis.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(3);

/// The timeout for the health check of notification-service.
const HEALTH_TIMEOUT: Duration = Duration::from_millis(800);

/// The timeout for a publication. Its content is stored, so notification-service finds it by a resync if the publication is
/// lost.
const PUBLISH_TIMEOUT: Duration = Duration::from_millis(300);

/// The client of notification-service: gRPC calls go to one instance, publications on Redis to all of them.
#[derive(Clone)]
pub(crate) struct Notifier {
    grpc: GrpcClient,
    redis: Client,
    namespace: Namespace,
    deployment: OwnDeployment,
    monitor: Monitor,
}

/// The announcement of a chat to one of its new members.
pub(crate) struct ChatCreated {
    /// Who gets the announcement.
    pub(crate) member: UserId,
    pub(crate) chat_id: ChatId,
    pub(crate) last_seq: Seq,
    /// The other member of a direct chat.
    pub(crate) partner: Option<UserId>,
    /// Events up to this `seq` do not exist for the member.
    pub(crate) from_seq: Seq,
    pub(crate) class: ChatClass,
    pub(crate) role: Role,
    /// The users who see the presence of the member because of the chat.
    pub(crate) presence: Vec<UserId>,
    /// The lowest role that may send messages.
    pub(crate) send_role: Role,
    /// Until then the member may only read.
    pub(crate) restricted_until: Option<DateTime<Utc>>,
    pub(crate) access_version: i32,
    /// The chat as the member sees it, as JSON.
    pub(crate) chat: Box<RawValue>,
}

/// A durable event other than a message, which has to be delivered.
#[derive(Clone)]
pub(crate) struct ChangeStored {
    pub(crate) chat_id: ChatId,
    pub(crate) seq: Seq,
    pub(crate) actor_id: UserId,
    pub(crate) request_id: Option<SendId>,
    pub(crate) frames: Frames,
    /// Who ceases to be a member, or gets another role, with this event.
    pub(crate) membership: Option<MembershipChange>,
}

/// The frames of a durable event, encoded once for all sockets.
#[derive(Clone)]
pub(crate) struct Frames {
    /// For the sockets of members other than the actor.
    pub(crate) for_others: Box<RawValue>,
    /// For the actor's sockets, if they get more.
    pub(crate) for_actor: Option<Box<RawValue>>,
    /// For members who may see less than the others.
    pub(crate) hidden: Option<Hidden>,
}

/// The frame of a durable event for members who may see less than the others.
#[derive(Clone)]
pub(crate) struct Hidden {
    pub(crate) frame: Box<RawValue>,
    /// It is for members for whom this `seq` does not exist.
    pub(crate) target_seq: Option<Seq>,
    /// It is for members without an office.
    pub(crate) for_members: bool,
}

impl Hidden {
    fn to_wire(&self) -> HiddenFrame<'_> {
        HiddenFrame { frame: &self.frame, target_seq: self.target_seq, for_members: self.for_members }
    }
}

/// The markers of a member after one of them moved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MovedMarkers {
    pub(crate) chat_id: ChatId,
    pub(crate) user_id: UserId,
    pub(crate) read: Seq,
    pub(crate) delivered: Seq,
    pub(crate) unread_count: i64,
    /// The size of the chat.
    pub(crate) class: ChatClass,
    /// Whether the chat is a group or channel.
    pub(crate) is_group: bool,
}

/// A stored message that has to be delivered.
pub(crate) struct MessageStored {
    pub(crate) message_id: MessageId,
    pub(crate) chat_id: ChatId,
    pub(crate) sender_id: UserId,
    pub(crate) request_id: Option<SendId>,
    pub(crate) text: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) seq: Seq,
    /// The members that only some messages have, as a JSON object.
    pub(crate) extra: Option<String>,
}

impl Notifier {
    pub(crate) fn new(grpc: GrpcClient, redis: Client, namespace: Namespace, deployment: OwnDeployment) -> Self {
        Self { grpc, redis, namespace, deployment, monitor: Monitor::default() }
    }

    /// Uses this monitor to learn what is wrong with Redis.
    pub(crate) fn monitored_by(self, monitor: Monitor) -> Self {
        Self { monitor, ..self }
    }

    /// Returns the status of those of the users who have an open socket. Returns nobody if presence is not known within the timeout.
    pub(crate) async fn online(&self, users: impl IntoIterator<Item = UserId>) -> HashMap<UserId, Status> {
        let statuses = self.statuses(users).await.unwrap_or_else(|error| {
            tracing::debug!(error.cause = %error, "presence unavailable, showing partners as offline");
            Vec::new()
        });
        let online = statuses.into_iter().filter(|user| user.status != Status::Offline);
        online.map(|user| (user.user_id, user.status)).collect()
    }

    /// Returns the presence of users.
    ///
    /// # Errors
    /// notification-service did not answer within the timeout.
    pub(crate) async fn statuses(&self, users: impl IntoIterator<Item = UserId>) -> Result<Vec<UserStatus>, ApiError> {
        let user_ids: Vec<_> = users.into_iter().map(|user| user.to_string()).collect();
        if user_ids.is_empty() {
            return Ok(Vec::new());
        }
        let answer = self.grpc.call(PRESENCE_TIMEOUT, GetUsersStatusRequest { user_ids }).await?;
        answer.statuses.iter().map(UserStatus::from_wire).collect()
    }

    /// Announces a chat to all sockets of its new members. The announcements are lost if Redis is unavailable.
    pub(crate) async fn chat_created(&self, announcements: impl IntoIterator<Item = ChatCreated>) {
        let publish = |announcement| async move {
            let ChatCreated { member, chat_id, last_seq, from_seq, class, role, .. } = announcement;
            let event = Event::ChatCreated {
                chat_id,
                last_seq,
                partner_ids: Vec::from_iter(announcement.partner),
                from_seq,
                class,
                role,
                presence_ids: announcement.presence,
                send_role: announcement.send_role,
                restricted_until: announcement.restricted_until,
                access_version: Some(announcement.access_version),
                chat: &announcement.chat,
            };
            self.publish(Channel::User(member), event).await;
        };
        // fred sends the commands without waiting for the answers, each to its node of a cluster.
        join_all(announcements.into_iter().map(publish)).await;
    }

    /// Asks notification-service to deliver a stored message to all sockets of its chat.
    pub(crate) async fn message_stored(&self, message: MessageStored) {
        let request = SendMessageRequest {
            message_id: message.message_id.to_string(),
            chat_id: message.chat_id.to_string(),
            sender_id: message.sender_id.to_string(),
            text: message.text,
            timestamp: message.created_at.timestamp_micros(),
            metadata: [
                ("seq", Some(message.seq.to_string())),
                ("request_id", message.request_id.map(|id| id.to_string())),
                ("extra", message.extra),
            ]
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)))
            .collect(),
        };
        if let Err(status) = self.grpc.call(DELIVERY_TIMEOUT, request).await {
            tracing::warn!(message.id = %message.message_id, error.cause = %status, "message not delivered");
        }
    }

    /// Announces a durable event to all sockets of its chat. If Redis is unavailable, a resync finds the event later.
    pub(crate) async fn changed(&self, change: ChangeStored) {
        let ChangeStored { chat_id, seq, actor_id, request_id, frames, membership } = change;
        let event = Event::Durable {
            seq,
            user_id: actor_id,
            send_id: None,
            // A socket may be making the same change, and gets an ack.
            change_id: request_id,
            frame: &frames.for_others,
            actor_frame: frames.for_actor.as_deref(),
            hidden: frames.hidden.as_ref().map(Hidden::to_wire),
            membership,
            expires_at: None,
        };
        self.publish(Channel::Chat(chat_id), event).await;
    }

    /// Announces to the sockets of a user that the user ceased to be a member of a chat without an event of the chat. If Redis is
    /// unavailable, a resync finds it later. `access_version` is that of the chat without the user.
    pub(crate) async fn left(&self, user: UserId, chat_id: ChatId, reason: RemovalReason, access_version: i32) {
        let event = Event::Left { chat_id, reason, access_version: Some(access_version) };
        self.publish(Channel::User(user), event).await;
    }

    /// Announces a member's markers: to all sockets of a small chat, else to those of the member. The announcement is lost if Redis is
    /// unavailable.
    pub(crate) async fn markers_moved(&self, moved: MovedMarkers) {
        let MovedMarkers { chat_id, user_id, read, class, is_group, .. } = moved;
        let (delivered, unread_count) = (Some(moved.delivered), Some(moved.unread_count));
        if class == ChatClass::Small {
            let event = Event::Receipt { user_id, read, delivered, unread_count, is_group };
            self.publish(Channel::Chat(chat_id), event).await;
        } else {
            self.publish(Channel::User(user_id), Event::OwnReceipt { chat_id, read, delivered, unread_count }).await;
        }
    }

    /// Sends a frame to all sockets of a user, which concerns this user alone in one of the user's chats. The frame is lost if Redis is
    /// unavailable.
    pub(crate) async fn personal(&self, user: UserId, chat_id: ChatId, frame: &RawValue) {
        self.publish(Channel::User(user), Event::Personal { chat_id, frame }).await;
    }

    /// Sends all sockets of a user what the user has set about a chat, and from which event on the chat exists for the user. The frame is
    /// lost if Redis is unavailable.
    pub(crate) async fn chat_settings(&self, user: UserId, chat_id: ChatId, first_seq: Seq, frame: &RawValue) {
        self.publish(Channel::User(user), Event::ChatSettings { chat_id, from_seq: first_seq - 1, frame }).await;
    }

    /// Closes all sockets that a token opened. If Redis is unavailable, a resync closes them later.
    pub(crate) async fn session_revoked(&self, user: UserId, token_id: TokenId) {
        self.publish(Channel::User(user), Event::SessionRevoked { token_id }).await;
    }

    /// Closes all sockets that the tokens of ended sessions opened. If Redis is unavailable, a resync closes them later.
    pub(crate) async fn sessions_ended(&self, user: UserId, ended: EndedSessions) {
        self.publish(Channel::User(user), Event::SessionsEnded(ended)).await;
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

    /// Returns whether Redis answers and accepts commands.
    pub(crate) async fn is_redis_healthy(&self) -> bool {
        self.monitor.error_code().is_none() && redis::is_healthy(&self.redis).await
    }

    /// Returns what is wrong with Redis, as [`Monitor::error_code`].
    pub(crate) fn redis_error_code(&self) -> Option<String> {
        self.monitor.error_code()
    }

    /// Returns whether notification-service answers and is serving.
    pub(crate) async fn is_notification_service_healthy(&self) -> bool {
        self.grpc.is_serving(HEALTH_TIMEOUT).await
    }
}
