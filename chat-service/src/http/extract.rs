//! The extractors for the body of a request.

use std::time::Duration;

use actix_web::{
    Error, FromRequest, HttpRequest,
    dev::Payload,
    http::header::{CONTENT_LENGTH, TRANSFER_ENCODING},
    web,
};
use futures_util::future::LocalBoxFuture;
use neonchat_common::{
    error::{ApiError, ErrorCode},
    http::object::read_object,
};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// The timeout for a body. Without it, a request with an endless body would never end.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A JSON body that may be absent or `null`. Without one, the default values hold.
pub(crate) struct OptionalBody<T>(pub T);

impl<T: DeserializeOwned + Default + 'static> FromRequest for OptionalBody<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let headers = request.headers();
        let is_empty = headers.get(CONTENT_LENGTH).is_none_or(|length| length == "0");
        if is_empty && !headers.contains_key(TRANSFER_ENCODING) {
            return Box::pin(async { Ok(Self(T::default())) });
        }
        let body = Body::<Option<T>>::from_request(request, payload);
        Box::pin(async { body.await.map(|Body(body)| Self(body.unwrap_or_default())) })
    }
}

/// A JSON body that arrived within [`BODY_TIMEOUT`].
pub(crate) struct Body<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let json = tokio::time::timeout(BODY_TIMEOUT, web::Json::<Box<RawValue>>::from_request(request, payload));
        Box::pin(async {
            let too_slow = |_| ApiError::new(ErrorCode::BadJson, "The body did not arrive in time. Send it again.");
            let json = json.await.map_err(too_slow)??;
            Ok(Self(read_object(json.get())?))
        })
    }
}
