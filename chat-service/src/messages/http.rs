//! `/chats/{id}/messages`.

use std::time::Duration;

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path, Query},
};
use chrono::{DateTime, Utc};
use neonchat_common::{
    correlation,
    error::ApiError,
    ids::{ChatId, MessageId, ScheduledId, SendId, Seq, UserId},
    time,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    error::MessageError,
    given::{EntityBody, GivenBody},
    model::{
        Cursor, History, HistoryLimit, HistoryQuery, Message, MessageReference, NewMessage, Position, SentMessage,
        StoreOutcome, Versions, VersionsLimit,
    },
    service::Messages,
};
use crate::{
    http::{
        extract::Body,
        problems::problems,
        routes::{Routes, routes},
    },
    scheduled::{
        self,
        http::parse_send_at,
        model::{NewScheduled, ScheduledAt},
        service::{Answer, Scheduled},
    },
    sessions::extract::Authenticated,
    validation::{ValidationError, ValidationErrors, parse_event_seq, parse_id, parse_ids, parse_seq, parse_text},
};

problems! {
    NoSuchChat: MessageError::NoSuchChat;
    NoSuchMessage: MessageError::NoSuchMessage;
    OtherContent: MessageError::IdempotencyMismatch;
    VersionsHidden: MessageError::VersionsHidden;
    RoleTooLow: MessageError::Role;
    Restricted: MessageError::Restricted;
    SlowMode: MessageError::SlowMode { wait: Duration::from_secs(30) };
    TooManyScheduled: MessageError::TooManyScheduled;
}

/// The most messages that a request names.
const MAX_IDS: usize = 100;

pub(crate) fn routes() -> Routes {
    routes!(history, send, versions)
}

#[derive(Deserialize, IntoParams)]
struct HistoryParams {
    /// Maximum number of messages to return.
    #[param(value_type = HistoryLimit, inline, required = false)]
    limit: Option<String>,
    /// Return the messages directly before this one.
    #[param(value_type = MessageId, required = false)]
    before_id: Option<String>,
    /// Return the messages directly after this one.
    #[param(value_type = MessageId, required = false)]
    after_id: Option<String>,
    /// Return the messages directly before this `seq`.
    #[param(value_type = i64, required = false, minimum = 0)]
    before_seq: Option<String>,
    /// Return the messages directly after this `seq`.
    #[param(value_type = i64, required = false, minimum = 0)]
    after_seq: Option<String>,
    /// Return up to half a page of messages from this `seq` on, for instance from the first unread one, and the rest of the page
    /// before it. Above the head it counts as the head.
    #[param(value_type = i64, required = false, minimum = 1)]
    around_seq: Option<String>,
    /// As `around_seq`, from this message on.
    #[param(value_type = MessageId, required = false)]
    around_id: Option<String>,
    /// Return these messages, up to 100 of them. Those that do not exist for the caller are left out.
    #[param(value_type = Vec<MessageId>, style = Form, explode = false, required = false)]
    ids: Option<String>,
    /// The `seq` up to which the client knows the chat. The page reflects at least the events up to there. A page with it may
    /// come from a replica of the database, if there is one.
    #[param(value_type = i64, required = false, minimum = 0)]
    min_seq: Option<String>,
}

impl HistoryParams {
    fn parse(&self) -> Result<Wanted, ValidationErrors> {
        if let Some(ids) = &self.ids {
            return self.parse_ids(ids);
        }
        let mut invalid = ValidationErrors::default();
        let limit = invalid.check("limit", HistoryLimit::parse(self.limit.as_deref()));
        let position = self.position(&mut invalid);
        let min_seq = invalid.check("min_seq", self.min_seq.as_deref().map(|seq| parse_seq(Some(seq))).transpose());
        match (limit, position, min_seq) {
            (Some(limit), Some(position), Some(min_seq)) => Ok(Wanted::Page(HistoryQuery { position, limit, min_seq })),
            _ => Err(invalid),
        }
    }

