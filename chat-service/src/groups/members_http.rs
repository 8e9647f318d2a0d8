//! `/chats/{id}/members` and `/chats/{id}/owner`.

use actix_web::web::{Data, Json, Path, Query};
use neonchat_common::{
    chat::Role,
    error::ApiError,
    http::address::ClientAddress,
    ids::{ChatId, SendId, Seq, UserId},
};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    error::{GroupError, Quantity},
    http::{RequestIdQuery, UserPath, parse_request_id, parse_users, present},
    model::{
        Added, Addition, Ban, Caller, ChangeResult, GroupPageLimit, InviteLink, MemberFilter, MemberPatch, Members,
        NotAdded, Removal,
    },
    service::Groups,
    settings::parse_choice,
};
use crate::{
    http::{
        extract::Body,
        problems::problems,
        routes::{Routes, routes},
    },
    sessions::extract::Authenticated,
    users::{password::Password, service::Users, username::NamePrefix},
    validation::{ValidationError, ValidationErrors, parse_id, parse_time},
};

problems! {
    NoSuchChat: GroupError::NoSuchChat;
    NoSuchMember: GroupError::NoSuchMember;
    RoleTooLow: GroupError::Role;
    Restricted: GroupError::Restricted;
    DirectChat: GroupError::DirectChat;
    LastOwner: GroupError::LastOwner;
    NotAdmin: GroupError::NotAdmin;
    LimitReached: GroupError::LimitReached(Quantity::Members, 10_000);
    OtherContent: GroupError::IdempotencyMismatch;
    GroupsDisabled: GroupError::EventsDisabled;
}

pub(super) fn routes() -> Routes {
    // `members/me` and `members/remove` are matched before `members/{user_id}`.
    routes!(list, add, leave, remove, change, transfer)
}

#[derive(Deserialize, IntoParams)]
struct ListQuery {
    /// Return only members with this role.
    #[param(value_type = Role, required = false)]
    role: Option<String>,
    /// The start of the username, in any case.
    #[param(value_type = String, required = false, min_length = 1, max_length = 50, pattern = r"^[^\u0000]*$", example = "ali")]
    q: Option<String>,
    /// The `next` of another page.
    after: Option<String>,
    /// Maximum number of members to return.
    #[param(value_type = GroupPageLimit, inline, required = false)]
    limit: Option<String>,
}

/// Returns the members: the owner and the admins first.
///
/// In a channel only admins see them.
#[utoipa::path(
    get, path = "/chats/{id}/members", tag = "groups", operation_id = "list_members", security(("bearer" = [])),
    params(("id" = ChatId, Path), ListQuery),
    responses((status = 200, description = "A page of members.", body = Members), NoSuchChat, RoleTooLow, DirectChat),
)]
async fn list(
    groups: Data<Groups>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    query: Query<ListQuery>,
) -> Result<Json<Members>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let after = query.after.as_deref().map(|text| invalid.check("after", text.parse()));
    let limit = invalid.check("limit", GroupPageLimit::parse(query.limit.as_deref()));
    let role = query.role.as_deref().map(|role| invalid.check("role", parse_choice(role.into())));
    let name = query.q.as_deref().map(|text| invalid.check("q", NamePrefix::parse(Some(text))));
    let (Some(limit), true) = (limit, invalid.is_empty()) else { return Err(invalid.into()) };
    let filter = MemberFilter { role: role.flatten(), name: name.flatten(), after: after.flatten(), limit };
    Ok(Json(groups.members(user, *chat, filter).await?))
}

#[derive(Deserialize, ToSchema)]
struct AddRequest {
    /// The ids of 1 to 100 users.
    #[schema(value_type = Vec<UserId>, min_items = 1, max_items = 100)]
    user_ids: Vec<String>,
    /// An idempotency key that the client chooses.
    #[schema(value_type = Option<SendId>)]
    request_id: Option<String>,
}

