//! The gRPC calls for receipts. The caller publishes the changes.

use neonchat_common::error::ApiError;
use neonchat_proto::chat::v1::{
    MarkReadManyRequest, MarkReadManyResponse, MarkReadRequest, MarkReadResponse, MarkedMember, MarkedState,
};

use super::{
    grpc::class_to_wire,
    model::{MAX_MARKED, Marked, ReadState, Receipt},
    service::Chats,
};
use crate::validation::{ValidationError, ValidationErrors, check_seq, parse_id};

/// Moves a member's read marker.
pub(crate) async fn mark_read(chats: &Chats, request: MarkReadRequest) -> Result<MarkReadResponse, ApiError> {
    let MarkReadRequest { chat_id, user_id, read } = request;
    let Marked { state, has_moved, .. } =
        chats.mark(parse(&MarkedMember { chat_id, user_id, read, delivered: 0 })?).await?;
    let ReadState { read_seq, unread_count, .. } = state;
    Ok(MarkReadResponse { read_seq, unread_count, changed: has_moved })
}

/// Moves the markers of several members.
pub(crate) async fn mark_read_many(
    chats: &Chats,
    request: MarkReadManyRequest,
) -> Result<MarkReadManyResponse, ApiError> {
    if !(1..=MAX_MARKED).contains(&request.members.len()) {
        let mut invalid = ValidationErrors::default();
        let message = format!("should have 1 to {MAX_MARKED} members");
        invalid.push("members", ValidationError::new("length", message));
        return Err(invalid.into());
    }
    let receipts = request.members.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    let states = chats.mark_many(&receipts).await?.into_iter().map(to_wire).collect();
    Ok(MarkReadManyResponse { states })
}

fn parse(member: &MarkedMember) -> Result<Receipt, ValidationErrors> {
    let mut invalid = ValidationErrors::default();
    let chat = invalid.check("chat_id", parse_id(&member.chat_id));
    let user = invalid.check("user_id", parse_id(&member.user_id));
    let read = invalid.check("read", check_seq(member.read));
    let delivered = invalid.check("delivered", check_seq(member.delivered));
    match (chat, user, read, delivered) {
        (Some(chat), Some(user), Some(read), Some(delivered)) => Ok(Receipt { chat, user, read, delivered }),
        _ => Err(invalid),
    }
}

fn to_wire(marked: Option<Marked>) -> MarkedState {
    let Some(Marked { state, has_moved, class, is_group, .. }) = marked else { return MarkedState::default() };
    let ReadState { read_seq, delivered_seq, unread_count } = state;
    let class = class_to_wire(class).into();
    MarkedState { is_member: true, read_seq, delivered_seq, unread_count, changed: has_moved, class, is_group }
}
