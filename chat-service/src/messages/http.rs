//! `/chats/{id}/messages` and `/chats/{id}/events`.

use actix_web::web::{self, Data, Json, Path, Query, ServiceConfig};
use neonchat_common::{error::ApiError, ids::ChatId};
use serde::Deserialize;

use super::{
    model::{Events, EventsLimit, History, HistoryLimit, Position},
    service::Messages,
};
use crate::{
    http::Authenticated,
    validation::{Invalid, Violation, parse_id, parse_seq},
};

/// The paths.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(web::resource("/chats/{id}/messages").route(web::get().to(history)))
        .service(web::resource("/chats/{id}/events").route(web::get().to(events)));
}

#[derive(Deserialize)]
struct HistoryQuery {
    limit: Option<String>,
    before_id: Option<String>,
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

async fn history(
    messages: Data<Messages>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    query: Query<HistoryQuery>,
) -> Result<Json<History>, ApiError> {
    let (position, limit) = query.parse()?;
    Ok(Json(messages.history(user, *chat, position, limit).await?))
}

#[derive(Deserialize)]
struct EventsQuery {
    after: Option<String>,
    limit: Option<String>,
}

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
