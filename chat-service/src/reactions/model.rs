//! Reactions, and pages of them.

use std::fmt;

use chrono::{DateTime, Utc};
use neonchat_common::{
    chat::ChatClass,
    ids::{ChatId, MessageId, SendId, Seq, UserId},
    json, time,
};
use ring::digest::{SHA256, digest};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::emoji::Emoji;
use crate::{
    timeline::model::StoredEvent,
    validation::{PageLimit, ValidationError},
};

/// The most kinds of reactions to a message.
pub(crate) const MAX_KINDS: i32 = 20;

/// The most reactions of a user to a message. The schema of the database has it, too.
pub(crate) const MAX_OF_USER: i32 = 3;

/// A change of a reaction, to be applied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewReaction {
    pub(crate) chat: ChatId,
    pub(crate) user: UserId,
    pub(crate) message: MessageId,
    pub(crate) emoji: Emoji,
    /// Whether the user reacts, or takes the reaction back.
    pub(crate) is_on: bool,
    /// The idempotency key, if the client chose one.
    pub(crate) request_id: Option<SendId>,
}

impl NewReaction {
    /// Returns a digest of what is asked for, by which a repetition is recognized.
    pub(super) fn digest(&self) -> i64 {
        let Self { chat, message, emoji, is_on, .. } = self;
        let asked = format!("{chat} {message} {} {is_on}", emoji.as_str());
        let first = digest(&SHA256, asked.as_bytes()).as_ref().first_chunk().copied();
        i64::from_be_bytes(first.unwrap_or_default())
    }

    /// Returns the frame for the sockets of the user.
    pub(super) fn frame(&self) -> Box<RawValue> {
        let &Self { chat: chat_id, message: message_id, emoji, is_on: on, .. } = self;
        json::raw(&MyReaction { kind: MyReactionType::MyReaction, chat_id, message_id, emoji: emoji.as_str(), on })
    }
}

/// A user reacted to a message, or took a reaction back. Only the sockets of the user get it.
#[derive(Serialize)]
struct MyReaction {
    /// The type of the frame.
    #[serde(rename = "type")]
    kind: MyReactionType,
    /// The id of the chat.
    chat_id: ChatId,
    /// The id of the message.
    message_id: MessageId,
    /// The emoji.
    emoji: &'static str,
    /// Whether the user has the reaction.
    on: bool,
}

/// The `type` of a frame of a reaction of the user.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum MyReactionType {
    /// The only value.
    MyReaction,
}

/// The outcome of a change of a reaction.
#[derive(Clone)]
pub(crate) enum ReactionOutcome {
    /// It is committed, with this event.
    Applied(Box<StoredEvent>),
    /// It is committed, and its event follows together with those of others.
    Gathered,
    /// It was committed before, by a request with the same `request_id`: as the event with this `seq`, if it had one.
    Duplicate(Option<Seq>),
    /// The user has the reaction already, or does not have it.
    Unchanged,
}

/// Returns the time within which the changes of reactions to a message are gathered; `None` if each is an event.
pub(super) const fn window_s(class: ChatClass) -> Option<i32> {
    match class {
        ChatClass::Small => None,
        ChatClass::Medium => Some(1),
        ChatClass::Large => Some(5),
    }
}

/// The page size of reactions.
pub(crate) type ReactionsLimit = PageLimit<50, 100>;

/// Who reacted to a message, the newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReactionList {
    /// The reactions on this page.
    pub(crate) reactions: Vec<UserReaction>,
    /// The `after` of the next page; `null` on the last one.
    #[schema(required)]
    pub(crate) next: Option<String>,
}

/// A reaction of a user.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserReaction {
    /// The id of the user.
    pub(crate) user_id: UserId,
    /// The emoji.
    #[schema(examples("👍"))]
    pub(crate) emoji: String,
    /// When the user reacted.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub(crate) at: DateTime<Utc>,
}

/// The place of a reaction in the list of those to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReactionPlace {
    pub(crate) at: DateTime<Utc>,
    pub(crate) user: UserId,
    /// The number of the reaction among those of the user.
    pub(crate) slot: i16,
}

impl ReactionPlace {
    /// Parses what [`Display`](fmt::Display) writes.
    pub(crate) fn parse(text: &str) -> Result<Self, ValidationError> {
        let mut parts = text.split('.');
        let place = (|| {
            let at = time::from_micros(parts.next()?.parse().ok()?)?;
            Some(Self { at, user: parts.next()?.parse().ok()?, slot: parts.next()?.parse().ok()? })
        })();
        place
            .filter(|_| parts.next().is_none())
            .ok_or_else(|| ValidationError::new("format", "should be the next of the previous page"))
    }
}

impl fmt::Display for ReactionPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.at.timestamp_micros(), self.user, self.slot)
    }
}
