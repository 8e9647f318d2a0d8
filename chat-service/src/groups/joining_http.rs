//! `/invites`, `/rooms`, and `/invites` and `/join` below `/chats/{id}`.

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path, Query},
};
use neonchat_common::{
    error::ApiError,
    ids::{ChatId, SendId},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    error::{GroupError, Quantity},
    http::{PageQuery, RequestIdQuery},
    invite_code::InviteCode,
    model::{Caller, GroupPageLimit, InviteItem, InvitePreview, Invites, NewInvite, Rooms},
    service::Groups,
};
use crate::{
    chats::{model::ChatItem, service::Chats},
    http::{
        extract::Body,
        problems::problems,
        routes::{Routes, routes},
    },
    sessions::extract::Authenticated,
    validation::{ValidationError, ValidationErrors},
};

problems! {
    NoSuchChat: GroupError::NoSuchChat;
    NoSuchInvite: GroupError::NoSuchInvite;
    Banned: GroupError::Banned;
    RoleTooLow: GroupError::Role;
    DirectChat: GroupError::DirectChat;
    LimitReached: GroupError::LimitReached(Quantity::Invites, 50);
    OtherContent: GroupError::IdempotencyMismatch;
    GroupsDisabled: GroupError::EventsDisabled;
}

/// The longest validity of an invite: 365 days, in seconds.
const MAX_EXPIRES_IN: i64 = 365 * 24 * 60 * 60;

/// The longest text to search for, in characters.
const MAX_QUERY: usize = 64;

pub(super) fn routes() -> Routes {
    routes!(list_invites, make_invite, revoke_invite, preview, join_by_invite, rooms, join)
}

/// Parses the place of an invite in a list.
fn parse_place(text: &str) -> Result<InviteCode, ValidationError> {
    text.parse().map_err(|_| ValidationError::new("format", "should be the `next` of another page"))
}

#[derive(Deserialize, ToSchema)]
struct InviteRequest {
    /// For how many seconds it is valid. By default until it is revoked.
    #[schema(minimum = 1, maximum = 31_536_000, examples(86400))]
    expires_in: Option<i64>,
    /// How many users may join with it. By default any number.
    #[schema(minimum = 1, examples(10))]
    max_uses: Option<i64>,
    /// Whether an admin has to accept each user.
    #[serde(default)]
    approve: bool,
}

/// Makes an invite: a code with which users join.
///
/// A chat can have 50 valid invites.
#[utoipa::path(
    post, path = "/chats/{id}/invites", tag = "groups", operation_id = "make_invite", security(("bearer" = [])),
    params(("id" = ChatId, Path)),
    request_body = InviteRequest,
    responses(
        (status = 201, description = "The invite.", body = InviteItem),
        NoSuchChat, RoleTooLow, DirectChat, LimitReached,
    ),
)]
async fn make_invite(
    groups: Data<Groups>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    Body(body): Body<InviteRequest>,
) -> Result<HttpResponse, ApiError> {
    let mut invalid = ValidationErrors::default();
    if body.expires_in.is_some_and(|seconds| !(1..=MAX_EXPIRES_IN).contains(&seconds)) {
        invalid.push("expires_in", ValidationError::new("range", "should be 1 to 31536000"));
    }
    let max_uses = body.max_uses.map(|max| invalid.check("max_uses", parse_uses(max)));
    if !invalid.is_empty() {
        return Err(invalid.into());
    }
    let invite = NewInvite { expires_in: body.expires_in, max_uses: max_uses.flatten(), approve: body.approve };
    let caller = Caller { user, chat: *chat, request_id: SendId::new() };
    Ok(HttpResponse::Created().json(groups.make_invite(caller, invite).await?))
}

fn parse_uses(uses: i64) -> Result<i32, ValidationError> {
    let uses = i32::try_from(uses).ok().filter(|uses| *uses > 0);
    uses.ok_or_else(|| ValidationError::new("range", "should be 1 to 2147483647"))
}

/// Returns the invites that were not revoked.
#[utoipa::path(
    get, path = "/chats/{id}/invites", tag = "groups", operation_id = "list_invites", security(("bearer" = [])),
    params(("id" = ChatId, Path), PageQuery),
    responses((status = 200, description = "A page of invites.", body = Invites), NoSuchChat, RoleTooLow, DirectChat),
)]
async fn list_invites(
    groups: Data<Groups>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    query: Query<PageQuery>,
) -> Result<Json<Invites>, ApiError> {
    let (after, limit) = query.parse(parse_place)?;
    Ok(Json(groups.invites(user, *chat, after, limit).await?))
}

/// The id and the code in the path of an invite.
#[derive(Deserialize)]
struct InvitePath {
    id: ChatId,
    code: String,
}

