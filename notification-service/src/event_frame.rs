//! Stored events as frames for the sockets of the members.

use neonchat_common::ids::{Seq, UserId};

use crate::{
    chat_service::{StoredChange, StoredEvent, StoredMessage},
    hub::{EventFrames, Request},
    protocol::{Frame, Message, ServerFrame},
};

/// A stored event with its frame.
#[derive(Debug)]
pub(crate) struct EventFrame {
    pub(crate) seq: Seq,
    /// The user who caused the event; `None` for a kind that this version does not know.
    pub(crate) actor: Option<UserId>,
    /// The request of the actor that stored it, if it is known.
    pub(crate) request: Option<Request>,
    pub(crate) frames: EventFrames,
}

impl From<StoredEvent> for EventFrame {
    fn from(event: StoredEvent) -> Self {
        match event {
            StoredEvent::Message(message) => Self {
                seq: message.seq,
                actor: Some(message.sender_id),
                request: message.request_id.map(Request::Message),
                frames: EventFrames::of_message(new_message(&message).encode(), message.request_id),
            },
            StoredEvent::Change(StoredChange { seq, actor, request_id, frame, actor_frame }) => Self {
                seq,
                actor: Some(actor),
                request: request_id.map(Request::Change),
                frames: EventFrames::of_change(Frame::opaque(frame), actor_frame.map(Frame::opaque)),
            },
            StoredEvent::Unknown { seq } => Self { seq, actor: None, request: None, frames: EventFrames::unknown() },
        }
    }
}

/// Returns the frame of a message for the sockets of members other than the sender.
pub(crate) fn new_message(message: &StoredMessage) -> ServerFrame<'_> {
    let StoredMessage { id, chat_id, sender_id, ref text, created_at, updated_at, seq, changed_seq, deleted, .. } =
        *message;
    let message = Message { id, chat_id, sender_id, text, created_at, updated_at, seq, changed_seq, deleted };
    ServerFrame::NewMessage { chat_id, seq, message }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use neonchat_common::ids::{ChatId, MessageId, SendId};
    use neonchat_proto::chat::v1::{Change, ChatEvent, chat_event::Event};
    use prost::Message as _;
    use serde_json::{Value, json};

    use super::*;

    fn convert(event: ChatEvent) -> EventFrame {
        StoredEvent::try_from(event).expect("convert event").into()
    }

    #[test]
    fn keeps_frame_of_change_event() {
        let json = r#"{"type":"message_edited","chat_id":"x","seq":7}"#;
        let (actor, request) = (UserId::new(), SendId::new());
        let (actor_id, request_id) = (actor.to_string(), request.to_string());
        let change = Change { actor_id, request_id, frame: json.into(), actor_frame: Some(b"{}".into()) };
        let event = convert(ChatEvent { seq: 7, event: Some(Event::Change(change)) });
        assert_eq!((event.seq, event.actor, event.request), (7, Some(actor), Some(Request::Change(request))));
        let frame = event.frames.get(false).expect("frame");
        assert_eq!((frame.as_str(), frame.kind()), (json, "message_edited"));
        assert_eq!(event.frames.get(true).expect("frame of the actor").as_str(), "{}");
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
        };
        for deleted in [false, true] {
            let event = EventFrame::from(StoredEvent::Message(StoredMessage { deleted, ..message.clone() }));
            let [others, actor] = [false, true].map(|is_actor| event.frames.get(is_actor).expect("frame"));
            let mut expected: Value = serde_json::from_str(others.as_str()).expect("parse frame");
            assert_eq!(expected["message"].get("request_id"), None);
            expected["message"]["request_id"] = json!(request_id);
            assert_eq!(serde_json::from_str::<Value>(actor.as_str()).expect("parse frame"), expected);
            assert_eq!((actor.kind(), others.kind()), ("new_message", "new_message"));
            assert!(std::ptr::eq(event.frames.get(true).expect("frame"), actor), "the frame is created once");
        }
    }

    #[test]
    fn keeps_seq_of_unknown_event_kind() {
        // Field 9, of a later version, and field 1, `seq`.
        let bytes = [0x4a, 0x01, b'x', 0x08, 0x07];
        let event = convert(ChatEvent::decode(bytes.as_slice()).expect("decode event"));
        assert_eq!((event.seq, event.actor, event.frames.get(true)), (7, None, None));
    }
}