    fn parse_ids(&self, ids: &str) -> Result<Wanted, ValidationErrors> {
        let mut invalid = ValidationErrors::default();
        if let Some((other, _)) = self.cursors().next() {
            invalid.push(other, ValidationError::new("exclusive", "cannot be combined with ids"));
        }
        let ids = invalid.check("ids", parse_ids(ids.split(','), MAX_IDS));
        ids.filter(|_| invalid.is_empty()).map(Wanted::Ids).ok_or(invalid)
    }

    /// Returns the cursors that are given, with their names.
    fn cursors(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let cursors = [
            ("before_id", &self.before_id),
            ("after_id", &self.after_id),
            ("before_seq", &self.before_seq),
            ("after_seq", &self.after_seq),
            ("around_seq", &self.around_seq),
            ("around_id", &self.around_id),
        ];
        cursors.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    /// Returns the position that the one given cursor names.
    fn position(&self, invalid: &mut ValidationErrors) -> Option<Position> {
        let mut given = self.cursors();
        let Some((name, value)) = given.next() else { return Some(Position::Newest) };
        if let Some((other, _)) = given.next() {
            let error = ValidationError::new("exclusive", format!("cannot be combined with {name}"));
            return invalid.check(other, Err(error));
        }
        let message = || parse_id(value).map(Cursor::Message);
        let seq = || parse_seq(Some(value)).map(Cursor::Seq);
        let position = match name {
            "before_id" => message().map(Position::Before),
            "after_id" => message().map(Position::After),
            "before_seq" => seq().map(Position::Before),
            "after_seq" => seq().map(Position::After),
            "around_id" => message().map(Position::Around),
            _ => parse_event_seq(value).map(Cursor::Seq).map(Position::Around),
        };
        invalid.check(name, position)
    }
}

/// What a request for messages wants.
enum Wanted {
    Page(HistoryQuery),
    Ids(Vec<MessageId>),
}

/// Returns a page of the messages of a chat, or single ones.
///
/// At most one of `before_id`, `after_id`, `before_seq`, `after_seq`, `around_seq`, `around_id` and `ids` can be given. Without them, the
/// page has the newest messages. Every page is ordered from newest to oldest. To read on, pass the id of its last message as `before_id`, or of its first
/// one as `after_id`: the next page follows without a gap.
#[utoipa::path(
    get, path = "/chats/{id}/messages", tag = "messages", operation_id = "list_messages", security(("bearer" = [])),
    params(("id" = ChatId, Path), HistoryParams),
    responses((status = 200, description = "A page of messages.", body = History), NoSuchChat),
)]
async fn history(
    messages: Data<Messages>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    query: Query<HistoryParams>,
) -> Result<Json<History>, ApiError> {
    Ok(Json(match query.parse()? {
        Wanted::Page(query) => messages.history(user, *chat, query).await?,
        Wanted::Ids(ids) => messages.some(user, *chat, &ids).await?,
    }))
}

// Without `Debug`, so that no log contains the text.
#[derive(Deserialize, ToSchema)]
struct SendRequest {
    /// 1 to 4096 Unicode code points. At least one of them must be visible, and U+0000 is not allowed.
    #[schema(min_length = 1, max_length = 4096, pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$", examples("Привет!"))]
    text: String,
    /// The formatting of the text, in ascending order of the offsets. Without it, the server finds `@name` and `@all` in the text.
    #[schema(max_items = 100)]
    entities: Option<Vec<EntityBody>>,
    /// Whom the message mentions, beside those whom its text or entities mention. Users who are not members of the chat are left out.
    #[schema(value_type = Option<Vec<UserId>>, max_items = 50)]
    mentions: Option<Vec<String>>,
    /// The id of the message of the chat that this one answers. If there is none, the message is stored without it.
    #[schema(value_type = Option<MessageId>)]
    reply_to: Option<String>,
    /// Whether clients show the message without a sound.
    silent: Option<bool>,
    /// An idempotency key that the client chooses. A repeated request with the same `request_id` stores nothing and
    /// returns the first message. Without it, each request stores a new message.
    #[schema(value_type = Option<SendId>)]
    request_id: Option<String>,
    /// When to send it: at least 10 seconds and at most a year ahead. Without it, the message is sent now.
    #[schema(value_type = Option<DateTime<Utc>>)]
    send_at: Option<String>,
}

