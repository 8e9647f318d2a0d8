//! Pins.

use chrono::{DateTime, Utc};
use neonchat_common::{
    ids::{ChatId, MessageId, SendId, Seq, UserId},
    time,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{event_kind::EventKind, messages::model::Message, timeline::model::StoredEvent};

/// The most pinned messages of a chat.
pub(crate) const MAX_PINS: i32 = 50;

/// A change of a pin, to be applied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewPin {
    pub(crate) chat: ChatId,
    pub(crate) user: UserId,
    pub(crate) message: MessageId,
    /// Whether the message is pinned, or not any more.
    pub(crate) is_on: bool,
    /// The idempotency key, if the client chose one.
    pub(crate) request_id: Option<SendId>,
}

impl NewPin {
    pub(super) const fn kind(&self) -> EventKind {
        if self.is_on { EventKind::Pinned } else { EventKind::Unpinned }
    }
}

/// The outcome of a change of a pin.
#[derive(Clone)]
pub(super) enum PinOutcome {
    /// It is committed, with this event.
    Applied(Box<StoredEvent>),
    /// It was committed before, by a request with the same `request_id`, as the event with this `seq`.
    Duplicate(Seq),
    /// The message is pinned already, or is not pinned.
    Unchanged,
}

/// The pinned messages of a chat, the last pinned first. Deleted ones are left out.
#[derive(Serialize, ToSchema)]
pub(crate) struct Pins {
    /// At most 50.
    pub(crate) pins: Vec<Pin>,
    /// Always `null`: there is one page.
    #[schema(required)]
    pub(crate) next: Option<String>,
}

/// A pinned message.
#[derive(Serialize, ToSchema)]
pub(crate) struct Pin {
    /// The message.
    pub(crate) message: Message,
    /// The id of the user who pinned it.
    pub(crate) by: UserId,
    /// When it was pinned.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub(crate) at: DateTime<Utc>,
}
