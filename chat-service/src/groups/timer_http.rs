//! `/chats/{id}/timer`.

use actix_web::web::{Data, Json, Path};
use neonchat_common::{
    error::ApiError,
    ids::{ChatId, SendId},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    error::GroupError,
    http::parse_request_id,
    model::{Caller, ChangeResult},
    service::Groups,
    settings::parse_ttl,
};
use crate::{
    http::{
        extract::Body,
        problems::problems,
        routes::{Routes, routes},
    },
    sessions::extract::Authenticated,
    validation::ValidationErrors,
};

problems! {
    NoSuchChat: GroupError::NoSuchChat;
    RoleTooLow: GroupError::Role;
    OtherContent: GroupError::IdempotencyMismatch;
    ChangesDisabled: GroupError::EventsDisabled;
}

pub(super) fn routes() -> Routes {
    routes!(set_timer)
}

#[derive(Deserialize, ToSchema)]
struct TimerRequest {
    /// How long messages that are sent from now on stay, in seconds: 0 is for ever, else at least an hour (`TIMER_MIN_S`) and at most
    /// 90 days.
    #[schema(minimum = 0, maximum = 7_776_000, examples(86400))]
    ttl_s: i64,
    /// An idempotency key that the client chooses.
    #[schema(value_type = Option<SendId>)]
    request_id: Option<String>,
}

/// Sets how long new messages of a chat stay.
///
/// Messages that were sent before keep the time that they have. In a direct chat both members can do this, in a group or channel it
/// needs the right `info`. The members get a `chat_updated` event.
#[utoipa::path(
    put, path = "/chats/{id}/timer", tag = "chats", operation_id = "set_timer", security(("bearer" = [])),
    params(("id" = ChatId, Path)),
    request_body = TimerRequest,
    responses(
        (status = 200, description = "The event; its `seq` is null if nothing changed.", body = ChangeResult),
        NoSuchChat, RoleTooLow, OtherContent, ChangesDisabled,
    ),
)]
async fn set_timer(
    groups: Data<Groups>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    Body(body): Body<TimerRequest>,
) -> Result<Json<ChangeResult>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let ttl_s = invalid.check("ttl_s", parse_ttl(Some(body.ttl_s), groups.timer_min_s));
    let request_id = invalid.check("request_id", parse_request_id(body.request_id.as_deref()));
    let (Some(ttl_s), Some(request_id)) = (ttl_s, request_id) else { return Err(invalid.into()) };
    Ok(Json(groups.set_timer(Caller { user, chat: *chat, request_id }, ttl_s).await?))
}