/// A message that is sent later.
#[derive(Serialize, ToSchema)]
struct ScheduledAnswer {
    /// The id of the scheduled message. The message itself gets another one.
    scheduled_id: ScheduledId,
    /// When it is sent.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T09:00:00.000000Z"))]
    send_at: DateTime<Utc>,
    /// Whether an earlier request with this `request_id` scheduled it.
    duplicate: bool,
}

/// A stored message.
#[derive(Serialize, ToSchema)]
struct SendAnswer {
    #[serde(flatten)]
    message: Message,
    /// Whether an earlier request with this `request_id` stored the message.
    duplicate: bool,
}

/// A message that an earlier request stored, for a sender who is no longer a member of the chat.
#[derive(Serialize, ToSchema)]
// An answer for a member has further fields, so it is not of this type too.
#[serde(deny_unknown_fields)]
struct FormerMemberAnswer {
    /// The id of the message.
    id: MessageId,
    /// The id of the chat.
    chat_id: ChatId,
    /// The number of the message in the sequence of its chat.
    #[schema(value_type = i64, minimum = 1, examples(42))]
    seq: Seq,
    /// When it was stored.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    created_at: DateTime<Utc>,
    /// `true`.
    duplicate: bool,
}

/// A message that an earlier request stored.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum RepeatedAnswer {
    /// For a member of the chat.
    Member(Box<SendAnswer>),
    /// For a sender who is no longer a member.
    FormerMember(FormerMemberAnswer),
    /// It is still to be sent.
    Scheduled(ScheduledAnswer),
}

impl RepeatedAnswer {
    fn new(message: SentMessage, duplicate: bool) -> Self {
        match message {
            SentMessage::Message(message) => Self::Member(Box::new(SendAnswer { message: *message, duplicate })),
            SentMessage::Reference(MessageReference { id, chat_id, seq, created_at }) => {
                Self::FormerMember(FormerMemberAnswer { id, chat_id, seq, created_at, duplicate })
            }
        }
    }
}

