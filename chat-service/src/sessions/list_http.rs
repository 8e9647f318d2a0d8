//! `/auth/sessions`.

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path, Query},
};
use neonchat_common::{error::ApiError, ids::SessionId};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    error::SessionError,
    extract::{Authenticated, Session},
    model::{SessionLimit, SessionList},
    service::Sessions,
};
use crate::{
    http::{
        problems::problems,
        routes::{Routes, routes},
    },
    validation::{ValidationErrors, parse_id},
};

problems! {
    NoSuchSession: SessionError::NotFound;
}

pub(super) fn routes() -> Routes {
    routes!(list_sessions, end_session)
}

#[derive(Deserialize, IntoParams)]
struct ListQuery {
    /// The `next` of the page before.
    #[param(value_type = String, required = false)]
    after: Option<String>,
    /// Maximum number of sessions to return.
    #[param(value_type = SessionLimit, inline, required = false)]
    limit: Option<String>,
}

/// Returns the sessions of the caller, the newest first: the devices on which the user is logged in.
#[utoipa::path(
    get, path = "/auth/sessions", tag = "auth", operation_id = "list_sessions", security(("bearer" = [])),
    params(ListQuery),
    responses((status = 200, description = "A page of sessions.", body = SessionList)),
)]
async fn list_sessions(
    sessions: Data<Sessions>,
    Session(claims): Session,
    query: Query<ListQuery>,
) -> Result<Json<SessionList>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let after = invalid.check("after", query.after.as_deref().map(parse_id).transpose());
    let limit = invalid.check("limit", SessionLimit::parse(query.limit.as_deref()));
    let (Some(after), Some(limit)) = (after, limit) else { return Err(invalid.into()) };
    Ok(Json(sessions.list(&claims, after, limit).await?))
}

/// Ends a session of the caller.
///
/// Its tokens are revoked on all instances, and the sockets that they opened are closed.
#[utoipa::path(
    delete, path = "/auth/sessions/{id}", tag = "auth", operation_id = "end_session", security(("bearer" = [])),
    params(("id" = SessionId, Path)),
    responses((status = 204, description = "The session has ended."), NoSuchSession),
)]
async fn end_session(
    sessions: Data<Sessions>,
    Authenticated(user): Authenticated,
    id: Path<SessionId>,
) -> Result<HttpResponse, ApiError> {
    sessions.end_one(user, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}
