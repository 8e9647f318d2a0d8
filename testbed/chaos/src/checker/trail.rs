//! What a connection got of a chat before a breach, so that its cause can be found without a second run.

use std::fmt;

use neonchat_common::ids::{ChatId, Seq};

use super::evidence::{Connection, Event};

/// The number of events before the breach that are shown.
const LENGTH: usize = 12;

/// The last events of a chat on a connection, up to one `seq`.
pub(super) struct Trail(Vec<String>);

impl Trail {
    /// Returns the events up to the last with this `seq`, or else up to the first with a higher one.
    pub(super) fn before(connection: &Connection, chat: ChatId, seq: Seq) -> Self {
        let events: Vec<_> = connection.events.iter().filter(|event| concerns(event, chat)).collect();
        let place = |event: &&Event| event.place().map_or(0, |(_, seq)| seq);
        let end = events.iter().rposition(|event| place(event) == seq);
        let end =
            end.or_else(|| events.iter().position(|event| place(event) > seq)).map_or(events.len(), |end| end + 1);
        Self(events[end.saturating_sub(LENGTH)..end].iter().map(|event| describe(event, chat)).collect())
    }
}

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
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
        Event::Message(message) => format!("message {}", message.seq),
        Event::Changed(change) => format!("change {}", change.seq),
        Event::Joined { head, .. } => format!("chat_created {head}"),
        Event::Left { .. } => "chat_removed".to_owned(),
        Event::Lagged { from, head, .. } => format!("lagged {from} to {head}"),
        Event::Synced { first, head, complete, .. } => {
            format!("synced {first} to {head}{}", if *complete { "" } else { " incomplete" })
        }
        Event::Sent { .. } | Event::Seen { .. } => String::new(),
    }
}
