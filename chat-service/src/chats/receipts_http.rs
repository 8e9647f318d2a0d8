//! Receipts: `/chats/{id}/receipt`, `/chats/{id}/receipts` and `/chats/{id}/messages/{message_id}/seen`.

use actix_web::web::{Data, Json, Path};
use neonchat_common::{
    error::ApiError,
    ids::{ChatId, MessageId, Seq},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    error::ChatError,
    model::{ChatReceipts, ReadState, Receipt, Seen},
    service::Chats,
};
use crate::{
    http::{
        extract::Body,
        problems::problems,
        routes::{Routes, routes},
    },
    sessions::extract::Authenticated,
    validation::{ValidationError, ValidationErrors, check_event_seq},
};

problems! {
    NoSuchChat: ChatError::NotFound;
    NoSuchMessage: ChatError::NoSuchMessage;
    TooManyMembers: ChatError::TooManyMembers;
}

pub(crate) fn routes() -> Routes {
    routes!(mark, receipts, seen)
}

/// At least one of both.
#[derive(Deserialize, ToSchema)]
struct ReceiptRequest {
    /// The `seq` of the last event that was read. All earlier events count as read too, and as delivered.
    #[schema(value_type = Option<i64>, minimum = 1, examples(41))]
    read: Option<Seq>,
    /// The `seq` of the last event that a device has. It has all earlier events too.
    #[schema(value_type = Option<i64>, minimum = 1, examples(47))]
    delivered: Option<Seq>,
}

/// Moves the read marker or the delivered marker of the caller in a chat, or both.
///
/// A marker never moves back, and never past the last event of the chat.
#[utoipa::path(
    put, path = "/chats/{id}/receipt", tag = "chats", operation_id = "mark_read", security(("bearer" = [])),
    params(("id" = ChatId, Path)),
    request_body = ReceiptRequest,
    responses((status = 200, description = "The resulting markers and unread count.", body = ReadState), NoSuchChat),
)]
async fn mark(
    chats: Data<Chats>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    Body(body): Body<ReceiptRequest>,
) -> Result<Json<ReadState>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let read = invalid.check("read", body.read.map(check_event_seq).transpose());
    let delivered = invalid.check("delivered", body.delivered.map(check_event_seq).transpose());
    if body.read.or(body.delivered).is_none() {
        invalid.push("read", ValidationError::new("required", "is missing, and so is delivered; give at least one"));
    }
    let (Some(read), Some(delivered), true) = (read, delivered, invalid.is_empty()) else { return Err(invalid.into()) };
    let receipt = Receipt { chat: *chat, user, read: read.unwrap_or(0), delivered: delivered.unwrap_or(0) };
    Ok(Json(chats.mark_and_publish(receipt).await?))
}

/// Returns how far each member of a chat has read it, and has it on a device.
///
/// Only in direct chats, and in groups of at most 100 members.
#[utoipa::path(
    get, path = "/chats/{id}/receipts", tag = "chats", operation_id = "list_receipts", security(("bearer" = [])),
    params(("id" = ChatId, Path)),
    responses((status = 200, description = "The markers of all members.", body = ChatReceipts), NoSuchChat, TooManyMembers),
)]
async fn receipts(
    chats: Data<Chats>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
) -> Result<Json<ChatReceipts>, ApiError> {
    Ok(Json(chats.receipts(user, *chat).await?))
}

/// Returns the members who have read a message.
///
/// Only in direct chats, and in groups of at most 100 members.
#[utoipa::path(
    get, path = "/chats/{id}/messages/{message_id}/seen", tag = "messages", operation_id = "list_seen",
    security(("bearer" = [])),
    params(("id" = ChatId, Path), ("message_id" = MessageId, Path)),
    responses((status = 200, description = "The members.", body = Seen), NoSuchChat, NoSuchMessage, TooManyMembers),
)]
async fn seen(
    chats: Data<Chats>,
    Authenticated(user): Authenticated,
    path: Path<(ChatId, MessageId)>,
) -> Result<Json<Seen>, ApiError> {
    let (chat, message) = *path;
    Ok(Json(chats.seen(user, chat, message).await?))
}
