//! `/chats/{id}/messages/{message_id}`: edits and deletions.

use actix_web::web::{Data, Json, Path, Query};
use neonchat_common::{
    error::ApiError,
    ids::{ChatId, MessageId, SendId, Seq},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    parse_message_ids,
    service::{Changed, Changes},
};
use crate::{
    http::{
        extract::Body,
        problems::problems,
        routes::{Routes, routes},
    },
    messages::{
        change::{Change, NewChange},
        error::MessageError,
        given::{EntityBody, parse_entities_of},
        model::Message,
        service::Messages,
    },
    sessions::extract::Authenticated,
    timeline::model::{Event, MessageEditedEvent},
    validation::{ValidationErrors, check_seq, parse_id, parse_text},
};

problems! {
    NoSuchChat: MessageError::NoSuchChat;
    NoSuchMessage: MessageError::NoSuchMessage;
    NotAuthor: MessageError::NotAuthor;
    RoleTooLow: MessageError::Role;
    Restricted: MessageError::Restricted;
    EditWindowClosed: MessageError::EditWindowClosed;
    ChangedSince: MessageError::ChangedSince;
    EventsDisabled: MessageError::EventsDisabled;
    OtherContent: MessageError::IdempotencyMismatch;
}

pub(crate) fn routes() -> Routes {
    // `messages/delete` is matched before `messages/{message_id}`.
    routes!(delete_many, edit, delete)
}

/// The ids in the path of a message.
#[derive(Deserialize)]
struct MessagePath {
    id: ChatId,
    message_id: MessageId,
}

// Without `Debug`, so that no log contains the text.
#[derive(Deserialize, ToSchema)]
struct EditRequest {
    /// The new text, with the rules of a new message.
    #[schema(min_length = 1, max_length = 4096, pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$", examples("Привет!"))]
    text: String,
    /// The formatting of the new text. Without it, the message has none, and the server finds `@name` in the text.
    #[schema(max_items = 100)]
    entities: Option<Vec<EntityBody>>,
    /// Edit the message only if this is its `changed_seq`, or its `seq` if it was never changed.
    #[schema(value_type = Option<i64>, minimum = 1, examples(42))]
    if_changed_seq: Option<Seq>,
    /// An idempotency key that the client chooses. A repeated request with the same `request_id` changes nothing and returns
    /// the `event_seq` of the first one, also if the message was changed since.
    #[schema(value_type = Option<SendId>)]
    request_id: Option<String>,
}

/// An edited message.
#[derive(Serialize, ToSchema)]
struct EditAnswer {
    #[serde(flatten)]
    message: Message,
    /// The `seq` of the event; `null` if the message already had this text.
    #[schema(value_type = Option<i64>, required, minimum = 1, examples(45))]
    event_seq: Option<Seq>,
    /// Whether an earlier request with this `request_id` edited the message.
    duplicate: bool,
}

/// Edits a message.
///
/// Only its author can do this, by default within 48 hours, with the right to send at the time of the edit. The members get a
/// `message_edited` event. After 500 or 503 the message may be edited or not: repeat the request with the same `request_id`.
#[utoipa::path(
    patch, path = "/chats/{id}/messages/{message_id}", tag = "messages", operation_id = "edit_message",
    security(("bearer" = [])),
    params(("id" = ChatId, Path), ("message_id" = MessageId, Path)),
    request_body = EditRequest,
    responses(
        (status = 200, description = "The message as it is now.", body = EditAnswer),
        NoSuchChat, NoSuchMessage, NotAuthor, RoleTooLow, Restricted, EditWindowClosed, EventsDisabled, ChangedSince,
        OtherContent,
    ),
)]
async fn edit(
    changes: Data<Changes>,
    messages: Data<Messages>,
    Authenticated(actor): Authenticated,
    path: Path<MessagePath>,
    Body(body): Body<EditRequest>,
) -> Result<Json<EditAnswer>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let text = invalid.check("text", parse_text(body.text));
    let entities = parse_entities_of(body.entities, text.as_ref(), &mut invalid);
    let if_changed_seq = invalid.check("if_changed_seq", body.if_changed_seq.map(check_seq).transpose());
    let request_id = invalid.check("request_id", body.request_id.as_deref().map(parse_id).transpose());
    let (Some(text), Some(if_changed_seq), Some(request_id), true) =
        (text, if_changed_seq, request_id, invalid.is_empty())
    else {
        return Err(invalid.into());
    };
    let MessagePath { id: chat, message_id: message } = *path;
    let change =
        NewChange { chat, actor, request_id, change: Change::new_edit(message, text, entities, if_changed_seq) };
    let event = changes.apply_and_publish(change).await?;
    let (event_seq, duplicate) = event.as_ref().map_or((None, false), |event| (Some(event.seq()), event.is_duplicate));
    let message = match event.filter(|made| !made.is_duplicate).map(|made| made.event.event) {
        Some(Event::Edited(MessageEditedEvent { message: Some(message), .. })) => message,
        // A repeated request, or the message already had this text. It may not exist for the user any more.
        _ => messages.message(actor, chat, message).await?,
    };
    Ok(Json(EditAnswer { message, event_seq, duplicate }))
}

