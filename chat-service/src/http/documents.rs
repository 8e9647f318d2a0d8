//! `/openapi.json`, and Swagger UI, which shows it, at `/swagger-ui/`.

use std::borrow::Cow;

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentEncoding},
    middleware::Compress,
    web::{self, Bytes, Data, Path, ServiceConfig},
};
use neonchat_common::error::{ApiError, ErrorCode};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;

const DOCUMENT: &str = "/openapi.json";

/// The page's own scripts and styles, and none that is written into it; pictures that are written into its styles; and
/// requests to this service.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The paths.
pub(super) fn routes(config: &mut ServiceConfig, document: OpenApi) {
    // Its other layout has a bar with a style written into it, and asks for the address of a document.
    let ui = Config::from(DOCUMENT).use_base_layout();
    let ui = ui.deep_linking(true).display_request_duration(true).validator_url("none");
    config
        .app_data(Data::new(document))
        .app_data(Data::new(ui))
        .service(web::resource(DOCUMENT).wrap(Compress::default()).route(web::get().to(json)))
        .service(web::redirect("/swagger-ui", "/swagger-ui/").permanent())
        .service(web::resource("/swagger-ui/{file:.*}").route(web::get().to(file)));
}

async fn json(document: Data<OpenApi>) -> HttpResponse {
    HttpResponse::Ok().json(document)
}

async fn file(name: Path<String>, ui: Data<Config<'static>>) -> Result<HttpResponse, ApiError> {
    let found = utoipa_swagger_ui::serve(&name, ui.into_inner()).map_err(ApiError::internal)?;
    let file = found.ok_or_else(|| ApiError::new(ErrorCode::NotFound, "Swagger UI has no such file."))?;
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_SECURITY_POLICY, POLICY)).insert_header((CACHE_CONTROL, "max-age=3600"));
    if file.gzpipped {
        // So it was built. There is no browser that cannot read it.
        response.insert_header(ContentEncoding::Gzip);
    }
    let body = match file.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    Ok(response.content_type(file.content_type).body(body))
}