/// Revokes an invite.
#[utoipa::path(
    delete, path = "/chats/{id}/invites/{code}", tag = "groups", operation_id = "revoke_invite",
    security(("bearer" = [])),
    params(("id" = ChatId, Path), ("code" = String, Path), RequestIdQuery),
    responses(
        (status = 204, description = "It is revoked."),
        NoSuchChat, NoSuchInvite, RoleTooLow, DirectChat, OtherContent,
    ),
)]
async fn revoke_invite(
    groups: Data<Groups>,
    Authenticated(user): Authenticated,
    path: Path<InvitePath>,
    query: Query<RequestIdQuery>,
) -> Result<HttpResponse, ApiError> {
    let InvitePath { id: chat, code } = path.into_inner();
    let request_id = query.parse()?;
    groups.revoke_invite(Caller { user, chat, request_id }, code.parse()?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Returns what an invite shows before joining.
///
/// An invite that is unknown, expired, revoked or used up, and one of a chat from which the caller is banned, get the same answer.
#[utoipa::path(
    get, path = "/invites/{code}", tag = "groups", operation_id = "preview_invite", security(("bearer" = [])),
    params(("code" = String, Path)),
    responses((status = 200, description = "The chat of the invite.", body = InvitePreview), NoSuchInvite),
)]
async fn preview(
    groups: Data<Groups>,
    Authenticated(user): Authenticated,
    code: Path<String>,
) -> Result<Json<InvitePreview>, ApiError> {
    Ok(Json(groups.preview(user, code.parse()?).await?))
}

/// A request to join that waits for an admin.
#[derive(Serialize, ToSchema)]
struct Pending {
    /// Always `true`.
    pending: bool,
}

/// Joins with an invite, or asks to.
#[utoipa::path(
    post, path = "/invites/{code}", tag = "groups", operation_id = "join_by_invite", security(("bearer" = [])),
    params(("code" = String, Path), RequestIdQuery),
    responses(
        (status = 200, description = "The chat. The caller is a member.", body = ChatItem),
        (status = 202, description = "An admin has to accept the caller.", body = Pending),
        NoSuchInvite, LimitReached, OtherContent, GroupsDisabled,
    ),
)]
async fn join_by_invite(
    groups: Data<Groups>,
    chats: Data<Chats>,
    Authenticated(user): Authenticated,
    code: Path<String>,
    query: Query<RequestIdQuery>,
) -> Result<HttpResponse, ApiError> {
    let request_id = query.parse()?;
    Ok(match groups.join_by_invite(user, code.parse()?, request_id).await? {
        Some(chat) => HttpResponse::Ok().json(chats.get(user, chat).await?),
        None => HttpResponse::Accepted().json(Pending { pending: true }),
    })
}

#[derive(Deserialize, IntoParams)]
struct RoomsQuery {
    /// A part of the handle, title or description, in any case. One or two characters are the beginning of a handle.
    #[param(value_type = String, required = false, max_length = 64)]
    q: Option<String>,
    /// The `next` of another page.
    after: Option<String>,
    /// Maximum number of chats to return.
    #[param(value_type = GroupPageLimit, inline, required = false)]
    limit: Option<String>,
}

/// Returns public groups and channels.
#[utoipa::path(
    get, path = "/rooms", tag = "groups", operation_id = "list_rooms", security(("bearer" = [])),
    params(RoomsQuery),
    responses((status = 200, description = "A page of public chats.", body = Rooms)),
)]
async fn rooms(groups: Data<Groups>, _: Authenticated, query: Query<RoomsQuery>) -> Result<Json<Rooms>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let text = invalid.check("q", parse_query(query.q.as_deref().unwrap_or_default()));
    let after = query.after.as_deref().map(|after| invalid.check("after", after.parse()));
    let limit = invalid.check("limit", GroupPageLimit::parse(query.limit.as_deref()));
    let (Some(text), Some(limit), true) = (text, limit, invalid.is_empty()) else { return Err(invalid.into()) };
    Ok(Json(groups.rooms(text, after.flatten(), limit).await?))
}

fn parse_query(text: &str) -> Result<&str, ValidationError> {
    if text.contains('\0') || text.chars().count() > MAX_QUERY {
        return Err(ValidationError::new("length", "should have at most 64 characters, none of them U+0000"));
    }
    Ok(text)
}

/// Joins a public group or channel.
#[utoipa::path(
    post, path = "/chats/{id}/join", tag = "groups", operation_id = "join_chat", security(("bearer" = [])),
    params(("id" = ChatId, Path), RequestIdQuery),
    responses(
        (status = 200, description = "The chat. The caller is a member.", body = ChatItem),
        NoSuchChat, Banned, DirectChat, LimitReached, OtherContent, GroupsDisabled,
    ),
)]
async fn join(
    groups: Data<Groups>,
    chats: Data<Chats>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    query: Query<RequestIdQuery>,
) -> Result<Json<ChatItem>, ApiError> {
    groups.join_public(Caller { user, chat: *chat, request_id: query.parse()? }).await?;
    Ok(Json(chats.get(user, *chat).await?))
}
