//! What chat-service asks of notification-service, and what it publishes for all of its instances.

use std::{collections::HashSet, time::Duration};

use fred::{clients::Client, interfaces::PubsubInterface as _};
use futures_util::future::join_all;
use neonchat_common::{
    bus::{Channel, Envelope, Event},
    correlation,
    grpc::client::Peer,
    ids::UserId,
    redis,
};
use neonchat_proto::notification::v1::{GetUsersStatusRequest, notification_service_client::NotificationServiceClient};
use serde_json::value::to_raw_value;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::chats::model::ChatItem;

/// The longest that a list of chats waits to learn who is online. It is then shown with nobody online.
const PRESENCE_TIMEOUT: Duration = Duration::from_millis(300);

/// The longest that a new chat waits for its publication. The list of chats has it anyway.
const PUBLISH_TIMEOUT: Duration = Duration::from_millis(300);

/// The way to notification-service: by gRPC to one instance, by Redis to all of them.
#[derive(Clone)]
pub struct Notifier {
    peer: Peer,
    redis: Client,
}

/// What one member is to be told of a new chat.
pub struct NewChat {
    /// The member.
    pub member: UserId,
    /// The chat as this member sees it.
    pub item: ChatItem,
}

impl Notifier {
    /// By these connections.
    #[must_use]
    pub fn new(peer: Peer, redis: Client) -> Self {
        Self { peer, redis }
    }

    /// Those of the users who have a socket open, be it `away`. Nobody, where that cannot be known in time.
    pub async fn online(&self, users: impl IntoIterator<Item = UserId>) -> HashSet<UserId> {
        let user_ids: Vec<_> = users.into_iter().map(|user| user.to_string()).collect();
        if user_ids.is_empty() {
            return HashSet::new();
        }
        let request = self.peer.request_within(PRESENCE_TIMEOUT, GetUsersStatusRequest { user_ids });
        let mut client = NotificationServiceClient::new(self.peer.channel());
        // The deadline of a request begins when there is a connection; this one begins now.
        match tokio::time::timeout(PRESENCE_TIMEOUT, client.get_users_status(request)).await {
            Ok(Ok(answer)) => {
                let statuses = answer.into_inner().statuses.into_iter();
                let connected = statuses.filter(|user| matches!(user.status.as_str(), "online" | "away"));
                connected.filter_map(|user| user.user_id.parse().ok()).collect()
            }
            Ok(Err(status)) => {
                tracing::debug!(error.cause = %status, "presence is not known");
                HashSet::new()
            }
            Err(_) => {
                tracing::debug!("presence is not known in time");
                HashSet::new()
            }
        }
    }

    /// Tells each member's sockets, on every instance, of a new chat. With Redis away nobody is told.
    pub async fn chat_created(&self, chats: impl IntoIterator<Item = NewChat>) {
        let published = join_all(chats.into_iter().map(|chat| self.publish(chat)));
        let Ok(results) = tokio::time::timeout(PUBLISH_TIMEOUT, published).await else {
            tracing::warn!("a new chat was not published in time");
            return;
        };
        for error in results.into_iter().filter_map(Result::err) {
            tracing::warn!(error.cause = %error, "a new chat was not published");
        }
    }

    async fn publish(&self, NewChat { member, item }: NewChat) -> anyhow::Result<()> {
        let chat = to_raw_value(&item)?;
        let request_id = correlation::current();
        let envelope = Envelope {
            instance: None,
            request_id: request_id.as_str().into(),
            event: Event::ChatCreated {
                chat_id: item.id,
                last_seq: item.last_seq,
                partner_ids: vec![item.partner.id],
                chat: &chat,
            },
        };
        Ok(self.redis.publish::<(), _, _>(Channel::User(member).to_string(), envelope.encode()?).await?)
    }

    /// Whether Redis answers.
    pub async fn is_redis_healthy(&self) -> bool {
        redis::is_healthy(&self.redis).await
    }

    /// Whether notification-service answers, and says that it serves.
    pub async fn is_peer_healthy(&self) -> bool {
        let answer =
            HealthClient::new(self.peer.channel()).check(self.peer.request(HealthCheckRequest::default())).await;
        answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving)
    }
}