/// Sends a message to a chat.
///
/// In a group or channel this needs the role of its setting `send`. In slow mode, a member who is not an admin can send one message
/// in `slow_s` seconds. A repeated request is answered also if the sender has lost the right, or is no longer a member.
///
/// The open sockets of the members get it at once. After 500 or 503 the message may be stored or not: repeat the
/// request with the same `request_id`.
///
/// With `send_at` it is sent later, within 2 seconds of that time, if the sender has the right then. Members can have 100 scheduled
/// messages in a chat. If it cannot be sent, the sockets of the sender get `scheduled_failed`. A repeated request is answered with the
/// message when it has been sent.
#[utoipa::path(
    post, path = "/chats/{id}/messages", tag = "messages", operation_id = "send_message", security(("bearer" = [])),
    params(("id" = ChatId, Path)),
    request_body = SendRequest,
    responses(
        (status = 201, description = "The new message.", body = SendAnswer),
        (status = 200, description = "The message that an earlier request with this `request_id` stored or scheduled.", body = RepeatedAnswer),
        (status = 202, description = "The message is sent later.", body = ScheduledAnswer),
        NoSuchChat, RoleTooLow, Restricted, SlowMode, TooManyScheduled, OtherContent,
    ),
)]
async fn send(
    messages: Data<Messages>,
    scheduled: Data<Scheduled>,
    Authenticated(sender): Authenticated,
    chat: Path<ChatId>,
    Body(body): Body<SendRequest>,
) -> Result<HttpResponse, ApiError> {
    let mut invalid = ValidationErrors::default();
    let text = invalid.check("text", parse_text(body.text));
    let SendRequest { entities, mentions, reply_to, silent, .. } = body;
    let given = GivenBody { entities, mentions, reply_to, silent }.parse(text.as_ref(), &mut invalid);
    let given_id = invalid.check("request_id", body.request_id.as_deref().map(parse_id).transpose());
    let send_at = invalid.check("send_at", body.send_at.as_deref().map(parse_send_at).transpose());
    let (Some(text), Some(given_id), Some(send_at), true) = (text, given_id, send_at, invalid.is_empty()) else {
        return Err(invalid.into());
    };
    let (chat, request_id) = (*chat, given_id.unwrap_or_else(SendId::new));
    if let Some(send_at) = send_at {
        let given = given.map(|given| *given).unwrap_or_default();
        let body = scheduled::model::Body { text, given };
        return schedule(&scheduled, NewScheduled { chat, sender, request_id, send_at, body }).await;
    }
    if given_id.is_some() {
        scheduled.require_unused(sender, request_id).await?;
    }
    let trace = correlation::current_trace();
    let message = NewMessage { chat, sender, text, request_id, trace, given, rich: None, is_passive: false };
    let outcome = messages.submit_and_deliver(message).await?;
    let (mut response, duplicate) = match outcome {
        StoreOutcome::Stored(_) => (HttpResponse::Created(), false),
        StoreOutcome::Duplicate(_) => (HttpResponse::Ok(), true),
    };
    Ok(response.json(RepeatedAnswer::new(outcome.into_inner(), duplicate)))
}

async fn schedule(scheduled: &Scheduled, message: NewScheduled) -> Result<HttpResponse, ApiError> {
    let (mut response, at, duplicate) = match scheduled.schedule(message).await? {
        Answer::Scheduled(StoreOutcome::Stored(at)) => (HttpResponse::Accepted(), at, false),
        Answer::Scheduled(StoreOutcome::Duplicate(at)) => (HttpResponse::Ok(), at, true),
        Answer::Sent(message) => return Ok(HttpResponse::Ok().json(RepeatedAnswer::new(message, true))),
    };
    let ScheduledAt { id: scheduled_id, send_at } = at;
    Ok(response.json(RepeatedAnswer::Scheduled(ScheduledAnswer { scheduled_id, send_at, duplicate })))
}

#[derive(Deserialize, IntoParams)]
struct VersionsParams {
    /// Maximum number of versions to return.
    #[param(value_type = VersionsLimit, inline, required = false)]
    limit: Option<String>,
    /// Return the versions after this one: the `next` of the previous page.
    #[param(required = false, example = "45")]
    after: Option<String>,
}

/// Returns the earlier texts of an edited message, the oldest first.
///
/// By default only its author and admins can read them (`EDIT_HISTORY`). They are erased when the message is deleted.
#[utoipa::path(
    get, path = "/chats/{id}/messages/{message_id}/versions", tag = "messages", operation_id = "list_versions",
    security(("bearer" = [])),
    params(("id" = ChatId, Path), ("message_id" = MessageId, Path), VersionsParams),
    responses((status = 200, description = "A page of texts.", body = Versions), NoSuchChat, NoSuchMessage, VersionsHidden),
)]
async fn versions(
    messages: Data<Messages>,
    Authenticated(user): Authenticated,
    path: Path<(ChatId, MessageId)>,
    query: Query<VersionsParams>,
) -> Result<Json<Versions>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let limit = invalid.check("limit", VersionsLimit::parse(query.limit.as_deref()));
    let after = invalid.check("after", parse_seq(query.after.as_deref()));
    let (Some(limit), Some(after)) = (limit, after) else { return Err(invalid.into()) };
    let (chat, message) = *path;
    Ok(Json(messages.versions(user, chat, message, after, limit).await?))
}
