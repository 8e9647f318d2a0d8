//! Extractors for handlers: the session of a request, and its user.

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header::AUTHORIZATION, web::Data};
use futures_util::future::LocalBoxFuture;
use neonchat_common::{
    error::ApiError,
    http::address::ClientAddress,
    ids::UserId,
    security::SecurityEvent,
    security_event,
    token::{self, Claims, TokenError, TokenRef},
};

use super::{error::SessionError, service::Sessions};

/// The session of a request: its token is valid and not revoked, and its user exists. Requests without one do not reach a
/// handler that takes it.
#[derive(Clone, Debug)]
pub(crate) struct Session(pub Claims);

impl Session {
    async fn check(sessions: &Sessions, claims: Result<Claims, TokenError>) -> Result<Self, SessionError> {
        let claims = claims?;
        sessions.check(claims.user_id, TokenRef::from(&claims)).await?;
        Ok(Self(claims))
    }
}

impl FromRequest for Session {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let parts = sessions(request).and_then(|sessions| {
            Ok((sessions.clone(), claims(request, sessions), ClientAddress::of_request(request)?))
        });
        Box::pin(async {
            let (sessions, claims, from) = parts?;
            let session = Self::check(&sessions, claims).await;
            Ok(session.inspect_err(|error| report_refusal(error, from))?)
        })
    }
}

/// The user of a [`Session`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authenticated(pub UserId);

impl FromRequest for Authenticated {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let session = Session::from_request(request, payload);
        Box::pin(async { session.await.map(|Session(claims)| Self(claims.user_id)) })
    }
}

/// Returns the claims of a request's token if it is valid and not expired. Does not check whether it was revoked.
pub(crate) fn claims(request: &HttpRequest, sessions: &Sessions) -> Result<Claims, TokenError> {
    let header = request.headers().get(AUTHORIZATION).ok_or(TokenError::Missing)?;
    let token = header.to_str().map_err(|_| TokenError::Invalid).and_then(token::bearer)?;
    sessions.verify(token)
}

fn report_refusal(error: &SessionError, from: ClientAddress) {
    let event = match error {
        SessionError::Token(TokenError::Invalid) => SecurityEvent::TokenRejected,
        SessionError::Revoked | SessionError::CallerNotFound => SecurityEvent::TokenRevoked,
        SessionError::Token(TokenError::Missing | TokenError::Expired)
        | SessionError::NoRefreshToken
        | SessionError::ForgedRefreshToken
        | SessionError::Ended
        | SessionError::Reused
        | SessionError::CrossSite
        | SessionError::NotFound
        | SessionError::TooMany(_)
        | SessionError::Task(_)
        | SessionError::Internal(_)
        | SessionError::Shared(_)
        | SessionError::Db(_) => return,
    };
    security_event!(event, client.address = %from);
}

fn sessions(request: &HttpRequest) -> Result<&Sessions, ApiError> {
    let sessions = request.app_data::<Data<Sessions>>();
    sessions.map(Data::get_ref).ok_or_else(|| ApiError::internal("no sessions in the app's data"))
}
