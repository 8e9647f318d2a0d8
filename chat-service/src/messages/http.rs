//! `/chats/{id}/messages` and `/chats/{id}/events`.

use actix_web::{
    HttpResponse,
    web::{self, Data, Json, Path, Query, ServiceConfig},
};
use neonchat_common::{
    error::ApiError,
    ids::{ChatId, SendId},
};
use serde::{Deserialize, Serialize};

use super::{
    model::{Events, EventsLimit, History, HistoryLimit, Message, NewMessage, Position, Sent},
    service::Messages,
};
use crate::{
    http::{Authenticated, Body},
    validation::{Invalid, Violation, parse_id, parse_seq, parse_text},
};

/// The paths.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(web::resource("/chats/{id}/messages").route(web::get().to(history)).route(web::post().to(send)))
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

/// Without `Debug`: the text of a message is in no log.
#[derive(Deserialize)]
struct SendRequest {
    text: String,
    request_id: Option<String>,
}

#[derive(Serialize)]
struct SendAnswer {
    #[serde(flatten)]
    message: Message,
    duplicate: bool,
}

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
    let message = NewMessage { chat: *chat, sender, text, request };
    Ok(match messages.send_and_deliver(message).await? {
        Sent::Stored(message) => HttpResponse::Created().json(SendAnswer { message, duplicate: false }),
        Sent::Duplicate(message) => HttpResponse::Ok().json(SendAnswer { message, duplicate: true }),
    })
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
