//! The requests and answers of chat-service, as types of this service.

use bytestring::ByteString;
use chrono::{DateTime, Utc};
use neonchat_common::{
    chat::{ChatClass, MembershipChange, RemovalReason, Role},
    error::ApiError,
    grpc::client::Rpc,
    ids::{ChatId, MessageId, RequestId, SendId, Seq, UserId},
    message::MessageText,
    time, trace,
};
use neonchat_proto::chat::v1::{
    Change, ChatClass as WireClass, ChatEvent, DeleteMessages, EditMessage, HiddenFrame as WireHidden,
    MembershipChange as WireMembershipChange, Message as ProtoMessage, React, Refusal, Role as WireRole,
    StoreMessageResult, StoreMessagesRequest, UserChat as ProtoUserChat, ValidateAndStoreMessageRequest,
    change_message_request::Change as WireChange, chat_event::Event, store_message_result::Result as Outcome,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    hub::UserChat,
    protocol::{Given, NewChange},
};

/// A message that is not stored yet.
#[derive(Debug)]
pub(crate) struct NewMessage {
    pub(crate) chat_id: ChatId,
    pub(crate) sender_id: UserId,
    pub(crate) text: MessageText,
    pub(crate) request_id: RequestId,
    /// What the client gave beside the text.
    pub(crate) given: Given,
    /// The trace of the message. It ends when the sender gets the answer.
    pub(crate) trace: trace::Span,
}

/// Where and when a message was stored.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) message_id: MessageId,
    pub(crate) seq: Seq,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) duplicate: bool,
    /// Whether the message was edited or deleted since. The sent text must not be delivered.
    pub(crate) changed: bool,
    /// The members of the message that only some messages have: a JSON object.
    pub(crate) extra: Option<Box<RawValue>>,
}

/// A stored message.
#[derive(Clone, Debug)]
pub(crate) struct StoredMessage {
    pub(crate) id: MessageId,
    pub(crate) chat_id: ChatId,
    pub(crate) sender_id: UserId,
    /// The sender's `request_id`, if known.
    pub(crate) request_id: Option<SendId>,
    pub(crate) text: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) seq: Seq,
    /// The `seq` of the event that last edited or deleted the message.
    pub(crate) changed_seq: Option<Seq>,
    pub(crate) deleted: bool,
    /// The members that only some messages have: a JSON object.
    pub(crate) extra: Option<Box<RawValue>>,
}

impl StoredMessage {
    /// Returns when the message disappears; `None` if it stays.
    pub(crate) fn expires_at(&self) -> Option<DateTime<Utc>> {
        #[derive(Deserialize)]
        struct Expiry {
            expires_at: Option<DateTime<Utc>>,
        }
        let extra = self.extra.as_ref()?;
        serde_json::from_str::<Expiry>(extra.get()).ok()?.expires_at
    }
}

/// A stored durable event.
#[derive(Debug)]
pub(crate) enum StoredEvent {
    /// A message was created.
    Message(StoredMessage),
    /// A change of another kind.
    Change(StoredChange),
    /// A kind that this version does not know.
    Unknown { seq: Seq },
}

/// A stored durable event other than a message.
#[derive(Debug)]
pub(crate) struct StoredChange {
    pub(crate) seq: Seq,
    /// The user who caused the event.
    pub(crate) actor: UserId,
    /// The `request_id` of the actor, if there is one.
    pub(crate) request_id: Option<SendId>,
    /// The frame for the members' sockets.
    pub(crate) frame: ByteString,
    /// The frame for the actor's sockets, if they get more.
    pub(crate) actor_frame: Option<ByteString>,
    /// The frame for members who may see less than the others.
    pub(crate) hidden: Option<HiddenJson>,
    /// Who ceases to be a member, or gets another role, with this event.
    pub(crate) membership: Option<MembershipChange>,
}

/// A frame for members who may see less than the others.
#[derive(Debug)]
pub(crate) struct HiddenJson {
    pub(crate) frame: ByteString,
    /// It is for members for whom this `seq` does not exist.
    pub(crate) target_seq: Option<Seq>,
    /// It is for members without an office.
    pub(crate) for_members: bool,
}

/// The outcome of a change.
#[derive(Debug)]
pub(crate) struct ChangeOutcome {
    pub(crate) duplicate: bool,
    /// The event; `None` if nothing changed, or the event follows later.
    pub(crate) event: Option<StoredChange>,
    /// The frame for the actor's other sockets.
    pub(crate) personal_frame: Option<ByteString>,
}

