//! The gRPC calls for messages.

use neonchat_common::{
    correlation,
    error::ApiError,
    trace::{self, TraceContext},
};
use neonchat_proto::chat::v1::{
    StoreMessageResult, StoreMessagesRequest, StoreMessagesResponse, ValidateAndStoreMessageRequest,
    ValidateAndStoreMessageResponse, store_message_result::Result as WireOutcome,
};

use super::{
    error::MessageError,
    given::GivenBody,
    model::{NewMessage, StoreOutcome},
    service::Messages,
};
use crate::{
    batched_calls,
    validation::{ValidationErrors, parse_id, parse_text},
};

/// The maximum number of messages in one call.
const MAX_MESSAGES: usize = 1000;

/// Stores a message.
pub(crate) async fn validate_and_store(
    messages: &Messages,
    request: ValidateAndStoreMessageRequest,
) -> Result<ValidateAndStoreMessageResponse, ApiError> {
    Ok(stored_to_wire(&messages.submit_one(parse_message(request, correlation::current_trace())?).await?))
}

/// Stores messages. The call is a span in the trace of each message.
pub(crate) async fn store_messages(
    messages: &Messages,
    request: StoreMessagesRequest,
) -> Result<StoreMessagesResponse, ApiError> {
    if request.messages.len() > MAX_MESSAGES {
        return Err(ApiError::invalid("messages", "length", format!("should have at most {MAX_MESSAGES} messages")));
    }
    let begin_call = |message: &ValidateAndStoreMessageRequest| {
        batched_calls::begin("StoreMessages", message.traceparent.as_deref())
    };
    let mut calls: Vec<_> = request.messages.iter().map(begin_call).collect();
    let stored = decode_and_submit(messages, request.messages, &calls).await;
    batched_calls::end(&mut calls, &stored);
    stored
}

/// What decoding made of a message in a call.
enum Decoded {
    Submitted,
    Invalid(ApiError),
}

async fn decode_and_submit(
    messages: &Messages,
    requests: Vec<ValidateAndStoreMessageRequest>,
    calls: &[trace::Span],
) -> Result<StoreMessagesResponse, ApiError> {
    let mut decoded = Vec::with_capacity(requests.len());
    let mut valid = Vec::with_capacity(requests.len());
    for (request, call) in requests.into_iter().zip(calls) {
        match parse_message(request, call.context()) {
            Ok(message) => {
                tracing::debug!(request.id = %message.request_id, chat.id = %message.chat, "storing message");
                decoded.push(Decoded::Submitted);
                valid.push(message);
            }
            Err(error) => decoded.push(Decoded::Invalid(error)),
        }
    }
    let mut stored = messages.submit(valid).await?.into_iter();
    let mut outcomes = Vec::with_capacity(decoded.len());
    for message in decoded {
        outcomes.push(match message {
            // There is one outcome for each submitted message.
            Decoded::Submitted => stored.next().unwrap_or(Err(MessageError::ShuttingDown)).map_err(ApiError::from),
            Decoded::Invalid(error) => Err(error),
        });
    }
    let outcomes = batched_calls::outcomes(outcomes)?;
    Ok(StoreMessagesResponse { results: outcomes.into_iter().map(outcome_to_wire).collect() })
}

fn outcome_to_wire(outcome: Result<StoreOutcome, ApiError>) -> StoreMessageResult {
    let result = match outcome {
        Ok(stored) => WireOutcome::Stored(stored_to_wire(&stored)),
        Err(error) => WireOutcome::Refused(batched_calls::refusal(error)),
    };
    StoreMessageResult { result: Some(result) }
}

fn stored_to_wire(outcome: &StoreOutcome) -> ValidateAndStoreMessageResponse {
    let stored = outcome.get();
    let extra_json = stored.members().unwrap_or_default();
    ValidateAndStoreMessageResponse {
        success: true,
        message_id: stored.id.to_string(),
        seq: stored.seq,
        created_at_micros: stored.created_at.timestamp_micros(),
        duplicate: matches!(outcome, StoreOutcome::Duplicate(_)),
        changed: stored.is_changed || stored.kind.is_none(),
        extra_json,
    }
}

fn parse_message(request: ValidateAndStoreMessageRequest, trace: TraceContext) -> Result<NewMessage, ApiError> {
    let given = GivenBody::read(&request.extra_json)?;
    let mut invalid = ValidationErrors::default();
    let chat = invalid.check("chat_id", parse_id(&request.chat_id));
    let sender = invalid.check("sender_id", parse_id(&request.sender_id));
    let request_id = invalid.check("request_id", parse_id(&request.request_id));
    let text = invalid.check("text", parse_text(request.text));
    let given = given.parse(text.as_ref(), &mut invalid);
    match (chat, sender, text, request_id) {
        (Some(chat), Some(sender), Some(text), Some(request_id)) if invalid.is_empty() => {
            Ok(NewMessage { chat, sender, text, request_id, trace, given, rich: None, is_passive: false })
        }
        _ => Err(invalid.into()),
    }
}
