//! `/chats/{id}/messages` and `/chats/{id}/events`.

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
    model::{Events, EventsLimit, History, HistoryLimit, Message, NewMessage, Position, Sent},
    service::Messages,
};
use crate::{
    http::{
        extract::{Authenticated, Body},
        problems::{NoSuchChat, OtherContent},
        routes::{Routes, routes},
    },
    validation::{Invalid, Violation, parse_id, parse_seq, parse_text},
};

/// The paths.
#[must_use]
pub fn routes() -> Routes {
    routes!(history, send, events)
}

#[derive(Deserialize, IntoParams)]
struct HistoryQuery {
    /// How many messages at most.
    #[param(value_type = HistoryLimit, inline, required = false)]
    limit: Option<String>,
    /// Only messages older than this one: the page directly before it.
    #[param(value_type = MessageId, required = false)]
    before_id: Option<String>,
    /// Only messages newer than this one: the page directly after it. Not together with `before_id`.
    #[param(value_type = MessageId, required = false)]
    after_id: Option<String>,
}

impl HistoryQuery {
    fn parse(&self) -> Result<(Position, HistoryLimit), Invalid> {
        let mut invalid = Invalid::default();
        let limit = invalid.check("limit", HistoryLimit::parse(self.limit.as_deref()));
        let position = match (&self.before_id, &self.after_id) {
            (None, None) => Some(Position::Newest),
            (Some(id), None) => invalid.check("before_id", parse_id(id)).map(Position::Before),
            (None, Some(id)) => invalid.check("after_id", parse_id(id)).map(Position::After),
            (Some(_), Some(_)) => {
                invalid.check("after_id", Err(Violation::new("exclusive", "cannot be given with before_id")))
            }
        };
        limit.zip(position).map(|(limit, position)| (position, limit)).ok_or(invalid)
    }
}

/// The messages of a chat, newest first.
///
/// Without a cursor, the newest messages. With `before_id`, the messages directly before that one; with `after_id`, those
/// directly after it: pages in a row leave no message out. Every page is ordered from newest to oldest.
#[utoipa::path(
    get, path = "/chats/{id}/messages", tag = "messages", operation_id = "list_messages", security(("bearer" = [])),
    params(("id" = ChatId, Path), HistoryQuery),
    responses((status = 200, description = "A page of them.", body = History), NoSuchChat),
)]
async fn history(
    messages: Data<Messages>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    query: Query<HistoryQuery>,
) -> Result<Json<History>, ApiError> {
    let (position, limit) = query.parse()?;
    Ok(Json(messages.history(user, *chat, position, limit).await?))
}

// Without `Debug`: the text of a message is in no log.
#[derive(Deserialize, ToSchema)]
struct SendRequest {
    /// 1 to 4096 Unicode code points, at least one of them visible and none of them U+0000.
    #[schema(min_length = 1, max_length = 4096, pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$", examples("Привет!"))]
    text: String,
    /// Chosen by the client: sending again under it stores nothing new. Without one, every request is a new message.
    #[schema(value_type = Option<SendId>)]
    request_id: Option<String>,
}

/// The message that was stored.
#[derive(Serialize, ToSchema)]
struct SendAnswer {
    #[serde(flatten)]
    message: Message,
    /// Whether it was stored by an earlier request.
    duplicate: bool,
}

/// Sends a message, which everybody in the chat gets at once.
///
/// After 500 or 503 it may be stored or not: send it again under its `request_id`.
#[utoipa::path(
    post, path = "/chats/{id}/messages", tag = "messages", operation_id = "send_message", security(("bearer" = [])),
    params(("id" = ChatId, Path)),
    request_body = SendRequest,
    responses(
        (status = 201, description = "The message, which is new.", body = SendAnswer),
        (status = 200, description = "The message, which was sent before.", body = SendAnswer),
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
    let mut invalid = Invalid::default();
    let text = invalid.check("text", parse_text(body.text));
    let request = match body.request_id {
        Some(id) => invalid.check("request_id", parse_id(&id)),
        None => Some(SendId::new()),
    };
    let (Some(text), Some(request)) = (text, request) else { return Err(invalid.into()) };
    let message = NewMessage { chat: *chat, sender, text, request, trace: correlation::current_trace() };
    Ok(match messages.send_and_deliver(message).await? {
        Sent::Stored(message) => HttpResponse::Created().json(SendAnswer { message, duplicate: false }),
        Sent::Duplicate(message) => HttpResponse::Ok().json(SendAnswer { message, duplicate: true }),
    })
}

#[derive(Deserialize, IntoParams)]
struct EventsQuery {
    /// Only events after this `seq`.
    #[param(value_type = i64, required = false, minimum = 0, default = 0)]
    after: Option<String>,
    /// How many events at most. There may be fewer, and more to follow, where they are long.
    #[param(value_type = EventsLimit, inline, required = false)]
    limit: Option<String>,
}

/// What has happened in a chat, for a client that was away.
#[utoipa::path(
    get, path = "/chats/{id}/events", tag = "messages", operation_id = "list_events", security(("bearer" = [])),
    params(("id" = ChatId, Path), EventsQuery),
    responses((status = 200, description = "Events in the order of their `seq`.", body = Events), NoSuchChat),
)]
async fn events(
    messages: Data<Messages>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    query: Query<EventsQuery>,
) -> Result<Json<Events>, ApiError> {
    let mut invalid = Invalid::default();
    let after = invalid.check("after", parse_seq(query.after.as_deref()));
    let limit = invalid.check("limit", EventsLimit::parse(query.limit.as_deref()));
    let (Some(after), Some(limit)) = (after, limit) else { return Err(invalid.into()) };
    Ok(Json(messages.events(user, *chat, after, limit).await?))
}
