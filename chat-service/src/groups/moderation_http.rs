//! `/requests`, `/bans` and `/audit` below `/chats/{id}`.

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path, Query},
};
use neonchat_common::{
    error::ApiError,
    ids::{ChatId, SendId, UserId},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    error::{GroupError, Quantity},
    http::{PageQuery, RequestIdQuery, UserPath, parse_request_id},
    model::{Audit, Ban, Bans, Caller, ChangeResult, Removal, Requests},
    service::Groups,
};
use crate::{
    http::{
        extract::Body,
        problems::problems,
        routes::{Routes, routes},
    },
    sessions::extract::Authenticated,
    validation::{ValidationError, ValidationErrors, parse_id, parse_seq},
};

problems! {
    NoSuchChat: GroupError::NoSuchChat;
    NoSuchRequest: GroupError::NoSuchRequest;
    RoleTooLow: GroupError::Role;
    DirectChat: GroupError::DirectChat;
    LimitReached: GroupError::LimitReached(Quantity::Uses, 10);
    OtherContent: GroupError::IdempotencyMismatch;
    GroupsDisabled: GroupError::EventsDisabled;
}

/// The longest reason of a ban, in characters.
const MAX_REASON: usize = 256;

pub(super) fn routes() -> Routes {
    routes!(list_requests, answer, list_bans, ban, unban, audit)
}

/// Returns the users who asked to join.
#[utoipa::path(
    get, path = "/chats/{id}/requests", tag = "groups", operation_id = "list_requests", security(("bearer" = [])),
    params(("id" = ChatId, Path), PageQuery),
    responses((status = 200, description = "A page of requests.", body = Requests), NoSuchChat, RoleTooLow, DirectChat),
)]
async fn list_requests(
    groups: Data<Groups>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    query: Query<PageQuery>,
) -> Result<Json<Requests>, ApiError> {
    let (after, limit) = query.parse(parse_id)?;
    Ok(Json(groups.requests(user, *chat, after, limit).await?))
}

#[derive(Deserialize, ToSchema)]
struct AnswerBody {
    /// Whether the user becomes a member.
    accept: bool,
    /// An idempotency key that the client chooses.
    #[schema(value_type = Option<SendId>)]
    request_id: Option<String>,
}

/// Accepts or rejects a user who asked to join.
#[utoipa::path(
    put, path = "/chats/{id}/requests/{user_id}", tag = "groups", operation_id = "answer_request",
    security(("bearer" = [])),
    params(("id" = ChatId, Path), ("user_id" = UserId, Path)),
    request_body = AnswerBody,
    responses(
        (status = 200, description = "The event.", body = ChangeResult),
        NoSuchChat, NoSuchRequest, RoleTooLow, DirectChat, LimitReached, OtherContent, GroupsDisabled,
    ),
)]
async fn answer(
    groups: Data<Groups>,
    Authenticated(user): Authenticated,
    path: Path<UserPath>,
    Body(body): Body<AnswerBody>,
) -> Result<Json<ChangeResult>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let request_id = parse_request_id(body.request_id.as_deref());
    let request_id = invalid.check("request_id", request_id).ok_or(invalid)?;
    let caller = Caller { user, chat: path.id, request_id };
    Ok(Json(groups.answer_request(caller, path.user_id, body.accept).await?))
}

/// Returns the users who are kept out.
#[utoipa::path(
    get, path = "/chats/{id}/bans", tag = "groups", operation_id = "list_bans", security(("bearer" = [])),
    params(("id" = ChatId, Path), PageQuery),
    responses((status = 200, description = "A page of bans.", body = Bans), NoSuchChat, RoleTooLow, DirectChat),
)]
async fn list_bans(
    groups: Data<Groups>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    query: Query<PageQuery>,
) -> Result<Json<Bans>, ApiError> {
    let (after, limit) = query.parse(parse_id)?;
    Ok(Json(groups.bans(user, *chat, after, limit).await?))
}

#[derive(Deserialize, ToSchema)]
struct BanRequest {
    /// The id of the user.
    #[schema(value_type = UserId)]
    user_id: String,
    /// Why, for the other admins.
    #[schema(max_length = 256)]
    reason: Option<String>,
    /// An idempotency key that the client chooses.
    #[schema(value_type = Option<SendId>)]
    request_id: Option<String>,
}

/// Bans a user: removes a member, and keeps the user out.
#[utoipa::path(
    post, path = "/chats/{id}/bans", tag = "groups", operation_id = "ban_user", security(("bearer" = [])),
    params(("id" = ChatId, Path)),
    request_body = BanRequest,
    responses(
        (status = 200, description = "The event, if the user was a member.", body = ChangeResult),
        NoSuchChat, RoleTooLow, DirectChat, OtherContent, GroupsDisabled,
    ),
)]
async fn ban(
    groups: Data<Groups>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    Body(body): Body<BanRequest>,
) -> Result<Json<ChangeResult>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let target = invalid.check("user_id", parse_id(&body.user_id));
    let reason = body.reason.map(|reason| invalid.check("reason", parse_reason(reason)));
    let request_id = invalid.check("request_id", parse_request_id(body.request_id.as_deref()));
    let (Some(target), None | Some(Some(_)), Some(request_id)) = (target, &reason, request_id) else {
        return Err(invalid.into());
    };
    let ban = Ban { reason: reason.flatten() };
    let removal = Removal { users: vec![target], ban: Some(ban), deletes_messages: false };
    Ok(Json(groups.remove(Caller { user, chat: *chat, request_id }, removal).await?))
}

fn parse_reason(reason: String) -> Result<String, ValidationError> {
    if reason.contains('\0') || reason.chars().count() > MAX_REASON {
        return Err(ValidationError::new("length", "should have at most 256 characters, none of them U+0000"));
    }
    Ok(reason)
}

/// Returns who did what in a group or channel, the newest entry first.
#[utoipa::path(
    get, path = "/chats/{id}/audit", tag = "groups", operation_id = "list_audit", security(("bearer" = [])),
    params(("id" = ChatId, Path), PageQuery),
    responses((status = 200, description = "A page of the log.", body = Audit), NoSuchChat, RoleTooLow, DirectChat),
)]
async fn audit(
    groups: Data<Groups>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    query: Query<PageQuery>,
) -> Result<Json<Audit>, ApiError> {
    let (before, limit) = query.parse(|place| parse_seq(Some(place)))?;
    Ok(Json(groups.audit(user, *chat, before, limit).await?))
}

/// Lifts a ban. The user is not a member again.
#[utoipa::path(
    delete, path = "/chats/{id}/bans/{user_id}", tag = "groups", operation_id = "unban_user",
    security(("bearer" = [])),
    params(("id" = ChatId, Path), ("user_id" = UserId, Path), RequestIdQuery),
    responses(
        (status = 204, description = "The user is not banned."),
        NoSuchChat, RoleTooLow, DirectChat, OtherContent,
    ),
)]
async fn unban(
    groups: Data<Groups>,
    Authenticated(user): Authenticated,
    path: Path<UserPath>,
    query: Query<RequestIdQuery>,
) -> Result<HttpResponse, ApiError> {
    groups.unban(Caller { user, chat: path.id, request_id: query.parse()? }, path.user_id).await?;
    Ok(HttpResponse::NoContent().finish())
}
