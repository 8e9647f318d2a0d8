//! The gRPC call for changes.

use neonchat_common::{
    error::ApiError,
    ids::{ChatId, SendId, UserId},
};
use neonchat_proto::chat::v1::{
    ChangeMessageRequest, ChangeMessageResponse, DeleteMessages, EditMessage,
    change_message_request::Change as WireChange,
};

use super::{parse_message_ids, service::Changes};
use crate::{
    messages::{
        change::{Change, NewChange},
        given::{GivenBody, parse_entities_of},
    },
    timeline::grpc::change_to_wire,
    validation::{ValidationErrors, parse_id, parse_text},
};

/// Applies a change. The caller delivers the event.
pub(crate) async fn change_message(
    changes: &Changes,
    request: ChangeMessageRequest,
) -> Result<ChangeMessageResponse, ApiError> {
    Ok(match changes.apply(parse(request)?).await? {
        Some(made) => ChangeMessageResponse {
            seq: made.seq(),
            duplicate: made.is_duplicate,
            event: Some(change_to_wire(&made.event)),
        },
        None => ChangeMessageResponse { seq: 0, duplicate: false, event: None },
    })
}

fn parse(request: ChangeMessageRequest) -> Result<NewChange, ApiError> {
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
        None => return Err(ApiError::invalid("change", "required", "should be an edit or a deletion")),
    };
    match (chat, actor, request_id, change) {
        (Some(chat), Some(actor), request_id @ Some(_), Some(change)) => {
            Ok(NewChange { chat, actor, request_id, change })
        }
        _ => Err(invalid.into()),
    }
}
