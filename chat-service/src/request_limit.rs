//! Rate limits on all API calls: by user, or by address without a valid token. Calls that create or check passwords are
//! always limited by address.

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

use crate::{
    limits::limiter::{Decision, Limiter, Quota, Rule, rate_limited, whole_seconds},
    sessions::{extract::claims, service::Sessions},
};

const MINUTE: Duration = Duration::from_mins(1);

/// The headers of draft-ietf-httpapi-ratelimit-headers: requests per window, requests left, and seconds until the reset.
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// The prefix of the paths that create or check passwords.
const AUTH: &str = "/api/v1/auth/";

/// A path whose handler limits its requests: by the session in the body or cookie.
const REFRESH: &str = "/api/v1/auth/refresh";

/// The rate limits on API calls.
#[derive(Clone)]
pub(crate) struct RequestLimit {
    limiter: Limiter,
    /// For a user, or for an address without a valid token.
    general: Option<Rule>,
    /// For an address, on the paths of [`AUTH`].
    auth: Option<Rule>,
}

/// Whose requests share a limit.
enum Client {
    User(Claims),
    Address(ClientAddress),
    /// An address on the paths of [`AUTH`], where tokens are ignored.
    Auth(ClientAddress),
    /// Anybody on the path [`REFRESH`].
    Refresh,
}

impl RequestLimit {
    /// Allows these numbers of requests per minute. 0 is no limit; a `per_minute` of 0 switches both limits off.
    pub(crate) fn new(limiter: Limiter, per_minute: u32, auth_per_minute: u32) -> Self {
        let rule = |limit| (per_minute > 0 && limit > 0).then_some(Rule { limit, window: MINUTE });
        Self { limiter, general: rule(per_minute), auth: rule(auth_per_minute) }
    }

    async fn acquire(&self, client: &Client) -> Decision {
        let (label, rule) = match client {
            Client::User(_) => ("user", self.general),
            Client::Address(_) => ("address", self.general),
            Client::Auth(_) => ("auth", self.auth),
            Client::Refresh => return Decision::Uncounted,
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
        // The decoded path, since `%61uth` is `auth`.
        let path = request.match_info().as_str();
        if path == REFRESH {
            return Ok(Self::Refresh);
        }
        if path.starts_with(AUTH) {
            return ClientAddress::of_request(request).map(Self::Auth);
        }
        // An invalid token counts as none: nobody can invent tokens to get more requests, or use up the requests of a
        // user with a revoked token.
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
            Self::Refresh => String::new(),
        }
    }
}

/// Middleware of the API that refuses requests above the limit.
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
    // The first request with a revoked token was counted for its user, because the revocation was not known yet. Count
    // it for the address instead.
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
    // The stricter limit on failed logins may have refused a request that passed this one.
    let stricter = headers.get(RETRY_AFTER).cloned().filter(|_| is_refused);
    let remaining = if is_refused { 0 } else { quota.remaining };
    headers.insert(REMAINING, remaining.into());
    headers.insert(RESET, stricter.unwrap_or_else(|| whole_seconds(quota.reset).into()));
}
