//! The choice between the representations of a resource.

use actix_web::{
    HttpMessage as _, HttpRequest,
    http::header::{AcceptEncoding, Encoding},
};

/// Returns whether the client prefers gzip to no compression (RFC 9110, section 12.5.3).
pub(crate) fn accepts_gzip(request: &HttpRequest) -> bool {
    let codings = [Encoding::identity(), Encoding::gzip()];
    let accept = request.get_header::<AcceptEncoding>();
    accept.and_then(|accept| accept.negotiate(codings.iter())) == Some(Encoding::gzip())
}
