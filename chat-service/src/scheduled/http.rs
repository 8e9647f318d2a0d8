//! `/chats/{id}/scheduled`.

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path, Query},
};
use chrono::{DateTime, Utc};
use neonchat_common::{
    error::ApiError,
    ids::{ChatId, ScheduledId},
    time,
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    model::{PatchedText, Place, ScheduledLimit, ScheduledMessage, ScheduledMessages, ScheduledPatch, Target},
    service::Scheduled,
};
use crate::{
    http::{
        extract::Body,
        problems::problems,
        routes::{Routes, routes},
    },
    messages::{
        error::MessageError,
        given::{EntityBody, parse_entities_of},
    },
    sessions::extract::Authenticated,
    validation::{ValidationError, ValidationErrors, parse_text, parse_time},
};

problems! {
    NoSuchChat: MessageError::NoSuchChat;
    NoSuchScheduled: MessageError::NoSuchScheduled;
}

pub(crate) fn routes() -> Routes {
    routes!(list, change, cancel)
}

/// Parses the time at which a message is to be sent. Whether it is too early or too late is decided later: a repeated request may come
/// shortly before that time.
pub(crate) fn parse_send_at(text: &str) -> Result<DateTime<Utc>, ValidationError> {
    let time = parse_time(text)?;
    // With the precision of the database.
    time::from_micros(time.timestamp_micros()).ok_or_else(|| ValidationError::new("range", "is out of range"))
}

#[derive(Deserialize, IntoParams)]
struct ListParams {
    /// Maximum number of messages to return.
    #[param(value_type = ScheduledLimit, inline, required = false)]
    limit: Option<String>,
    /// Return the messages after this one: the `next` of the previous page.
    #[param(required = false)]
    after: Option<String>,
}

/// Returns the messages that the caller has scheduled in a chat, the next one first.
///
/// Those that are being sent are left out.
#[utoipa::path(
    get, path = "/chats/{id}/scheduled", tag = "messages", operation_id = "list_scheduled", security(("bearer" = [])),
    params(("id" = ChatId, Path), ListParams),
    responses((status = 200, description = "A page of messages.", body = ScheduledMessages), NoSuchChat),
)]
async fn list(
    scheduled: Data<Scheduled>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    query: Query<ListParams>,
) -> Result<Json<ScheduledMessages>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let limit = invalid.check("limit", ScheduledLimit::parse(query.limit.as_deref()));
    let after = invalid.check("after", query.after.as_deref().map(Place::parse).transpose());
    let (Some(limit), Some(after)) = (limit, after) else { return Err(invalid.into()) };
    Ok(Json(scheduled.list(user, *chat, after, limit).await?))
}

/// The ids in the path of a scheduled message.
#[derive(Clone, Copy, Deserialize)]
struct ScheduledPath {
    id: ChatId,
    scheduled_id: ScheduledId,
}

/// The changed values. Absent ones stay.
#[derive(Deserialize, ToSchema)]
struct ChangeRequest {
    /// The new text, as in a message. It has no formatting but that which is given with it.
    #[schema(min_length = 1, max_length = 4096, pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$", examples("Привет!"))]
    text: Option<String>,
    /// The formatting of the new text.
    #[schema(max_items = 100)]
    entities: Option<Vec<EntityBody>>,
    /// The new time, as in a message.
    #[schema(value_type = Option<DateTime<Utc>>)]
    send_at: Option<String>,
}

impl ChangeRequest {
    fn parse(self) -> Result<ScheduledPatch, ValidationErrors> {
        let mut invalid = ValidationErrors::default();
        if self.text.is_none() && self.entities.is_some() {
            invalid.push("text", ValidationError::new("required", "is missing: entities need their text"));
        }
        let text = self.text.and_then(|text| invalid.check("text", parse_text(text)));
        let entities = parse_entities_of(self.entities, text.as_ref(), &mut invalid);
        let send_at = self.send_at.and_then(|time| invalid.check("send_at", parse_send_at(&time)));
        let text = text.map(|text| PatchedText { text, entities });
        if invalid.is_empty() { Ok(ScheduledPatch { send_at, text }) } else { Err(invalid) }
    }
}

/// Changes a message that is not sent yet.
#[utoipa::path(
    patch, path = "/chats/{id}/scheduled/{scheduled_id}", tag = "messages", operation_id = "change_scheduled",
    security(("bearer" = [])),
    params(("id" = ChatId, Path), ("scheduled_id" = ScheduledId, Path)),
    request_body = ChangeRequest,
    responses((status = 200, description = "The message.", body = ScheduledMessage), NoSuchChat, NoSuchScheduled),
)]
async fn change(
    scheduled: Data<Scheduled>,
    Authenticated(user): Authenticated,
    path: Path<ScheduledPath>,
    Body(body): Body<ChangeRequest>,
) -> Result<Json<ScheduledMessage>, ApiError> {
    let ScheduledPath { id: chat, scheduled_id: id } = *path;
    Ok(Json(scheduled.change(Target { user, chat, id }, body.parse()?).await?))
}

/// Deletes a message that is not sent yet.
#[utoipa::path(
    delete, path = "/chats/{id}/scheduled/{scheduled_id}", tag = "messages", operation_id = "cancel_scheduled",
    security(("bearer" = [])),
    params(("id" = ChatId, Path), ("scheduled_id" = ScheduledId, Path)),
    responses((status = 204, description = "It is deleted, and will not be sent."), NoSuchChat, NoSuchScheduled),
)]
async fn cancel(
    scheduled: Data<Scheduled>,
    Authenticated(user): Authenticated,
    path: Path<ScheduledPath>,
) -> Result<HttpResponse, ApiError> {
    let ScheduledPath { id: chat, scheduled_id: id } = *path;
    scheduled.cancel(Target { user, chat, id }).await?;
    Ok(HttpResponse::NoContent().finish())
}
