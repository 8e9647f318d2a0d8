//! The events of groups and channels, from their rows.

use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    event_kind::EventKind,
    rights::{ChatKind, ChatSettings, ShownSettings},
    timeline::model::{
        ChatClosedEvent, ChatClosedEventType, ChatProfile, ChatUpdatedEvent, ChatUpdatedEventType, Event, MemberChange,
        MemberChangedEvent, MemberChangedEventType, MembersAddedEvent, MembersAddedEventType, MembersRemovedEvent,
        MembersRemovedEventType, Origin,
    },
};

/// Returns the event of a row; `None` if it is of another kind, or cannot be read.
pub(super) fn event(kind: EventKind, origin: Origin, body: Option<&str>) -> Option<Event> {
    Some(match kind {
        EventKind::Edited | EventKind::Deleted | EventKind::Reactions | EventKind::Pinned | EventKind::Unpinned => {
            return None;
        }
        EventKind::MembersAdded => Event::MembersAdded(MembersAddedEvent {
            kind: MembersAddedEventType::MembersAdded,
            origin,
            body: read(origin, body)?,
        }),
        EventKind::MembersRemoved => Event::MembersRemoved(MembersRemovedEvent {
            kind: MembersRemovedEventType::MembersRemoved,
            origin,
            body: read(origin, body)?,
        }),
        EventKind::MemberChanged => {
            let Origin { chat_id, seq, by, at } = origin;
            let change = Some(MemberChange { by, at, body: read(origin, body)? });
            let kind = MemberChangedEventType::MemberChanged;
            Event::MemberChanged(MemberChangedEvent { kind, chat_id, seq, change })
        }
        EventKind::ChatUpdated => Event::ChatUpdated(Box::new(ChatUpdatedEvent {
            kind: ChatUpdatedEventType::ChatUpdated,
            origin,
            profile: read::<StoredProfile>(origin, body)?.profile(origin)?,
        })),
        EventKind::ChatClosed => Event::ChatClosed(ChatClosedEvent { kind: ChatClosedEventType::ChatClosed, origin }),
    })
}

/// The profile of a chat, as the statement reads it.
#[derive(Deserialize)]
struct StoredProfile {
    kind: ChatKind,
    /// Absent in a direct chat, as the following ones.
    title: Option<String>,
    description: Option<String>,
    handle: Option<String>,
    settings: Option<String>,
    slow_s: i32,
    ttl_s: i32,
}

impl StoredProfile {
    fn profile(self, origin: Origin) -> Option<ChatProfile> {
        let Self { kind, title, description, handle, settings, slow_s, ttl_s } = self;
        let Some(settings) = settings else {
            return Some(ChatProfile { title, description, handle: None, settings: ShownSettings::direct(ttl_s) });
        };
        let settings = ChatSettings::from_stored(&settings, kind, handle.is_some(), slow_s);
        let settings = settings.inspect_err(|error| log_unreadable(origin, error)).ok()?.with_ttl_s(ttl_s);
        Some(ChatProfile { title, description, handle: Some(handle), settings: ShownSettings::Group(settings.into()) })
    }
}

fn log_unreadable(origin: Origin, error: &serde_json::Error) {
    tracing::error!(chat.id = %origin.chat_id, event.seq = origin.seq, error.cause = %error, "event unreadable");
}

pub(super) fn read<T: DeserializeOwned>(origin: Origin, body: Option<&str>) -> Option<T> {
    serde_json::from_str(body.unwrap_or_default()).inspect_err(|error| log_unreadable(origin, error)).ok()
}
