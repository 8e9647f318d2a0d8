//! Stored events as frames for the sockets of the members.

use neonchat_common::ids::{SendId, Seq, UserId};

use crate::{
    chat_service::{StoredChange, StoredEvent, StoredMessage},
    protocol::{Frame, Message, ServerFrame},
};

/// A stored event with its frame.
#[derive(Debug)]
pub(crate) struct EventFrame {
    pub(crate) seq: Seq,
    /// The user who caused the event; `None` for a kind that this version does not know.
    pub(crate) actor: Option<UserId>,
    /// The `request_id` of the actor, if there is one.
    pub(crate) request_id: Option<SendId>,
    pub(crate) is_message: bool,
    /// The frame for the members' sockets; `None` for a kind that this version cannot deliver.
    pub(crate) frame: Option<Frame>,
    /// The frame for the actor's sockets, if they get more.
    pub(crate) actor_frame: Option<Frame>,
}

impl From<StoredEvent> for EventFrame {
    fn from(event: StoredEvent) -> Self {
        match event {
            StoredEvent::Message(message) => {
                let frame = Some(new_message(&message).encode());
                Self {
                    seq: message.seq,
                    actor: Some(message.sender_id),
                    request_id: message.request_id,
                    is_message: true,
                    frame,
                    actor_frame: None,
                }
            }
            StoredEvent::Change(StoredChange { seq, actor, request_id, frame, actor_frame }) => Self {
                seq,
                actor: Some(actor),
                request_id,
                is_message: false,
                frame: Some(Frame::opaque(frame)),
                actor_frame: actor_frame.map(Frame::opaque),
            },
            StoredEvent::Unknown { seq } => {
                Self { seq, actor: None, request_id: None, is_message: false, frame: None, actor_frame: None }
            }
        }
    }
}

/// Returns the frame of a message for the members' sockets.
pub(crate) fn new_message(message: &StoredMessage) -> ServerFrame<'_> {
    let StoredMessage { id, chat_id, sender_id, ref text, created_at, updated_at, seq, changed_seq, deleted, .. } =
        *message;
    let message = Message { id, chat_id, sender_id, text, created_at, updated_at, seq, changed_seq, deleted };
    ServerFrame::NewMessage { chat_id, seq, message }
}

#[cfg(test)]
mod tests {
    use neonchat_proto::chat::v1::{Change, ChatEvent, chat_event::Event};
    use prost::Message as _;

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
        assert_eq!((event.seq, event.actor, event.request_id), (7, Some(actor), Some(request)));
        let frame = event.frame.expect("frame");
        assert_eq!((frame.as_str(), frame.kind()), (json, "message_edited"));
        assert_eq!(event.actor_frame.expect("frame of the actor").as_str(), "{}");
    }

    #[test]
    fn keeps_seq_of_unknown_event_kind() {
        // Field 9, of a later version, and field 1, `seq`.
        let bytes = [0x4a, 0x01, b'x', 0x08, 0x07];
        let event = convert(ChatEvent::decode(bytes.as_slice()).expect("decode event"));
        assert_eq!((event.seq, event.actor, event.frame), (7, None, None));
    }
}
