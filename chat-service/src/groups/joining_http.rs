//! `/invites`, `/rooms`, and below `/chats/{id}`: `/invites`, `/join`, `/requests`, `/bans` and `/audit`.

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path, Query},
};
use neonchat_common::{
    error::ApiError,
    ids::{ChatId, SendId, UserId},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    error::{GroupError, Quantity},
    http::{RequestIdQuery, parse_request_id},
    invite_code::InviteCode,
    model::{
        Audit, Ban, Bans, Caller, ChangeResult, GroupPageLimit, InviteItem, InvitePreview, Invites, NewInvite,
        Requests, Rooms,
    },
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
    validation::{ValidationError, ValidationErrors, parse_id, parse_seq},
};

problems! {
    NoSuchChat: GroupError::NoSuchChat;
    NoSuchInvite: GroupError::NoSuchInvite;
    Banned: GroupError::Banned;
    NoSuchRequest: GroupError::NoSuchRequest;
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

/// The longest reason of a ban, in characters.
const MAX_REASON: usize = 256;

pub(super) fn routes() -> Routes {
    let invites = routes!(list_invites, make_invite, revoke_invite, preview, join_by_invite);
    invites.and(routes!(rooms, join, list_requests, answer, list_bans, ban, unban, audit))
}

#[derive(Deserialize, IntoParams)]
struct PageQuery {
    /// The `next` of another page.
    after: Option<String>,
    /// Maximum number of items to return.
    #[param(value_type = GroupPageLimit, inline, required = false)]
    limit: Option<String>,
}

impl PageQuery {
    /// Returns the place after which the page begins, and the limit.
    fn parse<T>(
        &self,
        place: impl FnOnce(&str) -> Result<T, ValidationError>,
    ) -> Result<(Option<T>, GroupPageLimit), ValidationErrors> {
        let mut invalid = ValidationErrors::default();
        let after = self.after.as_deref().map(|after| invalid.check("after", place(after)));
        let limit = invalid.check("limit", GroupPageLimit::parse(self.limit.as_deref()));
        match limit.filter(|_| invalid.is_empty()) {
            Some(limit) => Ok((after.flatten(), limit)),
            None => Err(invalid),
        }
    }
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

/// The ids in the path of a user of a chat.
#[derive(Deserialize)]
struct UserPath {
    id: ChatId,
    user_id: UserId,
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
    Ok(Json(groups.remove(Caller { user, chat: *chat, request_id }, vec![target], Some(ban)).await?))
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
