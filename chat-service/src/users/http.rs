//! `/auth` and `/users`.

use actix_web::{
    HttpResponse,
    web::{self, Data, Json, Path, Query, ServiceConfig},
};
use neonchat_common::{error::ApiError, ids::UserId};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{
    model::{FoundUsers, MAX_STATUSES, NamePrefix, SearchLimit, Statuses, UserProfile, Username},
    password::Password,
    service::{Login, Users},
};
use crate::{
    http::{Authenticated, Body},
    limits::address::ClientAddress,
    validation::{Invalid, Offset, Violation, parse_id},
};

/// The paths.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(web::resource("/auth/register").route(web::post().to(register)))
        .service(web::resource("/auth/login").route(web::post().to(log_in)))
        .service(web::resource("/users").route(web::get().to(search)))
        .service(web::resource("/users/status").route(web::get().to(statuses)))
        .service(web::resource("/users/me").route(web::get().to(myself)))
        .service(web::resource("/users/{id}").route(web::get().to(get)));
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: SecretString,
}

async fn register(users: Data<Users>, Body(body): Body<Credentials>) -> Result<HttpResponse, ApiError> {
    let mut invalid = Invalid::default();
    let username = invalid.check("username", Username::parse(&body.username));
    let password = invalid.check("password", Password::parse(body.password, username.as_ref()));
    let (Some(username), Some(password)) = (username, password) else { return Err(invalid.into()) };
    let user = users.register(username, password).await?;
    Ok(HttpResponse::Created().json(user))
}

#[derive(Serialize)]
struct LoginAnswer {
    token: String,
    expires_in: u64,
    user: LoggedIn,
}

#[derive(Serialize)]
struct LoggedIn {
    id: UserId,
    username: String,
}

async fn log_in(
    users: Data<Users>,
    from: ClientAddress,
    Body(body): Body<Credentials>,
) -> Result<Json<LoginAnswer>, ApiError> {
    // What cannot be a name is nobody's, and is answered like any other wrong one.
    let username = Username::parse(&body.username).ok();
    let Login { user, token, expires_in } = users.log_in(username, body.password, from).await?;
    let user = LoggedIn { id: user.id, username: user.username };
    Ok(Json(LoginAnswer { token, expires_in, user }))
}

async fn myself(users: Data<Users>, Authenticated(user): Authenticated) -> Result<Json<UserProfile>, ApiError> {
    Ok(Json(users.myself(user).await?))
}

async fn get(users: Data<Users>, _: Authenticated, id: Path<UserId>) -> Result<Json<UserProfile>, ApiError> {
    Ok(Json(users.get(*id).await?))
}

#[derive(Deserialize)]
struct SearchQuery {
    q: Option<String>,
    limit: Option<String>,
    offset: Option<String>,
}

async fn search(users: Data<Users>, _: Authenticated, query: Query<SearchQuery>) -> Result<Json<FoundUsers>, ApiError> {
    let mut invalid = Invalid::default();
    let prefix = invalid.check("q", NamePrefix::parse(query.q.as_deref()));
    let limit = invalid.check("limit", SearchLimit::parse(query.limit.as_deref()));
    let offset = invalid.check("offset", Offset::parse(query.offset.as_deref()));
    let (Some(prefix), Some(limit), Some(offset)) = (prefix, limit, offset) else { return Err(invalid.into()) };
    Ok(Json(users.search(&prefix, limit, offset).await?))
}

#[derive(Deserialize)]
struct StatusQuery {
    ids: Option<String>,
}

async fn statuses(
    users: Data<Users>,
    Authenticated(user): Authenticated,
    query: Query<StatusQuery>,
) -> Result<Json<Statuses>, ApiError> {
    let mut invalid = Invalid::default();
    let ids = invalid.check("ids", parse_ids(query.ids.as_deref())).ok_or(invalid)?;
    Ok(Json(users.statuses(user, &ids).await?))
}

fn parse_ids(list: Option<&str>) -> Result<Vec<UserId>, Violation> {
    let list = list.ok_or_else(|| Violation::new("required", "is missing"))?;
    let ids: Vec<_> = list.split(',').map(parse_id).collect::<Result<_, _>>()?;
    if ids.len() > MAX_STATUSES {
        return Err(Violation::new("length", format!("should have at most {MAX_STATUSES} ids")));
    }
    Ok(ids)
}
