//! The methods that every path supports: OPTIONS, and HEAD if it supports GET.

use actix_web::{
    Error,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{ALLOW, HeaderValue, UPGRADE},
    },
    middleware::Next,
};

/// Middleware: answers HEAD as GET without the body (RFC 9110, section 9.3.2) and OPTIONS with the methods of the path
/// (section 9.3.7), and lists both in `Allow`.
///
/// # Errors
/// Returns the error of the wrapped service.
pub async fn answer_head_and_options(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let is_options = request.method() == Method::OPTIONS;
    if request.method() == Method::HEAD {
        // The codec has seen the method HEAD and sends no body, whatever the handler returns.
        let head = request.head_mut();
        head.method = Method::GET;
        // Only GET opens a WebSocket (RFC 6455, section 4.1).
        head.headers_mut().remove(UPGRADE);
    }
    let mut response = next.call(request).await?.map_into_boxed_body();
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        complete_allow(&mut response);
        if is_options {
            *response.response_mut().status_mut() = StatusCode::NO_CONTENT;
        }
    }
    Ok(response)
}

/// Adds HEAD and OPTIONS to the methods that have a handler.
fn complete_allow(response: &mut ServiceResponse<BoxBody>) {
    let allow = response.headers().get(ALLOW).and_then(|allow| allow.to_str().ok()).unwrap_or_default();
    let mut methods: Vec<_> = allow.split(',').map(str::trim).filter(|method| !method.is_empty()).collect();
    if let Some(get) = methods.iter().position(|method| *method == "GET") {
        methods.insert(get + 1, "HEAD");
    }
    methods.push("OPTIONS");
    if let Ok(allow) = HeaderValue::from_str(&methods.join(", ")) {
        response.headers_mut().insert(ALLOW, allow);
    }
}
