//! The limits on all calls of the API: by user, by address without a valid token, and always by address where passwords
//! are made and checked.

use std::time::Duration;

use actix_web::{
    Error, HttpRequest,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{HeaderName, RETRY_AFTER},
    },
    middleware::Next,
    web::Data,
};
use neonchat_common::{error::ApiError, http::address::ClientAddress, token::Claims};

use super::extract::claims;
use crate::{
    limits::limiter::{Decision, Limiter, Quota, Rule, rate_limited, whole_seconds},
    sessions::service::Sessions,
};

const MINUTE: Duration = Duration::from_mins(1);

/// Of draft-ietf-httpapi-ratelimit-headers: in a window, left in it, and seconds until there is more.
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Where the paths begin that make and check passwords.
const AUTH: &str = "/api/v1/auth/";

/// The limits on requests.
#[derive(Clone)]
pub(crate) struct RequestLimit {
    limiter: Limiter,
    /// Of one user, and of one address without a valid token.
    general: Option<Rule>,
    /// Of one address, on the paths of [`AUTH`].
    auth: Option<Rule>,
}

/// Whose requests are counted together.
enum Client {
    User(Claims),
    Address(ClientAddress),
    /// An address on the paths of [`AUTH`], where a token makes no difference.
    Auth(ClientAddress),
}

impl RequestLimit {
    /// With these numbers a minute. 0 is no limit; `per_minute` 0 switches both off.
    #[must_use]
    pub(crate) fn new(limiter: Limiter, per_minute: u32, auth_per_minute: u32) -> Self {
        let rule = |limit| (per_minute > 0 && limit > 0).then_some(Rule { limit, window: MINUTE });
        Self { limiter, general: rule(per_minute), auth: rule(auth_per_minute) }
    }

    async fn acquire(&self, client: &Client) -> Decision {
        let (label, rule) = match client {
            Client::User(_) => ("user", self.general),
            Client::Address(_) => ("address", self.general),
            Client::Auth(_) => ("auth", self.auth),
        };
        let Some(rule) = rule else { return Decision::Uncounted };
        let decision = self.limiter.acquire(&client.key(), rule).await;
        if matches!(decision, Decision::Refused(_)) {
            metrics::counter!("rate_limited_total", "limit" => label).increment(1);
        }
        decision
    }
}

impl Client {
    fn of(request: &HttpRequest, sessions: &Sessions) -> Result<Self, ApiError> {
        // Not the path as it was sent: `%61uth` is `auth`.
        if request.match_info().as_str().starts_with(AUTH) {
            return ClientAddress::of_request(request).map(Self::Auth);
        }
        // A token that is not valid counts as none: an address cannot make tokens up to get more requests, nor use up the
        // requests of a user by a token that was revoked.
        match claims(request, sessions) {
            Ok(claims) if !sessions.is_known_refused(claims.jti) => Ok(Self::User(claims)),
            _ => ClientAddress::of_request(request).map(Self::Address),
        }
    }

    fn key(&self) -> String {
        match self {
            Self::User(claims) => format!("limit:user:{}", claims.user_id),
            Self::Address(address) => format!("limit:address:{address}"),
            Self::Auth(address) => format!("limit:auth:{address}"),
        }
    }
}

/// Middleware, of the API alone: lets a request through, or answers that it came too soon.
///
/// # Errors
/// Those of what is inside.
pub(crate) async fn limit_requests(
    limit: Data<RequestLimit>,
    sessions: Data<Sessions>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let client = match Client::of(request.request(), &sessions) {
        Ok(client) => client,
        Err(error) => return Ok(request.error_response(error)),
    };
    let mut decision = limit.acquire(&client).await;
    if let Decision::Refused(quota) = decision {
        let mut response = request.error_response(rate_limited(quota.reset));
        set_quota_headers(quota, &mut response);
        return Ok(response);
    }
    let mut response = next.call(request).await?.map_into_boxed_body();
    // The first request with a token that was revoked: it was counted for the user before that was known.
    if let Client::User(claims) = &client
        && sessions.is_known_refused(claims.jti)
    {
        limit.limiter.release(&client.key()).await;
        let address = Client::Address(ClientAddress::of_request(response.request())?);
        decision = limit.acquire(&address).await;
    }
    match decision {
        Decision::Allowed(quota) => set_quota_headers(quota, &mut response),
        Decision::Refused(quota) => {
            response = response.error_response(rate_limited(quota.reset));
            set_quota_headers(quota, &mut response);
        }
        Decision::Uncounted => {}
    }
    Ok(response)
}

fn set_quota_headers(quota: Quota, response: &mut ServiceResponse<BoxBody>) {
    let is_refused = response.status() == StatusCode::TOO_MANY_REQUESTS;
    let headers = response.headers_mut();
    headers.insert(LIMIT, quota.limit.into());
    // A stricter limit may have refused what passed this one: failed logins.
    let stricter = headers.get(RETRY_AFTER).cloned().filter(|_| is_refused);
    let remaining = if is_refused { 0 } else { quota.remaining };
    headers.insert(REMAINING, remaining.into());
    headers.insert(RESET, stricter.unwrap_or_else(|| whole_seconds(quota.reset).into()));
}
