//! Scheduled messages, as requests and answers describe them.

use std::fmt;

use chrono::{DateTime, Utc};
use neonchat_common::{
    ids::{ChatId, MessageId, ScheduledId, SendId, Seq, UserId},
    message::MessageText,
    time,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    messages::{
        extra::Entity,
        given::{Given, digest_of},
    },
    validation::{PageLimit, ValidationError},
};

/// The page size of scheduled messages.
pub(crate) type ScheduledLimit = PageLimit<50, 100>;

/// A message to be scheduled.
// Without `Debug`, so that no log contains what it says.
#[derive(Clone)]
pub(crate) struct NewScheduled {
    pub(crate) chat: ChatId,
    pub(crate) sender: UserId,
    /// The idempotency key of the request, and of the message.
    pub(crate) request_id: SendId,
    pub(crate) send_at: DateTime<Utc>,
    pub(crate) body: Body,
}

/// What a scheduled message says, as it is stored.
// Without `Debug`, so that no log contains what it says.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Body {
    pub(crate) text: MessageText,
    #[serde(flatten)]
    pub(crate) given: Given,
}

impl NewScheduled {
    /// Returns a digest of the request, by which a repetition is recognized.
    pub(super) fn digest(&self) -> i64 {
        digest_of(&(&self.body, self.send_at.timestamp_micros()))
    }
}

/// The outcome of scheduling a message.
pub(super) enum Scheduling {
    /// It is new.
    New(ScheduledAt),
    /// An earlier request with its `request_id` scheduled it.
    Duplicate(ScheduledAt),
    /// An earlier request with its `request_id` scheduled it, and it has been sent.
    Sent(SentAt),
}

/// A scheduled message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScheduledAt {
    pub(crate) id: ScheduledId,
    pub(crate) send_at: DateTime<Utc>,
}

/// A scheduled message that has been sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentAt {
    pub(super) id: MessageId,
    pub(super) seq: Seq,
    pub(super) created_at: DateTime<Utc>,
}

/// A message that is sent later.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScheduledMessage {
    /// The id of the scheduled message. The message itself gets another one.
    pub(super) id: ScheduledId,
    /// When it is sent.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub(super) send_at: DateTime<Utc>,
    /// The idempotency key, which will be that of the message.
    pub(super) request_id: SendId,
    /// The text.
    #[schema(value_type = String, examples("Привет!"))]
    pub(super) text: MessageText,
    #[serde(flatten)]
    pub(super) given: Given,
}

/// The scheduled messages of a user in a chat, the next one first.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScheduledMessages {
    /// The messages on this page.
    pub(super) scheduled: Vec<ScheduledMessage>,
    /// The `after` of the next page; `null` on the last one.
    #[schema(required)]
    pub(super) next: Option<String>,
}

/// Which message is to be changed, and whose it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) user: UserId,
    pub(super) chat: ChatId,
    pub(super) id: ScheduledId,
}

/// What a request changes about a scheduled message. Absent values stay.
#[derive(Clone, Default)]
pub(super) struct ScheduledPatch {
    pub(super) send_at: Option<DateTime<Utc>>,
    /// The new text with its formatting.
    pub(super) text: Option<PatchedText>,
}

/// A new text with its formatting.
#[derive(Clone, Serialize)]
pub(super) struct PatchedText {
    pub(super) text: MessageText,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) entities: Option<Vec<Entity>>,
}

/// The place of a message in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) send_at: DateTime<Utc>,
    pub(super) id: ScheduledId,
}

impl Place {
    /// Parses what [`Display`](fmt::Display) writes.
    pub(super) fn parse(text: &str) -> Result<Self, ValidationError> {
        let place = text.split_once('.').and_then(|(send_at, id)| {
            Some(Self { send_at: time::from_micros(send_at.parse().ok()?)?, id: id.parse().ok()? })
        });
        place.ok_or_else(|| ValidationError::new("format", "should be the next of the previous page"))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.send_at.timestamp_micros(), self.id)
    }
}

/// A scheduled message that has to be sent now.
pub(super) struct Due {
    pub(super) id: ScheduledId,
    pub(super) chat: ChatId,
    pub(super) sender: UserId,
    pub(super) request_id: SendId,
    pub(super) send_at: DateTime<Utc>,
    /// See [`Body`].
    pub(super) body: Value,
    /// It was claimed before.
    pub(super) may_be_stored: bool,
}
