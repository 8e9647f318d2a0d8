//! What a connection got of a chat around a breach, so that its cause can be found without a second run.

use std::fmt;

use neonchat_common::ids::{ChatId, Seq};

use super::evidence::{Connection, Event};

/// The number of entries that are shown on each side of the breach.
const LENGTH: usize = 10;

/// The events of a chat on a connection around one `seq`.
pub(super) struct Trail(Vec<Entry>);

enum Entry {
    /// Durable events in a row: the first and the last `seq`.
    Events(Seq, Seq),
    /// Another event.
    Other(String),
}

impl Entry {
    fn is_of(&self, is_wanted: impl FnOnce(Seq, Seq) -> bool) -> bool {
        matches!(self, Self::Events(first, last) if is_wanted(*first, *last))
    }
}

impl Trail {
    /// Returns the events around the last with this `seq`, or else around the first with a higher one.
    pub(super) fn around(connection: &Connection, chat: ChatId, seq: Seq) -> Self {
        let mut entries: Vec<Entry> = Vec::new();
        for event in &connection.events {
            match (event.place(), entries.last_mut()) {
                (Some((other, _)), _) if other != chat => {}
                (Some((_, seq)), Some(Entry::Events(_, last))) if *last + 1 == seq => *last = seq,
                (Some((_, seq)), _) => entries.push(Entry::Events(seq, seq)),
                (None, _) => entries.extend(describe(event, chat).map(Entry::Other)),
            }
        }
        let breach = entries.iter().rposition(|entry| entry.is_of(|first, last| (first..=last).contains(&seq)));
        let breach = breach.or_else(|| entries.iter().position(|entry| entry.is_of(|first, _| first > seq)));
        let breach = breach.unwrap_or(entries.len());
        entries.truncate(breach + 1 + LENGTH);
        entries.drain(..breach.saturating_sub(LENGTH));
        Self(entries)
    }
}

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = |entry: &Entry| match entry {
            Entry::Events(first, last) if first == last => format!("event {first}"),
            Entry::Events(first, last) => format!("events {first} to {last}"),
            Entry::Other(what) => what.clone(),
        };
        f.write_str(&self.0.iter().map(entry).collect::<Vec<_>>().join(", "))
    }
}

/// Describes an event without a place, if it concerns the chat.
fn describe(event: &Event, of: ChatId) -> Option<String> {
    match event {
        Event::Sync { cursors } => cursors.get(&of).map(|cursor| format!("sync {cursor}")),
        Event::Acked { ack, .. } if ack.chat == of => {
            Some(format!("ack {}{}", ack.seq, if ack.duplicate { " duplicate" } else { "" }))
        }
        Event::Joined { chat, head } if *chat == of => Some(format!("chat_created {head}")),
        Event::Left { chat } if *chat == of => Some("chat_removed".to_owned()),
        Event::Lagged { chat, from, head } if *chat == of => Some(format!("lagged {from} to {head}")),
        Event::Synced { chat, first, head, complete } if *chat == of => {
            Some(format!("synced {first} to {head}{}", if *complete { "" } else { " incomplete" }))
        }
        _ => None,
    }
}
