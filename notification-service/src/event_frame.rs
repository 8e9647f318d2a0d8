//! Stored events as frames for the sockets of the members.

use crate::{
    chat_service::{HiddenJson, StoredChange, StoredEvent, StoredMessage},
    hub::{DurableEvent, EventFrames, HiddenFrame, Request},
    protocol::{Frame, Members, Message, ServerFrame},
};

/// A stored event with its frames.
#[derive(Debug)]
pub(crate) struct EventFrame {
    pub(crate) event: DurableEvent,
    /// The request of the actor that stored it, if it is known.
    pub(crate) request: Option<Request>,
}

impl From<StoredEvent> for EventFrame {
    fn from(event: StoredEvent) -> Self {
        match event {
            StoredEvent::Message(message) => {
                let frames = EventFrames::of_message(new_message(&message).encode(), message.request_id);
                let expires_at = message.expires_at();
                Self {
                    event: DurableEvent {
                        expires_at,
                        ..DurableEvent::new(message.seq, Some(message.sender_id), frames)
                    },
                    request: message.request_id.map(Request::Message),
                }
            }
            StoredEvent::Change(change) => change.into(),
            StoredEvent::Unknown { seq } => {
                Self { event: DurableEvent::new(seq, None, EventFrames::unknown()), request: None }
            }
        }
    }
}

impl From<StoredChange> for EventFrame {
    fn from(change: StoredChange) -> Self {
        let StoredChange { seq, actor, request_id, frame, actor_frame, hidden, membership } = change;
        let hidden = hidden.map(|HiddenJson { frame, target_seq, for_members }| HiddenFrame {
            frame: Frame::opaque(frame),
            target_seq,
            for_members,
        });
        let frames = EventFrames::of_change(Frame::opaque(frame), actor_frame.map(Frame::opaque), hidden);
        let event = DurableEvent { membership, ..DurableEvent::new(seq, Some(actor), frames) };
        Self { event, request: request_id.map(Request::Change) }
    }
}

/// Returns the frame of a message for the sockets of members other than the sender.
pub(crate) fn new_message(message: &StoredMessage) -> ServerFrame<'_> {
    let &StoredMessage { chat_id, seq, .. } = message;
    ServerFrame::NewMessage { chat_id, seq, message: shown(message) }
}

/// Returns the message as members other than the sender see it.
pub(crate) fn shown(message: &StoredMessage) -> Message<'_> {
    let &StoredMessage { id, chat_id, sender_id, ref text, created_at, updated_at, seq, changed_seq, deleted, .. } =
        message;
    let extra = Members(message.extra.as_deref());
    let request_id = None;
    Message { id, chat_id, sender_id, text, created_at, updated_at, seq, changed_seq, deleted, extra, request_id }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use neonchat_common::{
        chat::{MembershipChange, RemovalReason, Role},
        ids::{ChatId, MessageId, SendId, UserId},
    };
    use neonchat_proto::chat::v1::{
        Change, ChatEvent, HiddenFrame as WireHidden, MemberRole, MembershipChange as WireChange, chat_event::Event,
    };
    use prost::Message as _;
    use serde_json::{Value, json, value::RawValue};

    use super::*;

    fn convert(event: ChatEvent) -> EventFrame {
        StoredEvent::try_from(event).expect("convert event").into()
    }

    #[test]
    fn keeps_frames_and_membership_of_change_event() {
        let json = r#"{"type":"message_edited","chat_id":"x","seq":7}"#;
        let (actor, request) = (UserId::new(), SendId::new());
        let (actor_id, request_id) = (actor.to_string(), request.to_string());
        let change = Change {
            actor_id,
            request_id,
            frame: json.into(),
            actor_frame: Some(b"{}".into()),
            hidden: Some(WireHidden { frame: b"[]".into(), target_seq: 0, for_members: true }),
            membership: Some(WireChange {
                removed_ids: vec![actor.to_string()],
                reason: "kicked".to_owned(),
                closes: false,
                roles: vec![MemberRole { user_id: actor.to_string(), role: 2 }],
            }),
        };
        let converted = convert(ChatEvent { seq: 7, event: Some(Event::Change(change)) });
        let event = converted.event;
        assert_eq!((event.seq, event.sender, converted.request), (7, Some(actor), Some(Request::Change(request))));
        let frame = event.frame_for(UserId::new(), 0, Role::Admin).expect("frame");
        assert_eq!((frame.as_str(), frame.kind()), (json, "message_edited"));
        assert_eq!(event.frame_for(actor, 0, Role::Member).expect("frame of the actor").as_str(), "{}");
        assert_eq!(event.frame_for(UserId::new(), 0, Role::Member).expect("hidden frame").as_str(), "[]");
        let change = MembershipChange {
            removed: vec![actor],
            reason: RemovalReason::Kicked,
            closes: false,
            roles: vec![(actor, Role::Admin)],
        };
        assert_eq!(event.membership, Some(change));
    }

    #[test]
    fn adds_request_id_to_message_of_its_sender() {
        let request_id = SendId::new();
        let message = StoredMessage {
            id: MessageId::new(),
            chat_id: ChatId::new(),
            sender_id: UserId::new(),
            request_id: Some(request_id),
            text: r#"}}, "{{"#.to_owned(),
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
            seq: 7,
            changed_seq: Some(8),
            deleted: false,
            extra: Some(RawValue::from_string(r#"{"silent":true,"mentions":["a"]}"#.to_owned()).expect("JSON")),
        };
        for deleted in [false, true] {
            let event = EventFrame::from(StoredEvent::Message(StoredMessage { deleted, ..message.clone() })).event;
            let [others, actor] =
                [UserId::new(), message.sender_id].map(|user| event.frame_for(user, 0, Role::Member).expect("frame"));
            let mut expected: Value = serde_json::from_str(others.as_str()).expect("parse frame");
            assert_eq!(expected["message"].get("request_id"), None);
            assert_eq!(
                (&expected["message"]["silent"], &expected["message"]["mentions"]),
                (&json!(true), &json!(["a"]))
            );
            expected["message"]["request_id"] = json!(request_id);
            assert_eq!(serde_json::from_str::<Value>(actor.as_str()).expect("parse frame"), expected);
            assert_eq!((actor.kind(), others.kind()), ("new_message", "new_message"));
            let again = event.frame_for(message.sender_id, 0, Role::Member).expect("frame");
            assert!(std::ptr::eq(again, actor), "the frame is created once");
        }
    }

    #[test]
    fn keeps_seq_of_unknown_event_kind() {
        // Field 9, of a later version, and field 1, `seq`.
        let bytes = [0x4a, 0x01, b'x', 0x08, 0x07];
        let event = convert(ChatEvent::decode(bytes.as_slice()).expect("decode event")).event;
        assert_eq!((event.seq, event.sender, event.frames.is_empty()), (7, None, true));
    }
}
