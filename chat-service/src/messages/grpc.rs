//! The calls about messages.

use neonchat_common::error::ApiError;
use neonchat_proto::chat::v1::{
    ChatEvent, GetEventsRequest, GetEventsResponse, Message as WireMessage, ValidateAndStoreMessageRequest,
    ValidateAndStoreMessageResponse, chat_event,
};

use super::{
    model::{Event, EventKind, EventsLimit, Message, NewMessage, Sent},
    service::Messages,
};
use crate::validation::{Invalid, check_seq, parse_id, parse_text};

/// Stores a message.
pub async fn validate_and_store(
    messages: &Messages,
    request: ValidateAndStoreMessageRequest,
) -> Result<ValidateAndStoreMessageResponse, ApiError> {
    let (receipt, duplicate) = match messages.send(parse_message(request)?).await? {
        Sent::Stored(receipt) => (receipt, false),
        Sent::Duplicate(receipt) => (receipt, true),
    };
    Ok(ValidateAndStoreMessageResponse {
        success: true,
        message_id: receipt.id.to_string(),
        seq: receipt.seq,
        created_at_micros: receipt.created_at.timestamp_micros(),
        duplicate,
    })
}

fn parse_message(request: ValidateAndStoreMessageRequest) -> Result<NewMessage, Invalid> {
    let mut invalid = Invalid::default();
    let chat = invalid.check("chat_id", parse_id(&request.chat_id));
    let sender = invalid.check("sender_id", parse_id(&request.sender_id));
    let send_id = invalid.check("request_id", parse_id(&request.request_id));
    let text = invalid.check("text", parse_text(request.text));
    match (chat, sender, text, send_id) {
        (Some(chat), Some(sender), Some(text), Some(request)) => Ok(NewMessage { chat, sender, text, request }),
        _ => Err(invalid),
    }
}

/// The events of a chat after a `seq`: where they are long, fewer than were asked for. The head tells of further ones.
pub async fn events(messages: &Messages, request: GetEventsRequest) -> Result<GetEventsResponse, ApiError> {
    let mut invalid = Invalid::default();
    let chat = invalid.check("chat_id", parse_id(&request.chat_id));
    let after = invalid.check("after", check_seq(request.after));
    let limit = invalid.check("limit", EventsLimit::from_wire(request.limit));
    let (Some(chat), Some(after), Some(limit)) = (chat, after, limit) else { return Err(invalid.into()) };
    let events = messages.events_for_service(chat, after, limit).await?;
    Ok(GetEventsResponse { events: events.events.into_iter().map(to_wire).collect(), head_seq: events.head_seq })
}

fn to_wire(Event { seq, kind }: Event) -> ChatEvent {
    let event = match kind {
        EventKind::Message { message } => chat_event::Event::MessageCreated(message_to_wire(message)),
    };
    ChatEvent { seq, event: Some(event) }
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
