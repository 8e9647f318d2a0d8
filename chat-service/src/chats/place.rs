//! Cursors of the list of chats.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use neonchat_common::{ids::ChatId, time};

use super::model::ChatItem;
use crate::validation::ValidationError;

/// The place of a chat in the list: the pinned ones first, then the most recently active. As text, the cursor for the next page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListPlace {
    /// A pinned chat.
    Pinned(i16),
    /// Another one.
    Recent { updated_at: DateTime<Utc>, chat: ChatId },
}

impl ListPlace {
    /// Returns the place of a chat.
    pub(crate) fn of(item: &ChatItem) -> Self {
        item.prefs.pin_place.map_or(Self::Recent { updated_at: item.updated_at, chat: item.id }, Self::Pinned)
    }
}

impl fmt::Display for ListPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pinned(place) => write!(f, "{place}"),
            Self::Recent { updated_at, chat } => write!(f, "{}.{chat}", updated_at.timestamp_micros()),
        }
    }
}

impl FromStr for ListPlace {
    type Err = ValidationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let place = match text.split_once('.') {
            None => text.parse().ok().map(Self::Pinned),
            Some((updated_at, chat)) => updated_at
                .parse()
                .ok()
                .and_then(time::from_micros)
                .and_then(|updated_at| Some(Self::Recent { updated_at, chat: chat.parse().ok()? })),
        };
        place.ok_or_else(|| ValidationError::new("format", "should be the `next` of another page"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips() {
        let updated_at = time::from_micros(1_767_323_045_000_006).expect("time in range");
        for place in [ListPlace::Pinned(3), ListPlace::Recent { updated_at, chat: ChatId::new() }] {
            assert_eq!(place.to_string().parse().ok(), Some(place));
        }
        for text in ["", "x", "1.x", "x.00000000-0000-4000-8000-000000000000", "99999"] {
            assert!(text.parse::<ListPlace>().is_err(), "{text}");
        }
    }
}
