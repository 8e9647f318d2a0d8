//! What a connection got of a chat around a breach, so that its cause can be found without a second run.

use std::fmt;

use neonchat_common::ids::{ChatId, Seq};

use super::evidence::{Connection, Event};

/// The number of entries that are shown on each side of the breach.
const LENGTH: usize = 10;

/// The events of a chat on a connection around one `seq`.
pub(super) struct Trail(Vec<Entry>);

/// An event, or durable events in a row.
struct Entry {
    what: String,
    /// The first and the last `seq` of durable events.
    seqs: Option<(Seq, Seq)>,
}

impl Trail {
    /// Returns the events around the last with this `seq`, or else around the first with a higher one.
    pub(super) fn around(connection: &Connection, chat: ChatId, seq: Seq) -> Self {
        let mut entries: Vec<Entry> = Vec::new();
        for event in connection.events.iter().filter(|event| concerns(event, chat)) {
            let seqs = event.place().map(|(_, seq)| (seq, seq));
            match (entries.last_mut().and_then(|entry| entry.seqs.as_mut()), seqs) {
                (Some((_, last)), Some((next, _))) if *last + 1 == next => *last = next,
                _ => entries.push(Entry { what: describe(event, chat), seqs }),
            }
        }
        let contains = |entry: &Entry| entry.seqs.is_some_and(|(first, last)| (first..=last).contains(&seq));
        let breach = entries.iter().rposition(contains);
        let is_after = |entry: &Entry| entry.seqs.is_some_and(|(first, _)| first > seq);
        let breach = breach.or_else(|| entries.iter().position(is_after)).unwrap_or(entries.len());
        entries.truncate(breach + 1 + LENGTH);
        entries.drain(..breach.saturating_sub(LENGTH));
        Self(entries)
    }
}

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = |Entry { what, seqs }: &Entry| match seqs {
            Some((first, last)) if first == last => format!("event {first}"),
            Some((first, last)) => format!("events {first} to {last}"),
            None => what.clone(),
        };
        f.write_str(&self.0.iter().map(entry).collect::<Vec<_>>().join(", "))
    }
}

fn concerns(event: &Event, other: ChatId) -> bool {
    match event {
        Event::Sync { cursors } => cursors.contains_key(&other),
        Event::Acked { ack, .. } => ack.chat == other,
        Event::Message(message) => message.chat == other,
        Event::Changed(change) => change.chat == other,
        Event::Joined { chat, .. } | Event::Left { chat } | Event::Lagged { chat, .. } | Event::Synced { chat, .. } => {
            *chat == other
        }
        Event::Sent { .. } | Event::Seen { .. } => false,
    }
}

fn describe(event: &Event, chat: ChatId) -> String {
    match event {
        Event::Sync { cursors } => format!("sync {}", cursors.get(&chat).unwrap_or(&0)),
        Event::Acked { ack, .. } => format!("ack {}{}", ack.seq, if ack.duplicate { " duplicate" } else { "" }),
        Event::Joined { head, .. } => format!("chat_created {head}"),
        Event::Left { .. } => "chat_removed".to_owned(),
        Event::Lagged { from, head, .. } => format!("lagged {from} to {head}"),
        Event::Synced { first, head, complete, .. } => {
            format!("synced {first} to {head}{}", if *complete { "" } else { " incomplete" })
        }
        Event::Message(_) | Event::Changed(_) | Event::Sent { .. } | Event::Seen { .. } => String::new(),
    }
}