/// A page of a chat's durable events.
#[derive(Debug)]
pub(crate) struct EventsPage {
    pub(crate) events: Vec<StoredEvent>,
    /// The head of the chat.
    pub(crate) head: Seq,
    /// The first `seq` that exists for the member, if one was given.
    pub(crate) first_seq: Seq,
}

/// The result of storing a draft.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DraftUpdate {
    pub(crate) updated_at: DateTime<Utc>,
    /// Whether it is, or may be, another one than before.
    pub(crate) is_changed: bool,
}

/// Users whose chats or tokens have changed.
#[derive(Debug)]
pub(crate) struct ChangedUsers {
    pub(crate) users: Vec<UserId>,
    /// The end of the listed period. The next call continues there.
    pub(crate) until_micros: i64,
}

impl NewMessage {
    pub(super) fn to_request(&self) -> (ValidateAndStoreMessageRequest, trace::Span) {
        let call = trace::Span::child(&self.trace.context(), || {
            trace::rpc_client(StoreMessagesRequest::SERVICE, StoreMessagesRequest::NAME)
        });
        let message = ValidateAndStoreMessageRequest {
            chat_id: self.chat_id.to_string(),
            sender_id: self.sender_id.to_string(),
            text: self.text.as_str().to_owned(),
            request_id: self.request_id.id().to_string(),
            traceparent: call.context().traceparent(),
            extra_json: self.given.as_str().to_owned(),
        };
        (message, call)
    }
}

impl Stored {
    pub(super) fn from_wire(result: StoreMessageResult) -> Result<Self, ApiError> {
        match result.result {
            Some(Outcome::Stored(stored)) => Ok(Self {
                message_id: parse(&stored.message_id)?,
                seq: stored.seq,
                created_at: parse_time(stored.created_at_micros)?,
                duplicate: stored.duplicate,
                changed: stored.changed,
                extra: parse_extra(stored.extra_json)?,
            }),
            Some(Outcome::Refused(refusal)) => Err(error_of(refusal)),
            None => Err(ApiError::internal("chat-service answered without a result")),
        }
    }

    /// Combines this with the sent message.
    pub(crate) fn message(&self, sent: &NewMessage) -> StoredMessage {
        StoredMessage {
            id: self.message_id,
            chat_id: sent.chat_id,
            sender_id: sent.sender_id,
            request_id: Some(sent.request_id.id()),
            text: sent.text.as_str().to_owned(),
            created_at: self.created_at,
            updated_at: self.created_at,
            seq: self.seq,
            changed_seq: None,
            deleted: false,
            extra: self.extra.clone(),
        }
    }
}

/// Returns the error of one item of a call.
pub(super) fn error_of(Refusal { code, detail, reason, retry_after_ms }: Refusal) -> ApiError {
    ApiError::from_remote(&code, detail).with_remote_reason(reason.as_deref(), retry_after_ms)
}

impl TryFrom<ProtoUserChat> for UserChat {
    type Error = ApiError;

    fn try_from(chat: ProtoUserChat) -> Result<Self, ApiError> {
        let (class, role, send_role) = (to_class(chat.class()), to_role(chat.role()), to_role(chat.send_role()));
        // Versions without groups send no class and no `presence_ids`.
        let has_presence_ids = chat.class() != WireClass::Unspecified;
        let presence_ids = if has_presence_ids { &chat.presence_ids } else { &chat.partner_ids };
        Ok(Self {
            id: parse(&chat.chat_id)?,
            last_seq: chat.last_seq,
            partner: chat.partner_ids.first().map(|id| parse(id)).transpose()?,
            presence: presence_ids.iter().map(|id| parse(id)).collect::<Result<_, _>>()?,
            from_seq: chat.from_seq,
            class,
            role,
            joined_seq: chat.joined_seq,
            send_role,
            restricted_until: chat.restricted_until_micros.map(parse_time).transpose()?,
            access_version: chat.access_version,
        })
    }
}

/// Converts the class of a chat. Versions without groups send none.
pub(super) const fn to_class(class: WireClass) -> ChatClass {
    match class {
        WireClass::Unspecified | WireClass::Small => ChatClass::Small,
        WireClass::Medium => ChatClass::Medium,
        WireClass::Large => ChatClass::Large,
    }
}

/// Converts the role of a member. Versions without groups send none.
const fn to_role(role: WireRole) -> Role {
    match role {
        WireRole::Unspecified | WireRole::Member => Role::Member,
        WireRole::Admin => Role::Admin,
        WireRole::Owner => Role::Owner,
    }
}

impl TryFrom<ChatEvent> for StoredEvent {
    type Error = ApiError;