/// The users who were added, and those who were not. Who was a member already is in neither list.
#[derive(Serialize, ToSchema)]
struct AddAnswer {
    /// The ids of the new members.
    added: Vec<UserId>,
    /// The users who were not added.
    not_added: Vec<NotAdded>,
    /// An invite that the caller can send to those who were not added. Absent if all were added, or if the chat cannot have another
    /// invite.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    invite: Option<InviteLink>,
    /// The `seq` of the event; `null` if nobody was added, or in a large chat.
    #[schema(value_type = Option<i64>, required, minimum = 1, examples(46))]
    seq: Option<Seq>,
    /// Whether an earlier request with this `request_id` added them. `not_added` is then empty.
    duplicate: bool,
}

/// Adds users to a group or channel.
#[utoipa::path(
    post, path = "/chats/{id}/members", tag = "groups", operation_id = "add_members", security(("bearer" = [])),
    params(("id" = ChatId, Path)),
    request_body = AddRequest,
    responses(
        (status = 200, description = "Who was added.", body = AddAnswer),
        NoSuchChat, RoleTooLow, Restricted, DirectChat, LimitReached, OtherContent, GroupsDisabled,
    ),
)]
async fn add(
    groups: Data<Groups>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    Body(body): Body<AddRequest>,
) -> Result<Json<AddAnswer>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let users = invalid.check("user_ids", parse_users(&body.user_ids));
    let request_id = invalid.check("request_id", parse_request_id(body.request_id.as_deref()));
    let (Some(users), Some(request_id)) = (users, request_id) else { return Err(invalid.into()) };
    let addition = groups.add(Caller { user, chat: *chat, request_id }, users).await?;
    let Addition { users: Added { added, not_added, seq }, invite, is_duplicate: duplicate } = addition;
    Ok(Json(AddAnswer { added, not_added, invite, seq, duplicate }))
}

/// Leaves a group or channel.
///
/// The owner can leave only when alone; the chat is then closed.
#[utoipa::path(
    delete, path = "/chats/{id}/members/me", tag = "groups", operation_id = "leave_chat", security(("bearer" = [])),
    params(("id" = ChatId, Path), RequestIdQuery),
    responses(
        (status = 200, description = "The event.", body = ChangeResult),
        NoSuchChat, DirectChat, LastOwner, OtherContent, GroupsDisabled,
    ),
)]
async fn leave(
    groups: Data<Groups>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    query: Query<RequestIdQuery>,
) -> Result<Json<ChangeResult>, ApiError> {
    let request_id = query.parse()?;
    Ok(Json(groups.leave(Caller { user, chat: *chat, request_id }).await?))
}

#[derive(Deserialize, ToSchema)]
struct RemoveRequest {
    /// The ids of 1 to 100 users. Those who are no members are skipped.
    #[schema(value_type = Vec<UserId>, min_items = 1, max_items = 100)]
    user_ids: Vec<String>,
    /// Whether the users are also kept out from now on.
    #[serde(default)]
    ban: bool,
    /// Whether their messages are deleted too: the last 1,000 of each among the last 100,000 events that the caller sees. It needs the right
    /// `delete`. It happens after the answer, in events of up to 100 messages, as long as the caller has the right.
    #[serde(default)]
    delete_messages: bool,
    /// An idempotency key that the client chooses.
    #[schema(value_type = Option<SendId>)]
    request_id: Option<String>,
}

/// Removes members from a group or channel, by one event.
///
/// It needs a higher role than theirs. If one of them has the same role or a higher one, nobody is removed.
#[utoipa::path(
    post, path = "/chats/{id}/members/remove", tag = "groups", operation_id = "remove_members",
    security(("bearer" = [])),
    params(("id" = ChatId, Path)),
    request_body = RemoveRequest,
    responses(
        (status = 200, description = "The event.", body = ChangeResult),
        NoSuchChat, RoleTooLow, DirectChat, OtherContent, GroupsDisabled,
    ),
)]
async fn remove(
    groups: Data<Groups>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    Body(body): Body<RemoveRequest>,
) -> Result<Json<ChangeResult>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let users = invalid.check("user_ids", parse_users(&body.user_ids));
    let request_id = invalid.check("request_id", parse_request_id(body.request_id.as_deref()));
    let (Some(users), Some(request_id), true) = (users, request_id, invalid.is_empty()) else {
        return Err(invalid.into());
    };
    let removal = Removal { users, ban: body.ban.then(Ban::default), deletes_messages: body.delete_messages };
    Ok(Json(groups.remove(Caller { user, chat: *chat, request_id }, removal).await?))
}

