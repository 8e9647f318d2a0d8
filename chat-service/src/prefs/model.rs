//! What a member has set for themselves about a chat, as requests and answers describe it.

use chrono::{DateTime, Utc};
use neonchat_common::{
    draft::DraftText,
    ids::{ChatId, MessageId, Seq},
    time,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The last place of a pinned chat.
pub(crate) const MAX_PIN_PLACE: i16 = 20;

/// The longest name of a folder, in characters.
pub(crate) const MAX_FOLDER: usize = 64;

/// Of which messages a client notifies the member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[repr(i16)]
pub(crate) enum Level {
    /// Of all.
    #[default]
    All = 0,
    /// Of those that mention the member.
    Mentions = 1,
    /// Of none.
    None = 2,
}

impl Level {
    /// Returns the level that `chat_prefs.level` stores as this number.
    pub(crate) fn from_number(number: i16) -> Option<Self> {
        [Self::All, Self::Mentions, Self::None].into_iter().find(|level| *level as i16 == number)
    }
}

/// What a member has set about a chat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ChatPrefs {
    /// Until then the chat is muted; `null` if it is not.
    #[serde(serialize_with = "time::serialize_option")]
    #[schema(required)]
    pub(crate) muted_until: Option<DateTime<Utc>>,
    /// Of which messages clients notify the member.
    pub(crate) level: Level,
    /// Whether the chat is archived. The list of chats leaves it out unless it is asked for.
    pub(crate) archived: bool,
    /// The place among the pinned chats, which precede the others; `null` if it is not pinned.
    #[schema(required, minimum = 1, maximum = 20)]
    pub(crate) pin_place: Option<i16>,
    /// Whether the member has marked the chat as unread. A receipt or a message of the member ends it.
    pub(crate) marked_unread: bool,
    /// The folder in which the member has put the chat; `null` if there is none.
    #[schema(required)]
    pub(crate) folder: Option<String>,
}

/// A message that a member has not sent yet.
// Without `Debug`: the text is in no log.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Draft {
    /// The text; empty if the draft was deleted.
    #[schema(max_length = 4096, examples("Hello"))]
    pub(crate) text: String,
    /// The id of the message that the draft answers, as the client gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) reply_to: Option<MessageId>,
    /// When the draft was last changed.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub(crate) updated_at: DateTime<Utc>,
}

/// What a request changes. Absent values stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::option_option, reason = "absent, null, or a value")]
pub(crate) struct PrefsPatch {
    pub(crate) muted_until: Option<Option<DateTime<Utc>>>,
    pub(crate) level: Option<Level>,
    pub(crate) archived: Option<bool>,
    pub(crate) pin_place: Option<Option<i16>>,
    pub(crate) marked_unread: Option<bool>,
    pub(crate) folder: Option<Option<String>>,
}

impl PrefsPatch {
    /// Returns the changed settings. A time that has passed ends the mute.
    pub(crate) fn apply(&self, to: &ChatPrefs, now: DateTime<Utc>) -> ChatPrefs {
        ChatPrefs {
            muted_until: self.muted_until.unwrap_or(to.muted_until).filter(|until| *until > now),
            level: self.level.unwrap_or(to.level),
            archived: self.archived.unwrap_or(to.archived),
            pin_place: self.pin_place.unwrap_or(to.pin_place),
            marked_unread: self.marked_unread.unwrap_or(to.marked_unread),
            folder: self.folder.clone().unwrap_or_else(|| to.folder.clone()),
        }
    }
}

/// A draft that a client wants to store.
#[derive(Clone, Debug)]
pub(crate) struct NewDraft {
    pub(crate) text: DraftText,
    pub(crate) reply_to: Option<MessageId>,
}

/// The outcome of storing a draft.
pub(crate) struct DraftUpdate {
    pub(crate) draft: Draft,
    /// Whether it is another one than before.
    pub(crate) is_changed: bool,
}

/// The beginning of the history for a member, and the number of messages that the member has not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Cleared {
    /// The `seq` of the first event that exists for the member.
    #[schema(value_type = i64, minimum = 1, examples(42))]
    pub(crate) first_seq: Seq,
    /// Number of messages by others after the read marker, without deleted ones.
    #[schema(minimum = 0, examples(0))]
    pub(crate) unread_count: i64,
}

/// What a user has not read, in all chats that are neither archived nor muted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct UnreadTotals {
    /// Number of chats with unread messages, or marked as unread.
    #[schema(minimum = 0, examples(2))]
    pub(crate) chats: i64,
    /// Number of unread messages.
    #[schema(minimum = 0, examples(7))]
    pub(crate) messages: i64,
    /// Number of unread messages that mention the user or all members, or answer a message of the user. A chat counts for at most 100.
    #[schema(minimum = 0, examples(0))]
    pub(crate) mentions: i64,
}

/// The frame that tells a member's sockets what the member has set about a chat.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ChatSettingsFrame {
    #[serde(rename = "type")]
    kind: &'static str,
    pub(crate) chat_id: ChatId,
    #[serde(flatten)]
    pub(crate) prefs: ChatPrefs,
    /// The `seq` of the first event that exists for the member.
    pub(crate) first_seq: Seq,
}

impl ChatSettingsFrame {
    pub(crate) const fn new(chat_id: ChatId, prefs: ChatPrefs, first_seq: Seq) -> Self {
        Self { kind: "chat_settings", chat_id, prefs, first_seq }
    }
}

/// The frame that tells a member's sockets of a draft.
// Without `Debug`: the text is in no log.
#[derive(Serialize)]
pub(crate) struct DraftFrame<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    chat_id: ChatId,
    #[serde(flatten)]
    draft: &'a Draft,
}

impl<'a> DraftFrame<'a> {
    pub(crate) const fn new(chat_id: ChatId, draft: &'a Draft) -> Self {
        Self { kind: "draft", chat_id, draft }
    }
}

#[cfg(test)]
mod document_tests {
    use super::*;

    const PROTOCOL: &str = include_str!("../../../docs/PROTOCOL.md");

    #[test]
    fn protocol_has_frames_for_one_user_as_they_are_encoded() {
        let chat_id: ChatId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().expect("parse UUID");
        let prefs = ChatPrefs {
            level: Level::Mentions,
            pin_place: Some(1),
            folder: Some("Work".to_owned()),
            ..ChatPrefs::default()
        };
        let draft = Draft {
            text: "Привет, я".to_owned(),
            reply_to: Some("01890a5d-ac96-774b-bcce-b302099a8058".parse().expect("parse UUID")),
            updated_at: time::from_micros(1_767_323_045_000_006).expect("time in range"),
        };
        let settings = serde_json::to_string(&ChatSettingsFrame::new(chat_id, prefs, 1)).expect("encode frame");
        let draft = serde_json::to_string(&DraftFrame::new(chat_id, &draft)).expect("encode frame");
        for frame in [settings, draft] {
            assert!(PROTOCOL.contains(&format!("```json\n{frame}\n```")), "{frame}");
        }
    }
}
