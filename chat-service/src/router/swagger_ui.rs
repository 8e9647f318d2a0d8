//! Serves `/openapi.json`, and Swagger UI for it at `/swagger-ui/`.

use std::{borrow::Cow, io::Write as _, sync::OnceLock};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentEncoding, ContentType, VARY},
    web::{self, Bytes, Data, Path, ServiceConfig},
};
use flate2::{Compression, write::GzEncoder};
use neonchat_common::{
    error::{ApiError, ErrorCode},
    json,
};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;

use crate::http::encoding::accepts_gzip;

const DOCUMENT: &str = "/openapi.json";

/// Allows the page's own script and style files but no inline ones, images in `data:` URLs, and requests to this service.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The document as it is sent.
struct Document {
    json: Bytes,
    /// Compressed at the first request.
    gzip: OnceLock<Bytes>,
}

impl Document {
    fn gzip(&self) -> std::io::Result<Bytes> {
        if let Some(bytes) = self.gzip.get() {
            return Ok(bytes.clone());
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&self.json)?;
        let bytes = Bytes::from(encoder.finish()?);
        Ok(self.gzip.get_or_init(|| bytes).clone())
    }
}

pub(super) fn routes(config: &mut ServiceConfig, document: &OpenApi) {
    // The standalone layout has inline styles, and lets the user enter the URL of a document.
    let ui = Config::from(DOCUMENT).use_base_layout();
    let ui = ui.deep_linking(true).display_request_duration(true).validator_url("none");
    config
        .app_data(Data::new(Document { json: json::text(document).into(), gzip: OnceLock::new() }))
        .app_data(Data::new(ui))
        .service(web::resource(DOCUMENT).route(web::get().to(openapi_json)))
        .service(web::redirect("/swagger-ui", "/swagger-ui/").permanent())
        .service(web::resource("/swagger-ui/{file:.*}").route(web::get().to(file)));
}

async fn openapi_json(document: Data<Document>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let mut response = HttpResponse::Ok();
    response.insert_header((VARY, "Accept-Encoding")).content_type(ContentType::json());
    if accepts_gzip(&request) {
        response.insert_header(ContentEncoding::Gzip);
        return Ok(response.body(document.gzip().map_err(ApiError::internal)?));
    }
    Ok(response.body(document.json.clone()))
}

async fn file(name: Path<String>, ui: Data<Config<'static>>) -> Result<HttpResponse, ApiError> {
    let found = utoipa_swagger_ui::serve(&name, ui.into_inner()).map_err(ApiError::internal)?;
    let file = found.ok_or_else(|| ApiError::new(ErrorCode::NotFound, "Swagger UI has no such file."))?;
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_SECURITY_POLICY, POLICY)).insert_header((CACHE_CONTROL, "max-age=3600"));
    if file.gzpipped {
        // The embedded files are compressed. Every browser can read them.
        response.insert_header(ContentEncoding::Gzip);
    }
    let body = match file.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    Ok(response.content_type(file.content_type).body(body))
}
