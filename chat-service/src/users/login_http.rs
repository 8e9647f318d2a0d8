//! `/auth/login` and `/auth/password`.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use neonchat_common::{
    error::ApiError,
    http::address::ClientAddress,
    security::{self, SecurityEvent},
    security_event,
};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    error::UserError,
    password::Password,
    service::{Login, Users},
    username::Username,
};
use crate::{
    http::{
        extract::Body,
        problems::problems,
        routes::{Routes, routes},
    },
    sessions::{
        cookie,
        error::SessionError,
        extract::Session,
        http::{GrantAnswer, answer},
        model::{Device, parse_device_name},
    },
    validation::ValidationErrors,
};

problems! {
    WrongCredentials: UserError::InvalidCredentials;
    CrossSite: SessionError::CrossSite;
}

pub(super) fn routes() -> Routes {
    routes!(log_in, change_password)
}

#[derive(Deserialize, ToSchema)]
struct LoginRequest {
    /// The username, in any case. White space around it is ignored.
    #[schema(min_length = 3, max_length = 50, pattern = r"^[\p{L}\p{M}\p{N}_.-]+$", examples("alice"))]
    username: String,
    /// The password.
    #[schema(value_type = String, format = Password, min_length = 6, max_length = 72, examples("securepass123"))]
    password: SecretString,
    /// A name for the list of sessions, at least one of its characters visible.
    #[schema(min_length = 1, max_length = 64, examples("Alice's phone"))]
    device_name: Option<String>,
    /// For browsers: whether the refresh token is set as a cookie that no script can read, and is left out of the answer. The request has
    /// to come from a page of this site: see `POST /api/v1/auth/refresh`.
    #[serde(default)]
    cookie: bool,
}

/// Starts a session for a username and a password.
///
/// An unknown username and a wrong password get the same answer. A client that needs no session longer than its token ignores the refresh
/// token. A user has up to 100 sessions (`SESSIONS_PER_USER`); a further login ends the one that was used least recently.
#[utoipa::path(
    post, path = "/auth/login", tag = "auth", operation_id = "log_in",
    request_body = LoginRequest,
    responses(
        (status = 200, description = "The tokens and their user.", body = GrantAnswer), WrongCredentials, CrossSite,
    ),
)]
async fn log_in(
    users: Data<Users>,
    request: HttpRequest,
    from: ClientAddress,
    Body(body): Body<LoginRequest>,
) -> Result<HttpResponse, ApiError> {
    let LoginRequest { username: name, password, device_name, cookie } = body;
    if cookie {
        cookie::check_origin(&request, from)?;
    }
    let mut invalid = ValidationErrors::default();
    let device_name = invalid.check("device_name", device_name.map(parse_device_name).transpose()).ok_or(invalid)?;
    // An invalid name or password gets the same answer as a wrong one.
    let (username, password) = (Username::parse_existing(&name), Password::parse(password).ok());
    let device = Device::of(&request, from);
    let login = users.log_in(Login { username, password, device_name, device, from }).await;
    let grant = login.inspect_err(|error| report_refusal(error, &name, from))?;
    Ok(answer(&request, grant, cookie))
}

#[derive(Deserialize, ToSchema)]
struct PasswordRequest {
    /// The present password.
    #[schema(value_type = String, format = Password, min_length = 6, max_length = 72, examples("securepass123"))]
    old: SecretString,
    /// The new one, by the same rules as at the registration.
    #[schema(value_type = String, format = Password, min_length = 6, max_length = 72, examples("anothersecret456"))]
    new: SecretString,
}

/// Changes the password of the caller.
///
/// All other sessions of the user end, and all tokens that belong to no session are revoked. The session of the request goes on. A wrong
/// `old` is invalid with the code `wrong`, and counts as a failed login.
#[utoipa::path(
    put, path = "/auth/password", tag = "auth", operation_id = "change_password", security(("bearer" = [])),
    request_body = PasswordRequest,
    responses((status = 204, description = "The password is changed.")),
)]
async fn change_password(
    users: Data<Users>,
    Session(claims): Session,
    from: ClientAddress,
    Body(body): Body<PasswordRequest>,
) -> Result<HttpResponse, ApiError> {
    let changed = users.change_password(&claims, Password::parse(body.old).ok(), body.new, from).await;
    changed.inspect_err(|error| report_refusal(error, &claims.username, from))?;
    Ok(HttpResponse::NoContent().finish())
}

fn report_refusal(error: &UserError, name: &str, from: ClientAddress) {
    let event = match error {
        UserError::InvalidCredentials | UserError::WrongPassword => SecurityEvent::LoginFailed,
        UserError::TooManyFailures(_) => SecurityEvent::LoginLimited,
        UserError::NotFound
        | UserError::CallerNotFound
        | UserError::UsernameTaken
        | UserError::InvalidPassword(_)
        | UserError::Session(_)
        | UserError::Busy
        | UserError::PresenceUnavailable(_)
        | UserError::Internal(_)
        | UserError::Db(_) => return,
    };
    security_event!(event, user.name = security::excerpt(name), client.address = %from);
}
