//! The gRPC calls for changes.

use neonchat_common::{
    correlation::{self, CorrelationId},
    error::ApiError,
    ids::{ChatId, SendId, UserId},
    keyed::in_order_by_key,
    trace,
};
use neonchat_proto::chat::v1::{
    ChangeMessageRequest, ChangeMessageResponse, ChangeMessageResult, ChangeMessagesRequest, ChangeMessagesResponse,
    DeleteMessages, EditMessage, change_message_request::Change as WireChange,
    change_message_result::Result as WireOutcome,
};
use tracing::Span;

use super::{
    parse_message_ids,
    service::{Changed, Changes},
};
use crate::{
    batched_calls,
    messages::{
        change::{Change, NewChange},
        given::{GivenBody, parse_entities_of},
    },
    reactions::{self, service::ReactionService},
    timeline::grpc::change_to_wire,
    validation::{ValidationErrors, parse_id, parse_text},
};

/// The maximum number of changes in one call.
const MAX_CHANGES: usize = 1000;

/// The most changes of a call that are queued at the same time. Each may have look-ups of its own before, on the connections of all.
const MAX_QUEUED: usize = 64;

/// Applies changes. Those of one user in a chat are applied one after another; the others are queued at once, so those of one kind share
/// a statement. The call is a span in the trace of each change.
pub(crate) async fn change_messages(
    changes: &Changes,
    reactions: &ReactionService,
    request: ChangeMessagesRequest,
) -> Result<ChangeMessagesResponse, ApiError> {
    if request.changes.len() > MAX_CHANGES {
        return Err(ApiError::invalid("changes", "length", format!("should have at most {MAX_CHANGES} changes")));
    }
    let begin_call =
        |change: &ChangeMessageRequest| batched_calls::begin("ChangeMessages", change.traceparent.as_deref());
    let mut calls: Vec<_> = request.changes.iter().map(begin_call).collect();
    let apply = |(change, call): (ChangeMessageRequest, &trace::Span)| {
        let id = CorrelationId::accept(Some(&change.request_id));
        correlation::scope(id, call.context(), Span::current(), change_message(changes, reactions, change))
    };
    let key = |(change, _): &(ChangeMessageRequest, _)| (change.actor_id.clone(), change.chat_id.clone());
    let made = in_order_by_key(request.changes.into_iter().zip(&calls), MAX_QUEUED, key, apply).await;
    let answer = batched_calls::outcomes(made)
        .map(|made| ChangeMessagesResponse { results: made.into_iter().map(outcome_to_wire).collect() });
    batched_calls::end(&mut calls, &answer);
    answer
}

fn outcome_to_wire(outcome: Result<ChangeMessageResponse, ApiError>) -> ChangeMessageResult {
    let result = match outcome {
        Ok(made) => WireOutcome::Made(made),
        Err(error) => WireOutcome::Refused(batched_calls::refusal(error)),
    };
    ChangeMessageResult { result: Some(result) }
}

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
