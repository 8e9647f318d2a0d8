//! `/chats`.

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path, Query},
};
use neonchat_common::{
    error::ApiError,
    ids::{ChatId, Seq, UserId},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    error::ChatError,
    model::{ChatItem, ChatList, GetOrCreate, ListFilter, ListLimit, ReadState},
    service::Chats,
};
use crate::{
    http::{
        extract::Body,
        problems::problems,
        routes::{Routes, routes},
    },
    sessions::extract::Authenticated,
    validation::{Offset, ValidationErrors, check_seq, parse_flag, parse_id},
};

problems! {
    NoSuchPartner: ChatError::NoSuchPartner;
    NoSuchChat: ChatError::NotFound;
    TooManyChats: ChatError::TooMany(5000);
}

pub(crate) fn routes() -> Routes {
    routes!(list, open, get, read)
}

#[derive(Deserialize, ToSchema)]
struct OpenRequest {
    /// The id of the user to chat with.
    #[schema(value_type = UserId)]
    partner_id: String,
}

/// Opens the direct chat with a user.
///
/// Two users have at most one direct chat. Opening it again, by either of them, returns the same chat. A user who has 5,000
/// direct chats cannot open another, but others can still open chats with that user.
#[utoipa::path(
    post, path = "/chats", tag = "chats", operation_id = "open_chat", security(("bearer" = [])),
    request_body = OpenRequest,
    responses(
        (status = 201, description = "The new chat.", body = ChatItem),
        (status = 200, description = "The existing chat.", body = ChatItem),
        NoSuchPartner,
        TooManyChats,
    ),
)]
async fn open(
    chats: Data<Chats>,
    Authenticated(user): Authenticated,
    Body(body): Body<OpenRequest>,
) -> Result<HttpResponse, ApiError> {
    let mut invalid = ValidationErrors::default();
    let partner = invalid.check("partner_id", parse_id::<UserId>(&body.partner_id)).ok_or(invalid)?;
    Ok(match chats.open(user, partner).await? {
        GetOrCreate::Created(item) => HttpResponse::Created().json(item),
        GetOrCreate::Existing(item) => HttpResponse::Ok().json(item),
    })
}

#[derive(Deserialize, IntoParams)]
struct ListQuery {
    /// Maximum number of chats to return.
    #[param(value_type = ListLimit, inline, required = false)]
    limit: Option<String>,
    /// Number of chats to skip.
    #[param(value_type = Offset, inline, required = false)]
    offset: Option<String>,
    /// Return only chats with unread messages.
    #[param(value_type = bool, required = false, default = false)]
    unread_only: Option<String>,
}

impl ListQuery {
    fn parse(&self) -> Result<ListFilter, ValidationErrors> {
        let mut invalid = ValidationErrors::default();
        let limit = invalid.check("limit", ListLimit::parse(self.limit.as_deref()));
        let offset = invalid.check("offset", Offset::parse(self.offset.as_deref()));
        let unread_only = invalid.check("unread_only", parse_flag(self.unread_only.as_deref()));
        match (limit, offset, unread_only) {
            (Some(limit), Some(offset), Some(unread_only)) => Ok(ListFilter { unread_only, limit, offset }),
            _ => Err(invalid),
        }
    }
}

/// Returns the chats of the caller, the most recently active first.
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

/// Returns a chat.
#[utoipa::path(
    get, path = "/chats/{id}", tag = "chats", operation_id = "get_chat", security(("bearer" = [])),
    params(("id" = ChatId, Path)),
    responses((status = 200, description = "The chat.", body = ChatItem), NoSuchChat),
)]
async fn get(
    chats: Data<Chats>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
) -> Result<Json<ChatItem>, ApiError> {
    Ok(Json(chats.get(user, *chat).await?))
}

#[derive(Deserialize, ToSchema)]
struct ReadRequest {
    /// The `seq` of the last event that was read. All earlier events count as read too.
    #[schema(value_type = i64, minimum = 0, examples(41))]
    read: Seq,
}

/// Moves the read marker of the caller in a chat.
///
/// The marker never moves back, and never past the last event of the chat.
#[utoipa::path(
    put, path = "/chats/{id}/receipt", tag = "chats", operation_id = "mark_read", security(("bearer" = [])),
    params(("id" = ChatId, Path)),
    request_body = ReadRequest,
    responses((status = 200, description = "The resulting read marker and unread count.", body = ReadState), NoSuchChat),
)]
async fn read(
    chats: Data<Chats>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    Body(body): Body<ReadRequest>,
) -> Result<Json<ReadState>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let read = invalid.check("read", check_seq(body.read)).ok_or(invalid)?;
    Ok(Json(chats.mark_read_and_publish(user, *chat, read).await?))
}
