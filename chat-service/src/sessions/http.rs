//! `/auth/logout`.

use actix_web::{
    HttpResponse,
    web::{self, Data, ServiceConfig},
};
use neonchat_common::error::ApiError;

use super::service::Sessions;
use crate::http::Session;

/// The path.
pub fn routes(config: &mut ServiceConfig) {
    config.service(web::resource("/auth/logout").route(web::post().to(log_out)));
}

async fn log_out(sessions: Data<Sessions>, Session(claims): Session) -> Result<HttpResponse, ApiError> {
    sessions.end(claims).await?;
    Ok(HttpResponse::NoContent().finish())
}
