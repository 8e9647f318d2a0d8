//! `/chats/{id}/messages`.

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path, Query},
};
use neonchat_common::{
    correlation,
    error::ApiError,
    ids::{ChatId, MessageId, SendId},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    error::MessageError,
    model::{
        History, HistoryLimit, HistoryQuery, Message, NewMessage, Position, StoreOutcome, Versions, VersionsLimit,
    },
    service::Messages,
};
use crate::{
    http::{
        extract::Body,
        problems::problems,
        routes::{Routes, routes},
    },
    sessions::extract::Authenticated,
    validation::{ValidationError, ValidationErrors, parse_id, parse_seq, parse_text},
};

problems! {
    NoSuchChat: MessageError::NoSuchChat;
    NoSuchMessage: MessageError::NoSuchMessage;
    OtherContent: MessageError::IdempotencyMismatch;
    VersionsHidden: MessageError::VersionsHidden;
}

pub(crate) fn routes() -> Routes {
    routes!(history, send, versions)
}

#[derive(Deserialize, IntoParams)]
struct HistoryParams {
    /// Maximum number of messages to return.
    #[param(value_type = HistoryLimit, inline, required = false)]
    limit: Option<String>,
    /// Return the messages directly before this one.
    #[param(value_type = MessageId, required = false)]
    before_id: Option<String>,
    /// Return the messages directly after this one. It cannot be combined with `before_id`.
    #[param(value_type = MessageId, required = false)]
    after_id: Option<String>,
    /// The `seq` up to which the client knows the chat. The page reflects at least the events up to there. A page with it may
    /// come from a replica of the database, if there is one.
    #[param(value_type = i64, required = false, minimum = 0)]
    min_seq: Option<String>,
}

impl HistoryParams {
    fn parse(&self) -> Result<HistoryQuery, ValidationErrors> {
        let mut invalid = ValidationErrors::default();
        let limit = invalid.check("limit", HistoryLimit::parse(self.limit.as_deref()));
        let position = match (&self.before_id, &self.after_id) {
            (None, None) => Some(Position::Newest),
            (Some(id), None) => invalid.check("before_id", parse_id(id)).map(Position::Before),
            (None, Some(id)) => invalid.check("after_id", parse_id(id)).map(Position::After),
            (Some(_), Some(_)) => {
                invalid.check("after_id", Err(ValidationError::new("exclusive", "cannot be combined with before_id")))
            }
        };
        let min_seq = invalid.check("min_seq", self.min_seq.as_deref().map(|seq| parse_seq(Some(seq))).transpose());
        match (limit, position, min_seq) {
            (Some(limit), Some(position), Some(min_seq)) => Ok(HistoryQuery { position, limit, min_seq }),
            _ => Err(invalid),
        }
    }
}

/// Returns a page of the messages of a chat.
///
/// Without `before_id` and `after_id`, the page has the newest messages. Every page is ordered from newest to oldest.
/// To read on, pass the id of its last message as `before_id`, or of its first one as `after_id`: the next page follows
/// without a gap.
#[utoipa::path(
    get, path = "/chats/{id}/messages", tag = "messages", operation_id = "list_messages", security(("bearer" = [])),
    params(("id" = ChatId, Path), HistoryParams),
    responses((status = 200, description = "A page of messages.", body = History), NoSuchChat),
)]
async fn history(
    messages: Data<Messages>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    query: Query<HistoryParams>,
) -> Result<Json<History>, ApiError> {
    Ok(Json(messages.history(user, *chat, query.parse()?).await?))
}

// Without `Debug`, so that no log contains the text.
#[derive(Deserialize, ToSchema)]
struct SendRequest {
    /// 1 to 4096 Unicode code points. At least one of them must be visible, and U+0000 is not allowed.
    #[schema(min_length = 1, max_length = 4096, pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$", examples("Привет!"))]
    text: String,
    /// An idempotency key that the client chooses. A repeated request with the same `request_id` stores nothing and
    /// returns the first message. Without it, each request stores a new message.
    #[schema(value_type = Option<SendId>)]
    request_id: Option<String>,
}

/// A stored message.
#[derive(Serialize, ToSchema)]
struct SendAnswer {
    #[serde(flatten)]
    message: Message,
    /// Whether an earlier request with this `request_id` stored the message.
    duplicate: bool,
}

/// Sends a message to a chat.
///
/// The open sockets of the members get it at once. After 500 or 503 the message may be stored or not: repeat the
/// request with the same `request_id`.
#[utoipa::path(
    post, path = "/chats/{id}/messages", tag = "messages", operation_id = "send_message", security(("bearer" = [])),
    params(("id" = ChatId, Path)),
    request_body = SendRequest,
    responses(
        (status = 201, description = "The new message.", body = SendAnswer),
        (status = 200, description = "The message that an earlier request with this `request_id` stored.", body = SendAnswer),
        NoSuchChat,
        OtherContent,
    ),
)]
async fn send(
    messages: Data<Messages>,
    Authenticated(sender): Authenticated,
    chat: Path<ChatId>,
    Body(body): Body<SendRequest>,
) -> Result<HttpResponse, ApiError> {
    let mut invalid = ValidationErrors::default();
    let text = invalid.check("text", parse_text(body.text));
    let request_id = match body.request_id {
        Some(id) => invalid.check("request_id", parse_id(&id)),
        None => Some(SendId::new()),
    };
    let (Some(text), Some(request_id)) = (text, request_id) else { return Err(invalid.into()) };
    let message = NewMessage { chat: *chat, sender, text, request_id, trace: correlation::current_trace() };
    Ok(match messages.submit_and_deliver(message).await? {
        StoreOutcome::Stored(message) => HttpResponse::Created().json(SendAnswer { message, duplicate: false }),
        StoreOutcome::Duplicate(message) => HttpResponse::Ok().json(SendAnswer { message, duplicate: true }),
    })
}

#[derive(Deserialize, IntoParams)]
struct VersionsParams {
    /// Maximum number of versions to return.
    #[param(value_type = VersionsLimit, inline, required = false)]
    limit: Option<String>,
    /// Return the versions after this one: the `next` of the previous page.
    #[param(required = false, example = "45")]
    after: Option<String>,
}

/// Returns the earlier texts of an edited message, the oldest first.
///
/// By default only its author can read them (`EDIT_HISTORY`). They are erased when the message is deleted.
#[utoipa::path(
    get, path = "/chats/{id}/messages/{message_id}/versions", tag = "messages", operation_id = "list_versions",
    security(("bearer" = [])),
    params(("id" = ChatId, Path), ("message_id" = MessageId, Path), VersionsParams),
    responses((status = 200, description = "A page of texts.", body = Versions), NoSuchChat, NoSuchMessage, VersionsHidden),
)]
async fn versions(
    messages: Data<Messages>,
    Authenticated(user): Authenticated,
    path: Path<(ChatId, MessageId)>,
    query: Query<VersionsParams>,
) -> Result<Json<Versions>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let limit = invalid.check("limit", VersionsLimit::parse(query.limit.as_deref()));
    let after = invalid.check("after", parse_seq(query.after.as_deref()));
    let (Some(limit), Some(after)) = (limit, after) else { return Err(invalid.into()) };
    let (chat, message) = *path;
    Ok(Json(messages.versions(user, chat, message, after, limit).await?))
}
