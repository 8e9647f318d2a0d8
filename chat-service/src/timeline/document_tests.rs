//! Tests the examples of docs/PROTOCOL.md against the frames that this service encodes.

use neonchat_common::{
    ids::{ChatId, MessageId, UserId},
    time,
};
use uuid::Uuid;

use super::model::{
    DeletedMessage, Event, MessageEditedEvent, MessageEditedEventType, MessagesDeletedEvent, MessagesDeletedEventType,
    StoredEvent,
};
use crate::messages::model::Message;

const PROTOCOL: &str = include_str!("../../../docs/PROTOCOL.md");

#[test]
fn protocol_has_frames_of_changes_as_they_are_encoded() {
    let chat_id: ChatId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().expect("parse UUID");
    let id: MessageId = "01890a5d-ac96-774b-bcce-b302099a8058".parse().expect("parse UUID");
    let by: UserId = "7c9e6679-7425-40de-944b-e07fc1f90ae7".parse().expect("parse UUID");
    let [created_at, edited_at, deleted_at] =
        [0, 60, 120].map(|s| time::from_micros(1_767_323_045_000_006 + s * 1_000_000).expect("time in range"));
    let message = Message {
        id,
        chat_id,
        sender_id: by,
        // The frame for the others does not have it.
        request_id: Some(Uuid::new_v4()),
        text: "Привет, Боб!".to_owned(),
        created_at,
        updated_at: edited_at,
        seq: 42,
        changed_seq: Some(43),
        is_deleted: false,
    };
    let edited = MessageEditedEvent {
        kind: MessageEditedEventType::MessageEdited,
        chat_id,
        seq: 43,
        by,
        at: edited_at,
        message: Some(message),
        message_id: None,
        superseded: None,
    };
    let deleted = MessagesDeletedEvent {
        kind: MessagesDeletedEventType::MessagesDeleted,
        chat_id,
        seq: 44,
        by,
        at: deleted_at,
        messages: vec![DeletedMessage { id, seq: 42 }],
    };
    for event in [Event::Edited(edited), Event::Deleted(deleted)] {
        let frames = StoredEvent { actor: by, request_id: None, event }.frames();
        let frame = frames.for_others.get();
        assert!(PROTOCOL.contains(&format!("```json\n{frame}\n```")), "{frame}");
    }
}
