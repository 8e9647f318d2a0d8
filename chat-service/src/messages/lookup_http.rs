//! Single messages, replies, mentions, and forwarding.

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path, Query},
};
use neonchat_common::{
    error::ApiError,
    ids::{ChatId, MessageId, SendId},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    error::MessageError,
    forward::{Forwarded, Forwarding},
    model::{LookupLimit, MentionPlace, Mentioned, Message, Replies},
    service::Messages,
};
use crate::{
    http::{
        extract::Body,
        problems::problems,
        routes::{Routes, routes},
    },
    sessions::extract::Authenticated,
    validation::{ValidationErrors, parse_distinct_ids, parse_id, parse_seq},
};

/// The most messages that are forwarded by one request.
const MAX_FORWARDED: usize = 100;

problems! {
    NoSuchChat: MessageError::NoSuchChat;
    NoSuchMessage: MessageError::NoSuchMessage;
    RoleTooLow: MessageError::Role;
    Restricted: MessageError::Restricted;
    Protected: MessageError::Protected;
    OtherContent: MessageError::IdempotencyMismatch;
}

pub(crate) fn routes() -> Routes {
    routes!(message, replies, mentions, forward)
}

/// Returns a message.
#[utoipa::path(
    get, path = "/chats/{id}/messages/{message_id}", tag = "messages", operation_id = "get_message",
    security(("bearer" = [])),
    params(("id" = ChatId, Path), ("message_id" = MessageId, Path)),
    responses((status = 200, description = "The message.", body = Message), NoSuchChat, NoSuchMessage),
)]
async fn message(
    messages: Data<Messages>,
    Authenticated(user): Authenticated,
    path: Path<(ChatId, MessageId)>,
) -> Result<Json<Message>, ApiError> {
    let (chat, message) = *path;
    Ok(Json(messages.message(user, chat, message).await?))
}

#[derive(Deserialize, IntoParams)]
struct RepliesParams {
    /// Maximum number of messages to return.
    #[param(value_type = LookupLimit, inline, required = false)]
    limit: Option<String>,
    /// Return the messages after this one: the `next` of the previous page.
    #[param(required = false, example = "45")]
    after: Option<String>,
}

/// Returns the messages that answer a message, the oldest first.
#[utoipa::path(
    get, path = "/chats/{id}/messages/{message_id}/replies", tag = "messages", operation_id = "list_replies",
    security(("bearer" = [])),
    params(("id" = ChatId, Path), ("message_id" = MessageId, Path), RepliesParams),
    responses((status = 200, description = "A page of messages.", body = Replies), NoSuchChat, NoSuchMessage),
)]
async fn replies(
    messages: Data<Messages>,
    Authenticated(user): Authenticated,
    path: Path<(ChatId, MessageId)>,
    query: Query<RepliesParams>,
) -> Result<Json<Replies>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let limit = invalid.check("limit", LookupLimit::parse(query.limit.as_deref()));
    let after = invalid.check("after", parse_seq(query.after.as_deref()));
    let (Some(limit), Some(after)) = (limit, after) else { return Err(invalid.into()) };
    let (chat, message) = *path;
    Ok(Json(messages.replies(user, chat, message, after, limit).await?))
}

#[derive(Deserialize, IntoParams)]
struct MentionsParams {
    /// Maximum number of messages to return.
    #[param(value_type = LookupLimit, inline, required = false)]
    limit: Option<String>,
    /// Return the messages after this one: the `next` of the previous page.
    #[param(required = false)]
    after: Option<String>,
}

/// Returns the messages that mention the caller or all members, or answer a message of the caller, in all chats of the caller, the
/// newest first.
#[utoipa::path(
    get, path = "/mentions", tag = "messages", operation_id = "list_mentions", security(("bearer" = [])),
    params(MentionsParams),
    responses((status = 200, description = "A page of messages.", body = Mentioned)),
)]
async fn mentions(
    messages: Data<Messages>,
    Authenticated(user): Authenticated,
    query: Query<MentionsParams>,
) -> Result<Json<Mentioned>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let limit = invalid.check("limit", LookupLimit::parse(query.limit.as_deref()));
    let after = invalid.check("after", query.after.as_deref().map(MentionPlace::parse).transpose());
    let (Some(limit), Some(after)) = (limit, after) else { return Err(invalid.into()) };
    Ok(Json(messages.mentions(user, after, limit).await?))
}

#[derive(Deserialize, ToSchema)]
struct ForwardRequest {
    /// The chat of the messages.
    #[schema(value_type = ChatId)]
    from_chat_id: String,
    /// The ids of 1 to 100 messages, in the order in which they are forwarded. Repeated ones are dropped.
    #[schema(value_type = Vec<MessageId>, min_items = 1, max_items = 100)]
    message_ids: Vec<String>,
    /// An idempotency key that the client chooses. The `request_id` of each new message is the version 5 UUID of this namespace and the id of
    /// the forwarded message.
    #[schema(value_type = Option<SendId>)]
    request_id: Option<String>,
}

/// The new messages.
#[derive(Serialize, ToSchema)]
struct ForwardAnswer {
    /// In the order of the request.
    messages: Vec<Message>,
}

/// Forwards messages from another chat to this one.
///
/// The new messages have the text and formatting of the forwarded ones, and their `forward` says who first sent them and when. They
/// mention nobody, and do not change with the forwarded ones. If one of the messages does not exist for the caller, none is forwarded.
/// The messages of a chat with the setting `protected` cannot be forwarded.
///
/// In slow mode only one message is stored: the others need a repeated request with the same `request_id`.
#[utoipa::path(
    post, path = "/chats/{id}/forward", tag = "messages", operation_id = "forward_messages", security(("bearer" = [])),
    params(("id" = ChatId, Path)),
    request_body = ForwardRequest,
    responses(
        (status = 201, description = "The new messages.", body = ForwardAnswer),
        (status = 200, description = "The messages that an earlier request with this `request_id` stored.", body = ForwardAnswer),
        NoSuchChat, NoSuchMessage, RoleTooLow, Restricted, Protected, OtherContent,
    ),
)]
async fn forward(
    messages: Data<Messages>,
    Authenticated(sender): Authenticated,
    chat: Path<ChatId>,
    Body(body): Body<ForwardRequest>,
) -> Result<HttpResponse, ApiError> {
    let mut invalid = ValidationErrors::default();
    let from = invalid.check("from_chat_id", parse_id(&body.from_chat_id));
    let ids = invalid.check("message_ids", parse_distinct_ids(&body.message_ids, MAX_FORWARDED));
    let request_id = invalid.check("request_id", body.request_id.as_deref().map(parse_id).transpose());
    let (Some(from), Some(ids), Some(request_id)) = (from, ids, request_id) else { return Err(invalid.into()) };
    let request_id = request_id.unwrap_or_else(SendId::new);
    let forwarding = Forwarding { sender, from, to: *chat, messages: ids, request_id };
    let Forwarded { messages, is_duplicate } = messages.forward(forwarding).await?;
    let mut response = if is_duplicate { HttpResponse::Ok() } else { HttpResponse::Created() };
    Ok(response.json(ForwardAnswer { messages }))
}
