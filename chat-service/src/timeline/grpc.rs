//! The gRPC call for events.

use neonchat_common::{
    chat::{MembershipChange, Role},
    error::ApiError,
    ids::UserId,
};
use neonchat_proto::chat::v1::{
    Change as WireChange, ChatEvent, GetEventsRequest, GetEventsResponse, HiddenFrame as WireHiddenFrame, MemberRole,
    MembershipChange as WireMembershipChange, Message as WireMessage, chat_event,
};
use prost::Message as _;

use super::{
    model::{Event, EventsLimit, MessageEvent, StoredEvent},
    service::Timeline,
};
use crate::{
    messages::model::Message,
    notifier::Hidden,
    validation::{ValidationErrors, check_seq, parse_id},
};

/// The maximum size of the events in an answer, in bytes. gRPC clients refuse answers above 4 MiB.
const MAX_EVENTS_BYTES: usize = 3 * 1024 * 1024;

/// Returns the events of a chat after a `seq`: fewer than `limit` if they are long. `head_seq` shows whether more follow.
pub(crate) async fn events(timeline: &Timeline, request: GetEventsRequest) -> Result<GetEventsResponse, ApiError> {
    let mut invalid = ValidationErrors::default();
    let chat = invalid.check("chat_id", parse_id(&request.chat_id));
    let after = invalid.check("after", check_seq(request.after));
    let limit = invalid.check("limit", EventsLimit::from_wire(request.limit));
    let member = match &*request.member_id {
        "" => Some(None),
        id => invalid.check("member_id", parse_id(id)).map(Some),
    };
    let (Some(chat), Some(after), Some(limit), Some(member)) = (chat, after, limit, member) else {
        return Err(invalid.into());
    };
    let page = timeline.events_for_service(member, chat, after, limit).await?;
    let first_seq = page.first_seq().unwrap_or_default();
    let mut bytes = 0;
    let fits = |event: &ChatEvent| {
        bytes += event.encoded_len();
        bytes <= MAX_EVENTS_BYTES
    };
    let events = page.events.into_iter().map(to_wire).take_while(fits).collect();
    Ok(GetEventsResponse { events, head_seq: page.head_seq, first_seq })
}

fn to_wire(stored: StoredEvent) -> ChatEvent {
    let seq = stored.event.seq();
    let event = match stored.event {
        Event::Message(MessageEvent { message, .. }) => {
            Some(chat_event::Event::MessageCreated(message_to_wire(message)))
        }
        Event::Unknown(_) => None,
        _ => Some(chat_event::Event::Change(change_to_wire(&stored))),
    };
    ChatEvent { seq, event }
}

/// Encodes an event with its frames.
pub(crate) fn change_to_wire(stored: &StoredEvent) -> WireChange {
    let frames = stored.frames();
    WireChange {
        actor_id: stored.actor.to_string(),
        request_id: stored.request_id.map(|id| id.to_string()).unwrap_or_default(),
        frame: frames.for_others.get().to_owned().into_bytes(),
        actor_frame: frames.for_actor.map(|frame| frame.get().to_owned().into_bytes()),
        hidden: frames.hidden.map(hidden_to_wire),
        membership: stored.event.membership().as_ref().map(membership_to_wire),
    }
}

fn hidden_to_wire(Hidden { frame, target_seq, for_members }: Hidden) -> WireHiddenFrame {
    let frame = frame.get().to_owned().into_bytes();
    WireHiddenFrame { frame, target_seq: target_seq.unwrap_or_default(), for_members }
}

fn membership_to_wire(change: &MembershipChange) -> WireMembershipChange {
    let role = |(user, role): &(UserId, Role)| MemberRole { user_id: user.to_string(), role: *role as i32 };
    WireMembershipChange {
        removed_ids: change.removed.iter().map(ToString::to_string).collect(),
        reason: change.reason.as_str().to_owned(),
        closes: change.closes,
        roles: change.roles.iter().map(role).collect(),
    }
}

fn message_to_wire(message: Message) -> WireMessage {
    WireMessage {
        extra_json: message.members().unwrap_or_default(),
        id: message.id.to_string(),
        chat_id: message.chat_id.to_string(),
        sender_id: message.sender_id.to_string(),
        text: message.text,
        created_at_micros: message.created_at.timestamp_micros(),
        updated_at_micros: message.updated_at.timestamp_micros(),
        seq: message.seq,
        request_id: message.request_id.map(|id| id.to_string()).unwrap_or_default(),
        changed_seq: message.changed_seq,
        deleted: message.is_deleted,
    }
}
