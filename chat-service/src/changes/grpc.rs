//! The gRPC call for changes.

use neonchat_common::{
    error::ApiError,
    ids::{ChatId, SendId, UserId},
};
use neonchat_proto::chat::v1::{
    ChangeMessageRequest, ChangeMessageResponse, DeleteMessages, EditMessage,
    change_message_request::Change as WireChange,
};

use super::{
    parse_message_ids,
    service::{Changed, Changes},
};
use crate::{
    messages::{
        change::{Change, NewChange},
        given::{GivenBody, parse_entities_of},
    },
    reactions::{self, service::ReactionService},
    timeline::grpc::change_to_wire,
    validation::{ValidationErrors, parse_id, parse_text},
};

/// Applies a change. The caller delivers the event and the frame.
pub(crate) async fn change_message(
    changes: &Changes,
    reactions: &ReactionService,
    request: ChangeMessageRequest,
) -> Result<ChangeMessageResponse, ApiError> {
    let mut invalid = ValidationErrors::default();
    let chat = invalid.check("chat_id", parse_id::<ChatId>(&request.chat_id));
    let actor = invalid.check("actor_id", parse_id::<UserId>(&request.actor_id));
    let request_id = invalid.check("request_id", parse_id::<SendId>(&request.request_id));
    let change = match request.change {
        Some(WireChange::Edit(EditMessage { message_id, text, extra_json })) => {
            let message = invalid.check("message_id", parse_id(&message_id));
            let text = invalid.check("text", parse_text(text));
            let given = GivenBody::read(&extra_json)?;
            let entities = parse_entities_of(given.entities, text.as_ref(), &mut invalid);
            let edit = message.zip(text).filter(|_| invalid.is_empty());
            edit.map(|(message, text)| Change::new_edit(message, text, entities, None))
        }
        Some(WireChange::Delete(DeleteMessages { message_ids })) => {
            let ids = parse_message_ids(&message_ids);
            invalid.check("message_ids", ids).map(|messages| Change::Delete { messages })
        }
        Some(WireChange::React(react)) => {
            return reactions::grpc::react(reactions, (chat, actor, request_id), react, invalid).await;
        }
        None => return Err(ApiError::invalid("change", "required", "should be an edit, a deletion or a reaction")),
    };
    let (Some(chat), Some(actor), request_id @ Some(_), Some(change)) = (chat, actor, request_id, change) else {
        return Err(invalid.into());
    };
    let made = changes.apply(NewChange { chat, actor, request_id, change }).await?;
    Ok(ChangeMessageResponse {
        seq: made.as_ref().map_or(0, Changed::seq),
        duplicate: made.as_ref().is_some_and(|made| made.is_duplicate),
        event: made.as_ref().map(|made| change_to_wire(&made.event)),
        personal_frame: None,
    })
}
