//! `/auth/logout`.

use actix_web::{HttpResponse, web::Data};
use neonchat_common::error::ApiError;

use super::{extract::Session, service::Sessions};
use crate::http::routes::{Routes, routes};

pub(crate) fn routes() -> Routes {
    routes!(log_out)
}

/// Logs the caller out.
///
/// The token is revoked on all instances, and the sockets that it opened are closed.
#[utoipa::path(
    post, path = "/auth/logout", tag = "auth", operation_id = "log_out", security(("bearer" = [])),
    responses((status = 204, description = "The token is revoked.")),
)]
async fn log_out(sessions: Data<Sessions>, Session(claims): Session) -> Result<HttpResponse, ApiError> {
    sessions.revoke(claims).await?;
    Ok(HttpResponse::NoContent().finish())
}
