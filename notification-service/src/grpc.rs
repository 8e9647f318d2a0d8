//! The gRPC service `notification.v1.NotificationService`, which chat-service calls.

use std::{collections::HashMap, sync::Arc};

use neonchat_common::{
    error::ApiError,
    ids::{ChatId, Seq, UserId},
    message::MessageText,
    time,
};
use neonchat_proto::notification::v1::{
    BroadcastSystemMessageRequest, BroadcastSystemMessageResponse, GetUsersStatusRequest, GetUsersStatusResponse,
    SendMessageRequest, SendMessageResponse, UserStatus, ValidateChatAccessRequest, ValidateChatAccessResponse,
    notification_service_server::NotificationService,
};
use tonic::{Request, Response, Status};

use crate::{
    chat_service::{ChatService, StoredMessage, parse_extra},
    delivery::{Delivery, DeliveryReport},
    presence::Presence,
    protocol::{self, DeliveryStatus},
};

/// The most users in one `GetUsersStatus` call.
const MAX_USERS: usize = 1000;

/// The implementation of the gRPC service.
pub(crate) struct Api {
    pub(crate) chat_service: ChatService,
    pub(crate) delivery: Delivery,
    pub(crate) presence: Arc<Presence>,
}

#[tonic::async_trait]
impl NotificationService for Api {
    async fn send_message(
        &self,
        request: Request<SendMessageRequest>,
    ) -> Result<Response<SendMessageResponse>, Status> {
        let request = request.into_inner();
        let seq: Option<Seq> = request.metadata.get("seq").and_then(|seq| seq.parse().ok()).filter(|seq| *seq > 0);
        let created_at = time::from_micros(request.timestamp);
        let created_at = created_at
            .ok_or_else(|| ApiError::invalid("timestamp", "range", "should be a time in the years 0 to 9999"))?;
        let extra = request.metadata.get("extra").map_or(Ok(None), |extra| parse_extra(extra.clone()))?;
        let message = StoredMessage {
            extra,
            changed_seq: None,
            deleted: false,
            id: parse("message_id", &request.message_id)?,
            chat_id: parse("chat_id", &request.chat_id)?,
            sender_id: parse("sender_id", &request.sender_id)?,
            request_id: request.metadata.get("request_id").and_then(|id| id.parse().ok()),
            text: request.text,
            created_at,
            updated_at: created_at,
            seq: seq.ok_or_else(|| ApiError::invalid("metadata.seq", "required", "should be the message's seq"))?,
        };
        let DeliveryReport { sockets, status } = self.delivery.deliver(&message).await;
        Ok(Response::new(SendMessageResponse {
            success: status == DeliveryStatus::Delivered,
            delivered_to: i32::try_from(sockets).unwrap_or(i32::MAX),
            failed_users: Vec::new(),
            error_message: match status {
                DeliveryStatus::Delivered => String::new(),
                DeliveryStatus::Stored => "Redis is unavailable: other instances deliver the message later".to_owned(),
            },
        }))
    }

    async fn validate_chat_access(
        &self,
        request: Request<ValidateChatAccessRequest>,
    ) -> Result<Response<ValidateChatAccessResponse>, Status> {
        let request = request.into_inner();
        let user: UserId = parse("user_id", &request.user_id)?;
        let chat: ChatId = parse("chat_id", &request.chat_id)?;
        let has_access = self.chat_service.chat_of(user, chat).await?.is_some();
        let error_message = if has_access { "" } else { "There is no such chat, or the user is not a member of it." };
        Ok(Response::new(ValidateChatAccessResponse { has_access, error_message: error_message.to_owned() }))
    }

    async fn get_users_status(
        &self,
        request: Request<GetUsersStatusRequest>,
    ) -> Result<Response<GetUsersStatusResponse>, Status> {
        let ids = request.into_inner().user_ids;
        if ids.len() > MAX_USERS {
            return Err(ApiError::invalid("user_ids", "length", format!("has at most {MAX_USERS} ids")).into());
        }
        let users = ids.iter().map(|id| parse("user_ids", id)).collect::<Result<Vec<UserId>, _>>()?;
        let online = self.presence.statuses(&users).await.map_err(|error| ApiError::unavailable("presence", error))?;
        let online: HashMap<UserId, _> = online.into_iter().map(|status| (status.user_id, status)).collect();
        let status = |user: &UserId| {
            let known = online.get(user);
            UserStatus {
                user_id: user.to_string(),
                status: match known.map(|known| known.status) {
                    Some(protocol::Status::Online) => "online",
                    Some(protocol::Status::Away) => "away",
                    None => "offline",
                }
                .to_owned(),
                last_seen: known.map_or(0, |known| known.last_seen),
            }
        };
        Ok(Response::new(GetUsersStatusResponse { statuses: users.iter().map(status).collect() }))
    }

    async fn broadcast_system_message(
        &self,
        request: Request<BroadcastSystemMessageRequest>,
    ) -> Result<Response<BroadcastSystemMessageResponse>, Status> {
        let text = MessageText::try_from(request.into_inner().text).map_err(ApiError::from)?;
        let success = self.delivery.broadcast_system(text.as_str()).await;
        Ok(Response::new(BroadcastSystemMessageResponse { success }))
    }
}

fn parse<T: std::str::FromStr>(field: &'static str, id: &str) -> Result<T, ApiError> {
    id.parse().map_err(|_| ApiError::invalid(field, "format", "should be a UUID"))
}
