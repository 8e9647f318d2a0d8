//! `/auth/register` and `/users`.

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path, Query},
};
use neonchat_common::{error::ApiError, ids::UserId};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    error::UserError,
    login_http,
    model::{FoundUsers, MAX_STATUSES, SearchLimit, Statuses, UserProfile},
    password::Password,
    service::Users,
    username::{NamePrefix, Username},
};
use crate::{
    http::{
        extract::Body,
        problems::problems,
        routes::{Routes, routes},
    },
    sessions::extract::Authenticated,
    validation::{Offset, ValidationError, ValidationErrors, parse_ids},
};

problems! {
    NoSuchUser: UserError::NotFound;
    UsernameTaken: UserError::UsernameTaken;
}

pub(crate) fn routes() -> Routes {
    routes!(register).and(login_http::routes()).and(routes!(search, statuses, myself, get))
}

#[derive(Deserialize, ToSchema)]
struct Credentials {
    /// Letters of one script, digits, `_`, `.` and `-`, with at least one letter or digit. Chinese, Japanese and Korean
    /// names may also contain Latin letters. White space around the name is ignored. Names that differ only in case are
    /// the same name. A name that looks like the name of another user counts as taken.
    #[schema(min_length = 3, max_length = 50, pattern = r"^[\p{L}\p{M}\p{N}_.-]+$", examples("alice"))]
    username: String,
    /// At most 72 bytes of UTF-8 after normalization (RFC 8265, `OpaqueString`). It must not contain control characters, be
    /// the username, or be one of the most common passwords.
    #[schema(value_type = String, format = Password, min_length = 6, max_length = 72, examples("securepass123"))]
    password: SecretString,
}

/// Registers a user.
///
/// If the answer is 503 or is lost, the account may exist already, and a repeated registration is refused as
/// `username_taken`. Log in to find out.
#[utoipa::path(
    post, path = "/auth/register", tag = "auth", operation_id = "register",
    request_body = Credentials,
    responses((status = 201, description = "The new user.", body = UserProfile), UsernameTaken),
)]
async fn register(users: Data<Users>, Body(body): Body<Credentials>) -> Result<HttpResponse, ApiError> {
    let mut invalid = ValidationErrors::default();
    let username = invalid.check("username", Username::parse(&body.username));
    let password = invalid.check("password", Password::choose(body.password, username.as_ref()));
    let (Some(username), Some(password)) = (username, password) else { return Err(invalid.into()) };
    let user = users.register(username, password).await?;
    Ok(HttpResponse::Created().json(user))
}

/// Returns the profile of the caller.
#[utoipa::path(
    get, path = "/users/me", tag = "users", operation_id = "get_myself", security(("bearer" = [])),
    responses((status = 200, description = "The profile.", body = UserProfile)),
)]
async fn myself(users: Data<Users>, Authenticated(user): Authenticated) -> Result<Json<UserProfile>, ApiError> {
    Ok(Json(users.myself(user).await?))
}

/// Returns the profile of a user.
#[utoipa::path(
    get, path = "/users/{id}", tag = "users", operation_id = "get_user", security(("bearer" = [])),
    params(("id" = UserId, Path)),
    responses((status = 200, description = "The profile.", body = UserProfile), NoSuchUser),
)]
async fn get(users: Data<Users>, _: Authenticated, id: Path<UserId>) -> Result<Json<UserProfile>, ApiError> {
    Ok(Json(users.get(*id).await?))
}

#[derive(Deserialize, IntoParams)]
struct SearchQuery {
    /// The start of the username, in any case.
    #[param(value_type = String, min_length = 1, max_length = 50, pattern = r"^[^\u0000]*$", example = "ali")]
    q: Option<String>,
    /// Maximum number of users to return.
    #[param(value_type = SearchLimit, inline, required = false)]
    limit: Option<String>,
    /// Number of users to skip.
    #[param(value_type = Offset, inline, required = false)]
    offset: Option<String>,
}

/// Searches users by the start of their names.
#[utoipa::path(
    get, path = "/users", tag = "users", operation_id = "search_users", security(("bearer" = [])),
    params(SearchQuery),
    responses((status = 200, description = "A page of users, ordered by username.", body = FoundUsers)),
)]
async fn search(users: Data<Users>, _: Authenticated, query: Query<SearchQuery>) -> Result<Json<FoundUsers>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let prefix = invalid.check("q", NamePrefix::parse(query.q.as_deref()));
    let limit = invalid.check("limit", SearchLimit::parse(query.limit.as_deref()));
    let offset = invalid.check("offset", Offset::parse(query.offset.as_deref()));
    let (Some(prefix), Some(limit), Some(offset)) = (prefix, limit, offset) else { return Err(invalid.into()) };
    Ok(Json(users.search(&prefix, limit, offset).await?))
}

#[derive(Deserialize, IntoParams)]
struct StatusQuery {
    /// User ids, separated by commas.
    #[param(value_type = Vec<UserId>, explode = false, min_items = 1, max_items = 100)]
    ids: Option<String>,
}

/// Returns the presence of users who share a direct chat, or a group of at most 20 members, with the caller.
///
/// Other users are left out of the answer.
#[utoipa::path(
    get, path = "/users/status", tag = "users", operation_id = "get_statuses", security(("bearer" = [])),
    params(StatusQuery),
    responses((status = 200, description = "The presence of the users.", body = Statuses)),
)]
async fn statuses(
    users: Data<Users>,
    Authenticated(user): Authenticated,
    query: Query<StatusQuery>,
) -> Result<Json<Statuses>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let list = query.ids.as_deref().ok_or_else(|| ValidationError::new("required", "is missing"));
    let ids = list.and_then(|list| parse_ids(list.split(','), MAX_STATUSES));
    let ids: Vec<UserId> = invalid.check("ids", ids).ok_or(invalid)?;
    Ok(Json(users.statuses(user, &ids).await?))
}