#[derive(Deserialize, IntoParams)]
struct DeleteQuery {
    /// An idempotency key that the client chooses.
    #[param(value_type = SendId, required = false)]
    request_id: Option<String>,
}

#[derive(Deserialize, ToSchema)]
struct DeleteRequest {
    /// The ids of 1 to 100 messages. Those that are unknown or already deleted are skipped.
    #[schema(value_type = Vec<MessageId>, min_items = 1, max_items = 100)]
    ids: Vec<String>,
    /// An idempotency key that the client chooses. A repeated request with the same `request_id` deletes nothing and returns
    /// the `seq` of the first one.
    #[schema(value_type = Option<SendId>)]
    request_id: Option<String>,
}

/// The event of a change.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChangeAnswer {
    /// The `seq` of the event; `null` if nothing changed.
    #[schema(value_type = Option<i64>, required, minimum = 1, examples(46))]
    seq: Option<Seq>,
    /// Whether an earlier request with this `request_id` made the change.
    duplicate: bool,
}

impl ChangeAnswer {
    /// Returns the answer to a change; `None` if it changed nothing.
    pub(crate) fn of(made: Option<&Changed>) -> Self {
        Self { seq: made.map(Changed::seq), duplicate: made.is_some_and(|made| made.is_duplicate) }
    }
}

/// Deletes a message for everybody.
///
/// Its author can do this, and in a group or channel a member with the role of its setting `delete`, if that role is higher than the
/// author's. The text and its earlier versions are erased; the message stays in the history, empty and with
/// `deleted`. The members get a `messages_deleted` event. Deleting it again changes nothing.
#[utoipa::path(
    delete, path = "/chats/{id}/messages/{message_id}", tag = "messages", operation_id = "delete_message",
    security(("bearer" = [])),
    params(("id" = ChatId, Path), ("message_id" = MessageId, Path), DeleteQuery),
    responses(
        (status = 200, description = "The event.", body = ChangeAnswer),
        NoSuchChat, NotAuthor, RoleTooLow, EventsDisabled, OtherContent,
    ),
)]
async fn delete(
    changes: Data<Changes>,
    Authenticated(actor): Authenticated,
    path: Path<MessagePath>,
    query: Query<DeleteQuery>,
) -> Result<Json<ChangeAnswer>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let request_id = query.request_id.as_deref().map(parse_id).transpose();
    let request_id = invalid.check("request_id", request_id).ok_or(invalid)?;
    let change = Change::Delete { messages: vec![path.message_id] };
    apply(&changes, NewChange { chat: path.id, actor, request_id, change }).await
}

/// Deletes several messages for everybody, by one event.
///
/// If the caller may not delete one of them, none is deleted.
#[utoipa::path(
    post, path = "/chats/{id}/messages/delete", tag = "messages", operation_id = "delete_messages",
    security(("bearer" = [])),
    params(("id" = ChatId, Path)),
    request_body = DeleteRequest,
    responses(
        (status = 200, description = "The event.", body = ChangeAnswer),
        NoSuchChat, NotAuthor, RoleTooLow, EventsDisabled, OtherContent,
    ),
)]
async fn delete_many(
    changes: Data<Changes>,
    Authenticated(actor): Authenticated,
    chat: Path<ChatId>,
    Body(body): Body<DeleteRequest>,
) -> Result<Json<ChangeAnswer>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let messages = invalid.check("ids", parse_message_ids(&body.ids));
    let request_id = invalid.check("request_id", body.request_id.as_deref().map(parse_id).transpose());
    let (Some(messages), Some(request_id)) = (messages, request_id) else { return Err(invalid.into()) };
    apply(&changes, NewChange { chat: *chat, actor, request_id, change: Change::Delete { messages } }).await
}

async fn apply(changes: &Changes, change: NewChange) -> Result<Json<ChangeAnswer>, ApiError> {
    Ok(Json(ChangeAnswer::of(changes.apply_and_publish(change).await?.as_ref())))
}