    fn try_from(event: ChatEvent) -> Result<Self, ApiError> {
        match event.event {
            Some(Event::MessageCreated(message)) => StoredMessage::try_from(message).map(Self::Message),
            Some(Event::Change(change)) => StoredChange::from_wire(event.seq, change).map(Self::Change),
            None => Ok(Self::Unknown { seq: event.seq }),
        }
    }
}

impl StoredChange {
    pub(super) fn from_wire(seq: Seq, change: Change) -> Result<Self, ApiError> {
        let Change { actor_id, request_id, frame, actor_frame, hidden, membership } = change;
        let request_id = parse_optional(&request_id)?;
        let actor_frame = actor_frame.map(parse_frame).transpose()?;
        let hidden = hidden.map(HiddenJson::from_wire).transpose()?;
        let membership = membership.as_ref().map(parse_membership).transpose()?;
        let (actor, frame) = (parse(&actor_id)?, parse_frame(frame)?);
        Ok(Self { seq, actor, request_id, frame, actor_frame, hidden, membership })
    }
}

impl HiddenJson {
    fn from_wire(hidden: WireHidden) -> Result<Self, ApiError> {
        let WireHidden { frame, target_seq, for_members } = hidden;
        let target_seq = Some(target_seq).filter(|seq| *seq > 0);
        Ok(Self { frame: parse_frame(frame)?, target_seq, for_members })
    }
}

fn parse_membership(change: &WireMembershipChange) -> Result<MembershipChange, ApiError> {
    let roles = change.roles.iter().map(|member| Ok((parse(&member.user_id)?, to_role(member.role()))));
    Ok(MembershipChange {
        removed: change.removed_ids.iter().map(|id| parse(id)).collect::<Result<_, _>>()?,
        reason: RemovalReason::from_name(&change.reason),
        closes: change.closes,
        roles: roles.collect::<Result<_, ApiError>>()?,
    })
}

pub(super) fn parse_frame(frame: Vec<u8>) -> Result<ByteString, ApiError> {
    ByteString::try_from(frame).map_err(|_| ApiError::internal("chat-service sent a frame that is not UTF-8"))
}

impl NewChange {
    pub(super) fn to_wire(&self) -> WireChange {
        match self {
            Self::Edit { message_id, text, given } => WireChange::Edit(EditMessage {
                message_id: message_id.to_string(),
                text: text.as_str().to_owned(),
                extra_json: given.as_str().to_owned(),
            }),
            Self::Delete { message_ids } => WireChange::Delete(DeleteMessages {
                message_ids: message_ids.iter().map(ToString::to_string).collect(),
            }),
            Self::React { message_id, emoji, on } => {
                WireChange::React(React { message_id: message_id.to_string(), emoji: emoji.clone(), on: *on })
            }
        }
    }
}

impl TryFrom<ProtoMessage> for StoredMessage {
    type Error = ApiError;

    fn try_from(message: ProtoMessage) -> Result<Self, ApiError> {
        Ok(Self {
            id: parse(&message.id)?,
            chat_id: parse(&message.chat_id)?,
            sender_id: parse(&message.sender_id)?,
            request_id: parse_optional(&message.request_id)?,
            text: message.text,
            created_at: parse_time(message.created_at_micros)?,
            updated_at: parse_time(message.updated_at_micros)?,
            seq: message.seq,
            changed_seq: message.changed_seq,
            deleted: message.deleted,
            extra: parse_extra(message.extra_json)?,
        })
    }
}

/// Reads a JSON object that may be absent.
pub(crate) fn parse_extra(json: String) -> Result<Option<Box<RawValue>>, ApiError> {
    if json.is_empty() {
        return Ok(None);
    }
    let extra = RawValue::from_string(json);
    extra.map(Some).map_err(|_| ApiError::internal("chat-service sent members of a message that are not JSON"))
}

pub(super) fn parse<T: std::str::FromStr<Err = uuid::Error>>(id: &str) -> Result<T, ApiError> {
    id.parse().map_err(|_| ApiError::internal("chat-service sent an ID that is not a UUID"))
}

/// Parses an ID that may be empty.
fn parse_optional<T: std::str::FromStr<Err = uuid::Error>>(id: &str) -> Result<Option<T>, ApiError> {
    if id.is_empty() { Ok(None) } else { parse(id).map(Some) }
}

pub(super) fn parse_time(micros: i64) -> Result<DateTime<Utc>, ApiError> {
    time::from_micros(micros).ok_or_else(|| ApiError::internal("chat-service answered with a time out of range"))
}
