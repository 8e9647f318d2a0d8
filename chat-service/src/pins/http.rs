//! `/chats/{id}/pins`.

use actix_web::web::{Data, Json, Path, Query};
use neonchat_common::{
    error::ApiError,
    ids::{ChatId, MessageId, SendId, UserId},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    model::{MAX_PINS, NewPin, Pins},
    service::PinService,
};
use crate::{
    changes::http::ChangeAnswer,
    http::{
        problems::problems,
        routes::{Routes, routes},
    },
    messages::error::{MessageError, Quantity},
    sessions::extract::Authenticated,
    validation::{ValidationErrors, parse_id},
};

problems! {
    NoSuchChat: MessageError::NoSuchChat;
    NoSuchMessage: MessageError::NoSuchMessage;
    RoleTooLow: MessageError::Role;
    Restricted: MessageError::Restricted;
    EventsDisabled: MessageError::EventsDisabled;
    TooManyPins: MessageError::LimitReached(Quantity::Pins, MAX_PINS);
    OtherContent: MessageError::IdempotencyMismatch;
}

pub(crate) fn routes() -> Routes {
    routes!(list_pins, pin, unpin)
}

#[derive(Deserialize, IntoParams)]
struct PinQuery {
    /// An idempotency key that the client chooses. A repeated request with the same `request_id` changes nothing and returns the `seq`
    /// of the first one.
    #[param(value_type = SendId, required = false)]
    request_id: Option<String>,
}

/// Returns the pinned messages of a chat.
#[utoipa::path(
    get, path = "/chats/{id}/pins", tag = "messages", operation_id = "list_pins", security(("bearer" = [])),
    params(("id" = ChatId, Path)),
    responses((status = 200, description = "The pinned messages.", body = Pins), NoSuchChat),
)]
async fn list_pins(
    pins: Data<PinService>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
) -> Result<Json<Pins>, ApiError> {
    Ok(Json(pins.list(user, *chat).await?))
}

/// Pins a message.
///
/// In a group or channel this needs the role of its setting `pin`; in a direct chat both members can do it. A chat has up to 50 pinned
/// messages. The members get a `pinned` event. Pinning a pinned message changes nothing.
#[utoipa::path(
    put, path = "/chats/{id}/pins/{message_id}", tag = "messages", operation_id = "pin_message", security(("bearer" = [])),
    params(("id" = ChatId, Path), ("message_id" = MessageId, Path), PinQuery),
    responses(
        (status = 200, description = "The event.", body = ChangeAnswer),
        NoSuchChat, NoSuchMessage, RoleTooLow, Restricted, EventsDisabled, TooManyPins, OtherContent,
    ),
)]
async fn pin(
    pins: Data<PinService>,
    Authenticated(user): Authenticated,
    path: Path<(ChatId, MessageId)>,
    query: Query<PinQuery>,
) -> Result<Json<ChangeAnswer>, ApiError> {
    change(&pins, user, *path, &query, true).await
}

/// Ends that a message is pinned.
///
/// If it is not pinned, nothing changes.
#[utoipa::path(
    delete, path = "/chats/{id}/pins/{message_id}", tag = "messages", operation_id = "unpin_message",
    security(("bearer" = [])),
    params(("id" = ChatId, Path), ("message_id" = MessageId, Path), PinQuery),
    responses(
        (status = 200, description = "The event.", body = ChangeAnswer),
        NoSuchChat, NoSuchMessage, RoleTooLow, Restricted, EventsDisabled, OtherContent,
    ),
)]
async fn unpin(
    pins: Data<PinService>,
    Authenticated(user): Authenticated,
    path: Path<(ChatId, MessageId)>,
    query: Query<PinQuery>,
) -> Result<Json<ChangeAnswer>, ApiError> {
    change(&pins, user, *path, &query, false).await
}

async fn change(
    pins: &PinService,
    user: UserId,
    (chat, message): (ChatId, MessageId),
    query: &PinQuery,
    is_on: bool,
) -> Result<Json<ChangeAnswer>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let request_id = query.request_id.as_deref().map(parse_id).transpose();
    let request_id = invalid.check("request_id", request_id).ok_or(invalid)?;
    let made = pins.change(NewPin { chat, user, message, is_on, request_id }).await?;
    Ok(Json(ChangeAnswer::of(made.as_ref())))
}
