//! `/auth/refresh` and `/auth/logout`.

use actix_web::{FromRequest as _, HttpRequest, HttpResponse, http::header::AUTHORIZATION, web::Data};
use neonchat_common::{
    error::ApiError,
    http::address::ClientAddress,
    ids::{SessionId, UserId},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    cookie,
    error::SessionError,
    extract::Session,
    list_http,
    model::{Device, Grant},
    service::Sessions,
};
use crate::http::{
    extract::OptionalBody,
    problems::problems,
    routes::{Routes, routes},
};

problems! {
    NotGenuine: SessionError::ForgedRefreshToken;
    Reused: SessionError::Reused;
    CrossSite: SessionError::CrossSite;
}

pub(crate) fn routes() -> Routes {
    routes!(refresh, log_out).and(list_http::routes())
}

/// What a client gets at a login and at each refresh.
#[derive(Serialize, ToSchema)]
pub(crate) struct GrantAnswer {
    /// A JWT for the header `Authorization: Bearer` and for the WebSocket handshake.
    #[schema(examples("eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoiN2M5ZTY2NzkifQ.m1Xl0PZ3Zk8"))]
    token: String,
    /// Seconds until the token expires.
    #[schema(examples(86400))]
    expires_in: u64,
    user: LoggedIn,
    /// The session that began with the login.
    session_id: SessionId,
    /// The token for the next refresh. Absent if it is in the cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("v1.01890a5d-ac96-774b-bcce-b302099a8062.0.UGs2cW5vdC1hLXJlYWwtbWFjLWp1c3QtYW4tZXhhbXBsZQ"))]
    refresh_token: Option<String>,
    /// Seconds until the refresh token expires.
    #[schema(examples(2_592_000))]
    refresh_expires_in: u64,
}

/// The user who logged in.
#[derive(Serialize, ToSchema)]
struct LoggedIn {
    id: UserId,
    #[schema(examples("alice"))]
    username: String,
}

/// Returns the answer with a grant. The refresh token is in the cookie or in the body.
pub(crate) fn answer(request: &HttpRequest, grant: Grant, in_cookie: bool) -> HttpResponse {
    let Grant { user, session, token, expires_in, refresh_token, refresh_expires_in } = grant;
    let body = GrantAnswer {
        token: token.expose_secret().to_owned(),
        expires_in: expires_in.as_secs(),
        user: LoggedIn { id: user.id, username: user.username },
        session_id: session,
        refresh_token: (!in_cookie).then(|| refresh_token.expose_secret().to_owned()),
        refresh_expires_in: refresh_expires_in.as_secs(),
    };
    let mut response = HttpResponse::Ok().json(body);
    if in_cookie {
        cookie::set(request, response.headers_mut(), &refresh_token, refresh_expires_in);
    }
    response
}

#[derive(Default, Deserialize, ToSchema)]
struct RefreshRequest {
    /// The refresh token of the last answer. If it is absent, that of the cookie is used.
    #[schema(value_type = Option<String>)]
    refresh_token: Option<SecretString>,
}

/// Continues a session: issues a token and the next refresh token.
///
/// The refresh token is used up. If the answer is lost, repeat the request: within 60 s the same refresh token gets the same successor. A
/// refresh token that is used later than that, or after its successor was used, may be stolen. The answer is then `session_reused`, and
/// the session ends, and no other.
///
/// With the cookie of a login with `cookie`, the request needs no body, and comes from a page of this site: `Sec-Fetch-Site` is
/// `same-origin`, or in browsers that do not send it, `Origin` is that of the request or in `CORS_ALLOWED_ORIGINS`.
#[utoipa::path(
    post, path = "/auth/refresh", tag = "auth", operation_id = "refresh",
    request_body = Option<RefreshRequest>,
    responses(
        (status = 200, description = "The tokens and their user.", body = GrantAnswer), NotGenuine, Reused, CrossSite,
    ),
)]
async fn refresh(
    sessions: Data<Sessions>,
    request: HttpRequest,
    from: ClientAddress,
    OptionalBody(body): OptionalBody<RefreshRequest>,
) -> Result<HttpResponse, ApiError> {
    let in_cookie = body.refresh_token.is_none();
    let Some(token) = body.refresh_token.or_else(|| cookie::read(&request)) else {
        return Err(sessions.refuse_refresh(from, SessionError::NoRefreshToken).await.into());
    };
    if in_cookie {
        cookie::check_origin(&request, from)?;
    }
    // An error leaves the cookie as it is: another tab may have replaced it meanwhile.
    let grant = sessions.refresh(&token, Device::of(&request, from), from).await?;
    Ok(answer(&request, grant, in_cookie))
}

#[derive(Default, Deserialize, ToSchema)]
struct LogoutRequest {
    /// Whether all sessions of the user end, on all devices.
    #[serde(default)]
    everywhere: bool,
}

/// Logs the caller out.
///
/// The session of the token ends: all its tokens are revoked on all instances, and the sockets that they opened are closed. A token that
/// belongs to no session is revoked alone. The session cookie is deleted.
///
/// A request with the session cookie comes from a page of this site, as for `/auth/refresh`. It needs no token.
#[utoipa::path(
    post, path = "/auth/logout", tag = "auth", operation_id = "log_out", security(("bearer" = [])),
    request_body = Option<LogoutRequest>,
    responses((status = 204, description = "The session has ended."), CrossSite),
)]
async fn log_out(
    sessions: Data<Sessions>,
    request: HttpRequest,
    from: ClientAddress,
    OptionalBody(body): OptionalBody<LogoutRequest>,
) -> Result<HttpResponse, ApiError> {
    let cookie = cookie::read(&request);
    if cookie.is_some() {
        cookie::check_origin(&request, from)?;
    }
    let by_cookie = cookie.as_ref().filter(|_| !request.headers().contains_key(AUTHORIZATION));
    let ended = match by_cookie {
        Some(cookie) if !body.everywhere => {
            sessions.log_out_by_refresh_token(cookie).await?;
            None
        }
        // Everywhere needs a token: a page that only has the cookie gets one by a refresh.
        Some(_) | None => {
            let Session(claims) = Session::extract(&request).await?;
            let session = claims.sid;
            if body.everywhere {
                sessions.log_out_everywhere(claims).await?;
            } else {
                sessions.log_out(claims).await?;
            }
            session
        }
    };
    let mut response = HttpResponse::NoContent().finish();
    // The cookie of another session is that of another login in this browser, which goes on.
    if let Some(cookie) = cookie
        && (body.everywhere || ended.is_none() || sessions.session_of(&cookie).is_none_or(|own| ended == Some(own)))
    {
        cookie::clear(&request, response.headers_mut());
    }
    Ok(response)
}
