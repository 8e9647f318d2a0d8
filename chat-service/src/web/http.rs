//! Serves the web client: its files at their paths, and its page at the paths of its views.

use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse, guard,
    http::header::{
        ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ContentEncoding, ETAG, EntityTag, HeaderName,
        IfNoneMatch, VARY,
    },
    web::{self, Data, ServiceConfig},
};
use neonchat_common::{
    error::{ApiError, ErrorCode},
    http::Subrequest,
};

use super::{
    File, Web,
    files::{HTML, JAVASCRIPT, PAGE},
    policy::policy,
};
use crate::{client_config::WebSocketUrl, http::encoding::accepts_gzip};

/// The paths that are no views of the client, with all below them.
const RESERVED: [&str; 6] = ["/api", "/swagger-ui", "/metrics", "/health", "/live", "/ready"];

/// Headers of pages. The page may ask for the camera and so on, frames in it may not.
const PAGE_HEADERS: [(HeaderName, &str); 2] = [
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(self), microphone=(self), display-capture=(self), geolocation=()",
    ),
];

/// Registers the client for every `GET`. It is one resource, so that metrics have one route for all of its files.
pub(crate) fn routes(config: &mut ServiceConfig, web: &Web) {
    config
        .app_data(Data::new(web.clone()))
        .service(web::resource("/{file:.*}").guard(guard::Get()).route(web::route().to(file)));
}

async fn file(web: Data<Web>, websocket: Data<WebSocketUrl>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    // The decoded path, since `%61pi` is `api`.
    let path = request.match_info().as_str();
    let path = if is_view(path) && accepts_html(&request) { PAGE } else { path };
    let found = web.file(path).await.map_err(ApiError::internal)?;
    let nothing = "There is nothing at this path. Check its spelling.";
    let file = found.ok_or_else(|| ApiError::new(ErrorCode::NotFound, nothing))?;
    Ok(answer(file, &websocket, &request))
}

/// Returns whether a path may be that of a view.
fn is_view(path: &str) -> bool {
    let rest_below = |prefix| path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    !path.contains('.') && RESERVED.into_iter().all(|prefix| rest_below(prefix).is_none())
}

/// Returns whether the request names HTML, as browsers do when they open a page.
fn accepts_html(request: &HttpRequest) -> bool {
    let accepts = request.headers().get_all(ACCEPT).filter_map(|accept| accept.to_str().ok());
    let ranges = accepts.flat_map(|accept| accept.split(',')).filter_map(|range| range.split(';').next());
    ranges.map(str::trim).any(|range| range.eq_ignore_ascii_case("text/html"))
}

fn answer(file: File, websocket: &WebSocketUrl, request: &HttpRequest) -> HttpResponse {
    let gzip = file.gzip.filter(|_| accepts_gzip(request));
    // Each representation has a tag of its own, because a strong tag stands for the bytes.
    let suffix = if gzip.is_some() { "-gzip" } else { "" };
    let etag = EntityTag::new_strong(format!("{}{suffix}", file.hash));
    let is_known = match request.get_header::<IfNoneMatch>() {
        Some(IfNoneMatch::Any) => true,
        Some(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.weak_eq(&etag)),
        None => false,
    };
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    // The names of files stay the same, so browsers ask each time. The service worker saves most of these requests.
    response.insert_header((CACHE_CONTROL, "no-cache")).insert_header((ETAG, etag));
    response.insert_header((VARY, "Accept-Encoding"));
    let is_page = file.media_type == HTML;
    if is_page {
        response.append_header((VARY, "Accept"));
        for header in PAGE_HEADERS {
            response.insert_header(header);
        }
    } else {
        request.extensions_mut().insert(Subrequest);
    }
    // A worker has the policy of its script.
    if is_page || file.media_type == JAVASCRIPT {
        response.insert_header((CONTENT_SECURITY_POLICY, policy(websocket, request)));
    }
    if is_known {
        return response.finish();
    }
    response.insert_header((CONTENT_TYPE, file.media_type));
    if gzip.is_some() {
        response.insert_header(ContentEncoding::Gzip);
    }
    response.body(gzip.unwrap_or(file.bytes))
}