#[derive(Deserialize, ToSchema)]
struct MemberRequest {
    /// The new role: `member` or `admin`. Only the owner changes roles.
    #[schema(value_type = Option<Role>)]
    role: Option<String>,
    /// Until then the member may only read; `null` ends a restriction.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    #[expect(clippy::option_option, reason = "absent, null, or a value")]
    restricted_until: Option<Option<String>>,
    /// An idempotency key that the client chooses.
    #[schema(value_type = Option<SendId>)]
    request_id: Option<String>,
}

/// Changes the role of a member, or restricts the member.
#[utoipa::path(
    patch, path = "/chats/{id}/members/{user_id}", tag = "groups", operation_id = "change_member",
    security(("bearer" = [])),
    params(("id" = ChatId, Path), ("user_id" = UserId, Path)),
    request_body = MemberRequest,
    responses(
        (status = 200, description = "The event.", body = ChangeResult),
        NoSuchChat, NoSuchMember, RoleTooLow, DirectChat, LimitReached, OtherContent, GroupsDisabled,
    ),
)]
async fn change(
    groups: Data<Groups>,
    Authenticated(user): Authenticated,
    path: Path<UserPath>,
    Body(body): Body<MemberRequest>,
) -> Result<Json<ChangeResult>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let role = body.role.map(|role| invalid.check("role", parse_role(role)));
    let until = |text: String| invalid.check("restricted_until", parse_time(&text));
    let restricted_until = body.restricted_until.map(|text| text.map(until));
    if role.is_none() && restricted_until.is_none() {
        invalid.push("role", ValidationError::new("required", "is missing; or give `restricted_until`"));
    }
    let request_id = invalid.check("request_id", parse_request_id(body.request_id.as_deref()));
    let (Some(request_id), true) = (request_id, invalid.is_empty()) else { return Err(invalid.into()) };
    let changes = MemberPatch { role: role.flatten(), restricted_until: restricted_until.map(Option::flatten) };
    Ok(Json(groups.change_member(Caller { user, chat: path.id, request_id }, path.user_id, changes).await?))
}

fn parse_role(role: String) -> Result<Role, ValidationError> {
    parse_choice(role.into()).and_then(|role| match role {
        Role::Member | Role::Admin => Ok(role),
        Role::Owner => {
            Err(ValidationError::new("value", "should be member or admin; `PUT …/owner` gives the chat away"))
        }
    })
}

#[derive(Deserialize, ToSchema)]
struct TransferRequest {
    /// The id of the new owner: an admin of the chat.
    #[schema(value_type = UserId)]
    user_id: String,
    /// The password of the caller.
    #[schema(value_type = String, format = Password, write_only, examples("securepass123"))]
    password: SecretString,
    /// An idempotency key that the client chooses.
    #[schema(value_type = Option<SendId>)]
    request_id: Option<String>,
}

/// Gives a group or channel to another owner.
///
/// The former owner becomes an admin. A wrong password counts as a failed login.
#[utoipa::path(
    put, path = "/chats/{id}/owner", tag = "groups", operation_id = "transfer_chat", security(("bearer" = [])),
    params(("id" = ChatId, Path)),
    request_body = TransferRequest,
    responses(
        (status = 200, description = "The event.", body = ChangeResult),
        NoSuchChat, NoSuchMember, RoleTooLow, DirectChat, NotAdmin, OtherContent, GroupsDisabled,
    ),
)]
async fn transfer(
    groups: Data<Groups>,
    users: Data<Users>,
    Authenticated(user): Authenticated,
    from: ClientAddress,
    chat: Path<ChatId>,
    Body(body): Body<TransferRequest>,
) -> Result<Json<ChangeResult>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let to = invalid.check("user_id", parse_id(&body.user_id));
    let request_id = invalid.check("request_id", parse_request_id(body.request_id.as_deref()));
    let (Some(to), Some(request_id)) = (to, request_id) else { return Err(invalid.into()) };
    let caller = Caller { user, chat: *chat, request_id };
    groups.check_transfer(caller, to).await?;
    if !users.is_password(user, Password::parse(body.password).ok(), from).await? {
        return Err(GroupError::WrongPassword.into());
    }
    Ok(Json(groups.transfer(caller, to).await?))
}
