//! The limit on all calls of the API: by user, and before a login by address.

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
use neonchat_common::error::{ApiError, ErrorCode};

use super::{
    address::ClientAddress,
    limiter::{Limiter, Quota, Rule, Taken},
};
use crate::http::claims;

const MINUTE: Duration = Duration::from_mins(1);

/// Of draft-ietf-httpapi-ratelimit-headers: in a window, left in it, and seconds until there is more.
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// The limit on requests.
#[derive(Clone)]
pub struct RequestLimit {
    limiter: Limiter,
    rule: Option<Rule>,
}

impl RequestLimit {
    /// So many a minute. 0 is no limit.
    #[must_use]
    pub fn new(limiter: Limiter, per_minute: u32) -> Self {
        let rule = (per_minute > 0).then_some(Rule { limit: per_minute, window: MINUTE });
        Self { limiter, rule }
    }

    async fn take(&self, request: &HttpRequest) -> Result<Taken, ApiError> {
        let Some(rule) = self.rule else { return Ok(Taken::Uncounted) };
        // A token that is no good is no token: whoever makes tokens up is limited by address.
        let (kind, key) = match claims(request) {
            Ok(claims) => ("user", format!("limit:user:{}", claims.user_id)),
            Err(_) => ("address", format!("limit:address:{}", ClientAddress::of_request(request)?)),
        };
        let taken = self.limiter.take(&key, rule).await;
        if matches!(taken, Taken::Refused(_)) {
            metrics::counter!("rate_limited_total", "limit" => kind).increment(1);
        }
        Ok(taken)
    }
}

/// Middleware, of the API alone: lets a request through, or answers that it came too soon.
///
/// # Errors
/// Those of what is inside.
pub async fn limit_requests(
    limit: Data<RequestLimit>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let (quota, mut response) = match limit.take(request.request()).await {
        Ok(Taken::Passed(quota)) => (quota, next.call(request).await?.map_into_boxed_body()),
        Ok(Taken::Refused(quota)) => (quota, request.error_response(too_many(quota.reset))),
        Ok(Taken::Uncounted) => return Ok(next.call(request).await?.map_into_boxed_body()),
        Err(error) => return Ok(request.error_response(error)),
    };
    tell(quota, &mut response);
    Ok(response)
}

/// The answer to what comes too soon.
#[must_use]
pub fn too_many(wait: Duration) -> ApiError {
    let seconds = whole_seconds(wait);
    let detail = format!("Too many requests. Try again in {seconds} s.");
    ApiError { retry_after: Some(Duration::from_secs(seconds)), ..ApiError::new(ErrorCode::RateLimited, detail) }
}

fn tell(quota: Quota, response: &mut ServiceResponse<BoxBody>) {
    let is_refused = response.status() == StatusCode::TOO_MANY_REQUESTS;
    let headers = response.headers_mut();
    headers.insert(LIMIT, quota.limit.into());
    // A stricter limit may have refused what passed this one: failed logins.
    let stricter = headers.get(RETRY_AFTER).cloned().filter(|_| is_refused);
    let remaining = if is_refused { 0 } else { quota.remaining };
    headers.insert(REMAINING, remaining.into());
    headers.insert(RESET, stricter.unwrap_or_else(|| whole_seconds(quota.reset).into()));
}

/// Rounded up, so that whoever comes back then does not come too soon.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}
