//! The calls about messages.

use neonchat_common::{
    correlation,
    error::{ApiError, ErrorCode},
    trace::{self, TraceContext},
};
use neonchat_proto::chat::v1::{
    ChatEvent, GetEventsRequest, GetEventsResponse, Message as WireMessage, Refusal, StoreMessageResult,
    StoreMessagesRequest, StoreMessagesResponse, ValidateAndStoreMessageRequest, ValidateAndStoreMessageResponse,
    chat_event, chat_service_server::SERVICE_NAME, store_message_result::Result as WireOutcome,
};
use tonic::Code;

use super::{
    error::MessageError,
    model::{Event, EventsLimit, Message, MessageEvent, NewMessage, StoreOutcome},
    service::Messages,
};
use crate::validation::{ValidationErrors, check_seq, parse_id, parse_text};

/// The most messages in one call.
const MAX_MESSAGES: usize = 1000;

/// Stores a message.
pub(crate) async fn validate_and_store(
    messages: &Messages,
    request: ValidateAndStoreMessageRequest,
) -> Result<ValidateAndStoreMessageResponse, ApiError> {
    Ok(stored_to_wire(messages.submit_one(parse_message(request, correlation::current_trace())?).await?))
}

/// Stores messages. The one call is a part of the trace of each.
pub(crate) async fn store_messages(
    messages: &Messages,
    request: StoreMessagesRequest,
) -> Result<StoreMessagesResponse, ApiError> {
    if request.messages.len() > MAX_MESSAGES {
        return Err(ApiError::invalid("messages", "length", format!("should have at most {MAX_MESSAGES} messages")));
    }
    let count = request.messages.len();
    let mut calls: Vec<_> = request.messages.iter().map(begin_call).collect();
    let stored = decode_and_submit(messages, request.messages, &calls).await;
    let code = stored.as_ref().err().map_or(Code::Ok, |error| error.code.grpc_code());
    for call in &mut calls {
        call.set_batch_size(count);
        call.end_server_call(code);
    }
    stored
}

fn begin_call(message: &ValidateAndStoreMessageRequest) -> trace::Span {
    let caller = TraceContext::accept(message.traceparent.as_deref());
    trace::Span::child(&caller, || trace::rpc_server(SERVICE_NAME, "StoreMessages"))
}

async fn decode_and_submit(
    messages: &Messages,
    requests: Vec<ValidateAndStoreMessageRequest>,
    calls: &[trace::Span],
) -> Result<StoreMessagesResponse, ApiError> {
    let mut good = Vec::with_capacity(requests.len());
    let parse = |(request, call): (_, &trace::Span)| parse_message(request, call.context());
    let bad: Vec<Option<ValidationErrors>> =
        requests.into_iter().zip(calls).map(|request| parse(request).map(|message| good.push(message)).err()).collect();
    for message in &good {
        tracing::debug!(request.id = %message.request, chat.id = %message.chat, "storing message");
    }
    let mut outcomes = messages.submit(good).await?.into_iter();
    let mut outcome = |bad: Option<ValidationErrors>| match bad {
        Some(invalid) => Err(ApiError::from(invalid)),
        None => outcomes.next().unwrap_or(Err(MessageError::ShuttingDown)).map_err(ApiError::from),
    };
    let mut outcomes: Vec<_> = bad.into_iter().map(&mut outcome).collect();
    // Where the database is away, the caller is told so as by any other call: it may ask again, or another instance.
    let is_unavailable =
        |outcome: &Result<_, ApiError>| outcome.as_ref().is_err_and(|error| error.code == ErrorCode::Unavailable);
    if outcomes.iter().all(is_unavailable)
        && let Some(Err(error)) = outcomes.pop()
    {
        return Err(error);
    }
    Ok(StoreMessagesResponse { results: outcomes.into_iter().map(outcome_to_wire).collect() })
}

fn outcome_to_wire(outcome: Result<StoreOutcome, ApiError>) -> StoreMessageResult {
    let result = match outcome {
        Ok(sent) => WireOutcome::Stored(stored_to_wire(sent)),
        Err(error) => {
            error.log();
            WireOutcome::Refused(Refusal { code: error.code.as_str().to_owned(), detail: error.detail.into_owned() })
        }
    };
    StoreMessageResult { result: Some(result) }
}

fn stored_to_wire(sent: StoreOutcome) -> ValidateAndStoreMessageResponse {
    let receipt = sent.get();
    ValidateAndStoreMessageResponse {
        success: true,
        message_id: receipt.id.to_string(),
        seq: receipt.seq,
        created_at_micros: receipt.created_at.timestamp_micros(),
        duplicate: matches!(sent, StoreOutcome::Duplicate(_)),
    }
}

fn parse_message(request: ValidateAndStoreMessageRequest, trace: TraceContext) -> Result<NewMessage, ValidationErrors> {
    let mut invalid = ValidationErrors::default();
    let chat = invalid.check("chat_id", parse_id(&request.chat_id));
    let sender = invalid.check("sender_id", parse_id(&request.sender_id));
    let send_id = invalid.check("request_id", parse_id(&request.request_id));
    let text = invalid.check("text", parse_text(request.text));
    match (chat, sender, text, send_id) {
        (Some(chat), Some(sender), Some(text), Some(request)) => Ok(NewMessage { chat, sender, text, request, trace }),
        _ => Err(invalid),
    }
}

/// The events of a chat after a `seq`: where they are long, fewer than were asked for. The head tells of further ones.
pub(crate) async fn events(messages: &Messages, request: GetEventsRequest) -> Result<GetEventsResponse, ApiError> {
    let mut invalid = ValidationErrors::default();
    let chat = invalid.check("chat_id", parse_id(&request.chat_id));
    let after = invalid.check("after", check_seq(request.after));
    let limit = invalid.check("limit", EventsLimit::from_wire(request.limit));
    let (Some(chat), Some(after), Some(limit)) = (chat, after, limit) else { return Err(invalid.into()) };
    let events = messages.events_for_service(chat, after, limit).await?;
    Ok(GetEventsResponse { events: events.events.into_iter().map(to_wire).collect(), head_seq: events.head_seq })
}

fn to_wire(event: Event) -> ChatEvent {
    match event {
        Event::Message(MessageEvent { seq, message, .. }) => {
            ChatEvent { seq, event: Some(chat_event::Event::MessageCreated(message_to_wire(message))) }
        }
    }
}

fn message_to_wire(message: Message) -> WireMessage {
    WireMessage {
        id: message.id.to_string(),
        chat_id: message.chat_id.to_string(),
        sender_id: message.sender_id.to_string(),
        text: message.text,
        created_at_micros: message.created_at.timestamp_micros(),
        updated_at_micros: message.updated_at.timestamp_micros(),
        seq: message.seq,
        request_id: message.request_id.to_string(),
    }
}
