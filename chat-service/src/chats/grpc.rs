//! The gRPC calls for chats.

use neonchat_common::{chat::ChatClass, error::ApiError, token::TokenRef};
use neonchat_proto::chat::v1::{
    ChatClass as WireClass, ChatHead, GetHeadsRequest, GetHeadsResponse, ListUserChatsRequest, ListUserChatsResponse,
    UserChat as WireUserChat, ValidateChatAccessRequest, ValidateChatAccessResponse,
};

use super::{
    model::{MAX_HEADS, RpcPageLimit, UserChat},
    service::Chats,
};
use crate::{
    sessions::service::Sessions,
    validation::{ValidationErrors, parse_id, parse_ids, parse_optional_id},
};

/// Returns whether a user is a member of a chat.
pub(crate) async fn validate_access(
    chats: &Chats,
    request: ValidateChatAccessRequest,
) -> Result<ValidateChatAccessResponse, ApiError> {
    let mut invalid = ValidationErrors::default();
    let user = invalid.check("user_id", parse_id(&request.user_id));
    let chat = invalid.check("chat_id", parse_id(&request.chat_id));
    let (Some(user), Some(chat)) = (user, chat) else { return Err(invalid.into()) };
    let chat = chats.find_for_member(user, chat).await?.as_ref().map(to_wire);
    Ok(ValidateChatAccessResponse { has_access: chat.is_some(), chat })
}

/// Returns a page of a user's chats. If the request names a token, checks first that it is not revoked and its user exists.
pub(crate) async fn list(
    chats: &Chats,
    sessions: &Sessions,
    request: ListUserChatsRequest,
) -> Result<ListUserChatsResponse, ApiError> {
    let mut invalid = ValidationErrors::default();
    let user = invalid.check("user_id", parse_id(&request.user_id));
    let after = invalid.check("after_chat_id", parse_optional_id(&request.after_chat_id));
    let limit = invalid.check("limit", RpcPageLimit::from_wire(request.limit));
    let token = invalid.check("token_id", parse_optional_id(&request.token_id));
    let sid = invalid.check("session_id", parse_optional_id(&request.session_id));
    let (Some(user), Some(after), Some(limit), Some(token), Some(sid)) = (user, after, limit, token, sid) else {
        return Err(invalid.into());
    };
    if let Some(jti) = token {
        sessions.check(user, TokenRef { jti, sid, iat: request.issued_at }).await?;
    }
    let (chats, has_more) = chats.list_after(user, after, limit).await?;
    Ok(ListUserChatsResponse { chats: chats.iter().map(to_wire).collect(), has_more })
}

/// Returns the heads of chats.
pub(crate) async fn heads(chats: &Chats, request: GetHeadsRequest) -> Result<GetHeadsResponse, ApiError> {
    let mut invalid = ValidationErrors::default();
    let ids =
        invalid.check("chat_ids", parse_ids(request.chat_ids.iter().map(String::as_str), MAX_HEADS)).ok_or(invalid)?;
    let heads = chats.heads(&ids).await?.into_iter();
    Ok(GetHeadsResponse {
        heads: heads.map(|(chat, last_seq)| ChatHead { chat_id: chat.to_string(), last_seq }).collect(),
    })
}

/// Converts the size of a chat.
pub(super) const fn class_to_wire(class: ChatClass) -> WireClass {
    match class {
        ChatClass::Small => WireClass::Small,
        ChatClass::Medium => WireClass::Medium,
        ChatClass::Large => WireClass::Large,
    }
}

fn to_wire(chat: &UserChat) -> WireUserChat {
    WireUserChat {
        chat_id: chat.id.to_string(),
        last_seq: chat.last_seq,
        partner_ids: chat.partner.iter().map(ToString::to_string).collect(),
        from_seq: chat.from_seq,
        class: class_to_wire(chat.class).into(),
        // The numbers are the same on the wire.
        role: chat.role as i32,
        joined_seq: chat.joined_seq,
        presence_ids: chat.presence.iter().map(ToString::to_string).collect(),
        send_role: chat.send_role as i32,
        restricted_until_micros: chat.restricted_until.map(|until| until.timestamp_micros()),
        access_version: Some(chat.access_version),
    }
}
