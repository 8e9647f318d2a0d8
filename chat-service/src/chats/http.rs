//! `/chats`.

use actix_web::web::{Data, Json, Query};
use neonchat_common::error::ApiError;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    model::{ChatList, ListFilter, ListLimit, ListStart},
    service::Chats,
};
use crate::{
    http::routes::{Routes, routes},
    prefs::http::parse_folder,
    rights::ChatKind,
    sessions::extract::Authenticated,
    validation::{Offset, ValidationError, ValidationErrors, parse_flag, parse_time},
};

pub(crate) fn routes() -> Routes {
    routes!(list)
}

#[derive(Deserialize, IntoParams)]
struct ListQuery {
    /// Maximum number of chats to return.
    #[param(value_type = ListLimit, inline, required = false)]
    limit: Option<String>,
    /// Number of chats to skip. Not together with `after`.
    #[param(value_type = Offset, inline, required = false)]
    offset: Option<String>,
    /// The `next` of another page; empty for the first page. The answer then has no `total`.
    after: Option<String>,
    /// Return only chats of this type.
    #[serde(rename = "type")]
    #[param(value_type = ChatKind, inline, required = false)]
    kind: Option<String>,
    /// Return only archived chats; otherwise they are left out.
    #[param(value_type = bool, required = false, default = false)]
    archived: Option<String>,
    /// Return only chats in this folder.
    #[param(value_type = String, required = false, min_length = 1, max_length = 64, example = "Work")]
    folder: Option<String>,
    /// Return only chats with unread messages, or marked as unread.
    #[param(value_type = bool, required = false, default = false)]
    unread_only: Option<String>,
    /// Return only chats with a message or another event after this time, and those that the caller joined after it.
    #[param(value_type = DateTime<Utc>, required = false)]
    updated_after: Option<String>,
}

impl ListQuery {
    fn parse(&self) -> Result<ListFilter, ValidationErrors> {
        let mut invalid = ValidationErrors::default();
        let limit = invalid.check("limit", ListLimit::parse(self.limit.as_deref()));
        let from = self.parse_start(&mut invalid);
        let kind = invalid.check("type", self.kind.as_deref().map(parse_kind).transpose());
        let unread_only = invalid.check("unread_only", parse_flag(self.unread_only.as_deref()));
        let updated_after = invalid.check("updated_after", self.updated_after.as_deref().map(parse_time).transpose());
        let archived = invalid.check("archived", parse_flag(self.archived.as_deref()));
        let folder = invalid.check("folder", self.folder.clone().map(parse_folder).transpose());
        match (limit, from, kind, unread_only, updated_after, archived, folder) {
            (
                Some(limit),
                Some(from),
                Some(kind),
                Some(unread_only),
                Some(updated_after),
                Some(archived),
                Some(folder),
            ) if invalid.is_empty() => {
                Ok(ListFilter { kind, unread_only, updated_after, archived, folder, limit, from })
            }
            _ => Err(invalid),
        }
    }

    fn parse_start(&self, invalid: &mut ValidationErrors) -> Option<ListStart> {
        let Some(after) = self.after.as_deref() else {
            return invalid.check("offset", Offset::parse(self.offset.as_deref())).map(ListStart::Offset);
        };
        if self.offset.is_some() {
            invalid.push("offset", ValidationError::new("conflict", "cannot be given together with after"));
        }
        let after = if after.is_empty() { Ok(None) } else { after.parse().map(Some) };
        invalid.check("after", after).map(ListStart::Cursor)
    }
}

fn parse_kind(name: &str) -> Result<ChatKind, ValidationError> {
    ChatKind::from_name(name).ok_or_else(|| ValidationError::new("value", "should be direct, group or channel"))
}

/// Returns the chats of the caller: the pinned ones by their places, then the others, the most recently active first.
///
/// Archived chats are left out.
#[utoipa::path(
    get, path = "/chats", tag = "chats", operation_id = "list_chats", security(("bearer" = [])),
    params(ListQuery),
    responses((status = 200, description = "A page of chats.", body = ChatList)),
)]
async fn list(
    chats: Data<Chats>,
    Authenticated(user): Authenticated,
    query: Query<ListQuery>,
) -> Result<Json<ChatList>, ApiError> {
    Ok(Json(chats.list(user, query.parse()?).await?))
}
