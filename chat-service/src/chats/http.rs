//! `/chats`.

use actix_web::{
    HttpResponse,
    web::{self, Data, Json, Path, Query, ServiceConfig},
};
use neonchat_common::{
    error::ApiError,
    ids::{ChatId, Seq, UserId},
};
use serde::Deserialize;

use super::{
    model::{ChatItem, ChatList, ListFilter, ListLimit, Opened, ReadState},
    service::Chats,
};
use crate::{
    http::{Authenticated, Body},
    validation::{Invalid, Offset, check_seq, parse_flag, parse_id},
};

/// The paths.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(web::resource("/chats").route(web::get().to(list)).route(web::post().to(open)))
        .service(web::resource("/chats/{id}").route(web::get().to(get)))
        .service(web::resource("/chats/{id}/receipt").route(web::put().to(read)));
}

#[derive(Deserialize)]
struct OpenRequest {
    partner_id: String,
}

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

#[derive(Deserialize)]
struct ListQuery {
    limit: Option<String>,
    offset: Option<String>,
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

async fn list(
    chats: Data<Chats>,
    Authenticated(user): Authenticated,
    query: Query<ListQuery>,
) -> Result<Json<ChatList>, ApiError> {
    Ok(Json(chats.list(user, query.parse()?).await?))
}

async fn get(
    chats: Data<Chats>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
) -> Result<Json<ChatItem>, ApiError> {
    Ok(Json(chats.get(user, *chat).await?))
}

#[derive(Deserialize)]
struct ReadRequest {
    read: Seq,
}

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
