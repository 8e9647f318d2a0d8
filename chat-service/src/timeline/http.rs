//! `/chats/{id}/events`.

use actix_web::web::{Data, Json, Path, Query};
use neonchat_common::{error::ApiError, ids::ChatId};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    error::TimelineError,
    model::{Events, EventsLimit},
    service::Timeline,
};
use crate::{
    http::{
        problems::problems,
        routes::{Routes, routes},
    },
    sessions::extract::Authenticated,
    validation::{ValidationErrors, parse_seq},
};

problems! {
    NoSuchChat: TimelineError::NoSuchChat;
}

pub(crate) fn routes() -> Routes {
    routes!(events)
}

#[derive(Deserialize, IntoParams)]
struct EventsQuery {
    /// Return only events after this `seq`.
    #[param(value_type = i64, required = false, minimum = 0, default = 0)]
    after: Option<String>,
    /// Maximum number of events to return. A page with long texts may have fewer, although more follow (`has_more`).
    #[param(value_type = EventsLimit, inline, required = false)]
    limit: Option<String>,
}

/// Returns the durable events of a chat after a cursor.
///
/// A client that was disconnected uses this to fetch what it missed. Each event shows the state of now: a message that was
/// edited has its new text, and a deleted one has none.
#[utoipa::path(
    get, path = "/chats/{id}/events", tag = "messages", operation_id = "list_events", security(("bearer" = [])),
    params(("id" = ChatId, Path), EventsQuery),
    responses((status = 200, description = "A page of events, ordered by `seq`.", body = Events), NoSuchChat),
)]
async fn events(
    timeline: Data<Timeline>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    query: Query<EventsQuery>,
) -> Result<Json<Events>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let after = invalid.check("after", parse_seq(query.after.as_deref()));
    let limit = invalid.check("limit", EventsLimit::parse(query.limit.as_deref()));
    let (Some(after), Some(limit)) = (after, limit) else { return Err(invalid.into()) };
    Ok(Json(timeline.events(user, *chat, after, limit).await?))
}
