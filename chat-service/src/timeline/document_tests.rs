//! Tests the examples of docs/PROTOCOL.md against the frames that this service encodes.

use neonchat_common::{
    chat::Role,
    ids::{ChatId, MessageId, Seq, UserId},
    time,
};
use serde_json::json;
use uuid::Uuid;

use super::model::{
    AddedBody, ChangedBody, ChatClosedEvent, ChatClosedEventType, ChatProfile, ChatUpdatedEvent, ChatUpdatedEventType,
    DeletedMessage, Event, MemberChange, MemberChangedEvent, MemberChangedEventType, MembersAddedEvent,
    MembersAddedEventType, MembersRemovedEvent, MembersRemovedEventType, MessageEditedEvent, MessageEditedEventType,
    MessagesDeletedEvent, MessagesDeletedEventType, Origin, RemovedBody, StoredEvent,
};
use crate::{
    messages::{
        extra::{Extra, Reactions},
        model::Message,
    },
    rights::{ChatKind, ChatSettings, ShownSettings},
};

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
        expires_at: None,
        extra: Extra::default(),
        reactions: Reactions::default(),
        my_reactions: Vec::new(),
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
    let at = |minutes: i64| time::from_micros(1_767_323_045_000_006 + minutes * 60_000_000).expect("time in range");
    let reactions = serde_json::from_value(json!([{ "emoji": "👍", "count": 2, "recent": [by] }]));
    let reacted = Event::reactions(chat_id, 45, (id, 42), reactions.expect("read reactions"));
    let pinned = Event::pinned(Origin { chat_id, seq: 46, by, at: at(4) }, id, true);
    for event in [Event::Edited(edited), Event::Deleted(deleted), reacted, pinned] {
        assert_documented(by, event);
    }
}

#[test]
fn protocol_has_frames_of_groups_as_they_are_encoded() {
    let chat_id: ChatId = "01890a5d-ac96-774b-bcce-b302099a8059".parse().expect("parse UUID");
    let by: UserId = "7c9e6679-7425-40de-944b-e07fc1f90ae7".parse().expect("parse UUID");
    let bob: UserId = "9b2d7c1e-3f4a-4c5d-8e6f-0a1b2c3d4e5f".parse().expect("parse UUID");
    let origin = |seq: Seq| {
        let at = time::from_micros(1_767_323_045_000_006 + seq * 60_000_000).expect("time in range");
        Origin { chat_id, seq, by, at }
    };
    let added = MembersAddedEvent {
        kind: MembersAddedEventType::MembersAdded,
        origin: origin(13),
        body: AddedBody { user_ids: vec![bob], via: "add".to_owned(), member_count: 4 },
    };
    let Origin { seq, at, .. } = origin(14);
    let body = ChangedBody { user_id: bob, role: Role::Admin, restricted_until: None, former: None };
    let changed = MemberChangedEvent {
        kind: MemberChangedEventType::MemberChanged,
        chat_id,
        seq,
        change: Some(MemberChange { by, at, body }),
    };
    let updated = ChatUpdatedEvent {
        kind: ChatUpdatedEventType::ChatUpdated,
        origin: origin(15),
        profile: ChatProfile {
            title: Some("Team".to_owned()),
            description: Some("About us".to_owned()),
            handle: Some(None),
            settings: ShownSettings::Group(ChatSettings::of_new(ChatKind::Group, false, None).into()),
        },
    };
    let removed = MembersRemovedEvent {
        kind: MembersRemovedEventType::MembersRemoved,
        origin: origin(16),
        body: RemovedBody { user_ids: vec![bob], how: "kicked".to_owned(), member_count: 3 },
    };
    let closed = ChatClosedEvent { kind: ChatClosedEventType::ChatClosed, origin: origin(17) };
    for event in [
        Event::MembersAdded(added),
        Event::MembersRemoved(removed),
        Event::MemberChanged(changed),
        Event::ChatUpdated(Box::new(updated)),
        Event::ChatClosed(closed),
    ] {
        assert_documented(by, event);
    }
}

#[test]
fn protocol_has_the_frame_of_a_member_whom_others_may_not_know() {
    let chat_id: ChatId = "01890a5d-ac96-774b-bcce-b302099a8059".parse().expect("parse UUID");
    let (by, user_id) = (UserId::new(), UserId::new());
    let at = time::from_micros(0).expect("time in range");
    let body = ChangedBody { user_id, role: Role::Member, restricted_until: Some(at), former: None };
    let event = Event::MemberChanged(MemberChangedEvent {
        kind: MemberChangedEventType::MemberChanged,
        chat_id,
        seq: 14,
        change: Some(MemberChange { by, at, body }),
    });
    let frames = StoredEvent { actor: by, request_id: None, chat_kind: Some(ChatKind::Channel), event }.frames();
    let frame = frames.hidden.as_ref().expect("hide event").frame.get();
    assert!(PROTOCOL.contains(&format!("`{frame}`")), "{frame}");
}

fn assert_documented(actor: UserId, event: Event) {
    let frames = StoredEvent { actor, request_id: None, chat_kind: None, event }.frames();
    let frame = frames.for_others.get();
    assert!(PROTOCOL.contains(&format!("```json\n{frame}\n```")), "{frame}");
}
