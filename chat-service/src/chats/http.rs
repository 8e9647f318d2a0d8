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
    model::{ChatItem, ChatList, ListFilter, ListLimit, Opened, ReadState},
    service::Chats,
};
use crate::{
    http::{
        extract::{Authenticated, Body},
        problems::{NoSuchChat, NoSuchPartner, TooManyChats},
        routes::{Routes, routes},
    },
    validation::{Invalid, Offset, check_seq, parse_flag, parse_id},
};

/// The paths.
#[must_use]
pub fn routes() -> Routes {
    routes!(list, open, get, read)
}

#[derive(Deserialize, ToSchema)]
struct OpenRequest {
    /// With whom.
    #[schema(value_type = UserId)]
    partner_id: String,
}

/// Opens the chat with a user.
///
/// Two users have one chat, which either of them opens; opening it again returns the same chat. A user who has 5,000 direct
/// chats cannot open another. Others may still open chats with that user.
#[utoipa::path(
    post, path = "/chats", tag = "chats", operation_id = "open_chat", security(("bearer" = [])),
    request_body = OpenRequest,
    responses(
        (status = 201, description = "The chat, which is new.", body = ChatItem),
        (status = 200, description = "The chat, which there was.", body = ChatItem),
        NoSuchPartner,
        TooManyChats,
    ),
)]
async fn open(
    chats: Data<Chats>,
    Authenticated(user): Authenticated,
    Body(body): Body<OpenRequest>,
) -> Result<HttpResponse, ApiError> {
    let mut invalid = Invalid::default();
    let partner = invalid.check("partner_id", parse_id::<UserId>(&body.partner_id)).ok_or(invalid)?;
    Ok(match chats.open(user, partner).await? {
        Opened::Created(item) => HttpResponse::Created().json(item),
        Opened::Existing(item) => HttpResponse::Ok().json(item),
    })
}

#[derive(Deserialize, IntoParams)]
struct ListQuery {
    /// How many chats at most.
    #[param(value_type = ListLimit, inline, required = false)]
    limit: Option<String>,
    /// How many chats to leave out first.
    #[param(value_type = Offset, inline, required = false)]
    offset: Option<String>,
    /// Only those with something unread.
    #[param(value_type = bool, required = false, default = false)]
    unread_only: Option<String>,
}

impl ListQuery {
    fn parse(&self) -> Result<ListFilter, Invalid> {
        let mut invalid = Invalid::default();
        let limit = invalid.check("limit", ListLimit::parse(self.limit.as_deref()));
        let offset = invalid.check("offset", Offset::parse(self.offset.as_deref()));
        let unread_only = invalid.check("unread_only", parse_flag(self.unread_only.as_deref()));
        match (limit, offset, unread_only) {
            (Some(limit), Some(offset), Some(unread_only)) => Ok(ListFilter { unread_only, limit, offset }),
            _ => Err(invalid),
        }
    }
}

/// The user's chats, latest first.
#[utoipa::path(
    get, path = "/chats", tag = "chats", operation_id = "list_chats", security(("bearer" = [])),
    params(ListQuery),
    responses((status = 200, description = "A page of them.", body = ChatList)),
)]
async fn list(
    chats: Data<Chats>,
    Authenticated(user): Authenticated,
    query: Query<ListQuery>,
) -> Result<Json<ChatList>, ApiError> {
    Ok(Json(chats.list(user, query.parse()?).await?))
}

/// A chat.
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
    /// Every event up to this `seq` is read.
    #[schema(value_type = i64, minimum = 0, examples(41))]
    read: Seq,
}

/// Says how far the user has read a chat.
///
/// It never moves back, and not past the chat's last event.
#[utoipa::path(
    put, path = "/chats/{id}/receipt", tag = "chats", operation_id = "mark_read", security(("bearer" = [])),
    params(("id" = ChatId, Path)),
    request_body = ReadRequest,
    responses((status = 200, description = "How far it is read now.", body = ReadState), NoSuchChat),
)]
async fn read(
    chats: Data<Chats>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    Body(body): Body<ReadRequest>,
) -> Result<Json<ReadState>, ApiError> {
    let mut invalid = Invalid::default();
    let read = invalid.check("read", check_seq(body.read)).ok_or(invalid)?;
    Ok(Json(chats.read(user, *chat, read).await?))
}
