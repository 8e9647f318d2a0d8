//! `/auth` and `/users`.

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path, Query},
};
use neonchat_common::{
    error::ApiError,
    http::address::ClientAddress,
    ids::UserId,
    security::{self, SecurityEvent},
    security_event,
};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    error::UserError,
    model::{FoundUsers, MAX_STATUSES, SearchLimit, Statuses, UserProfile},
    password::Password,
    service::{Login, Users},
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
    WrongCredentials: UserError::InvalidCredentials;
}

pub(crate) fn routes() -> Routes {
    routes!(register, log_in, search, statuses, myself, get)
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

#[derive(Serialize, ToSchema)]
struct LoginAnswer {
    /// A JWT for the header `Authorization: Bearer` and for the WebSocket handshake.
    #[schema(examples("eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoiN2M5ZTY2NzkifQ.m1Xl0PZ3Zk8"))]
    token: String,
    /// Seconds until the token expires.
    #[schema(examples(86400))]
    expires_in: u64,
    user: LoggedIn,
}

/// The user who logged in.
#[derive(Serialize, ToSchema)]
struct LoggedIn {
    id: UserId,
    #[schema(examples("alice"))]
    username: String,
}

/// Issues a token for a username and a password.
///
/// An unknown username and a wrong password get the same answer.
#[utoipa::path(
    post, path = "/auth/login", tag = "auth", operation_id = "log_in",
    request_body = Credentials,
    responses((status = 200, description = "The token and its user.", body = LoginAnswer), WrongCredentials),
)]
async fn log_in(
    users: Data<Users>,
    from: ClientAddress,
    Body(body): Body<Credentials>,
) -> Result<Json<LoginAnswer>, ApiError> {
    // An invalid name or password gets the same answer as a wrong one.
    let username = Username::parse_existing(&body.username);
    let login = users.log_in(username, Password::parse(body.password).ok(), from).await;
    let login = login.inspect_err(|error| report_refusal(error, &body.username, from));
    let Login { user, token, expires_in } = login?;
    let user = LoggedIn { id: user.id, username: user.username };
    Ok(Json(LoginAnswer { token, expires_in, user }))
}

fn report_refusal(error: &UserError, name: &str, from: ClientAddress) {
    let event = match error {
        UserError::InvalidCredentials => SecurityEvent::LoginFailed,
        UserError::TooManyFailures(_) => SecurityEvent::LoginLimited,
        UserError::NotFound
        | UserError::CallerNotFound
        | UserError::UsernameTaken
        | UserError::Busy
        | UserError::PresenceUnavailable(_)
        | UserError::Internal(_)
        | UserError::Db(_) => return,
    };
    security_event!(event, user.name = security::excerpt(name), client.address = %from);
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
