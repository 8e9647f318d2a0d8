//! Checks that a removal of the user is the last event of a chat on a connection, until the user joins again.

use std::collections::HashMap;

use neonchat_common::ids::{ChatId, Seq};

use super::{
    evidence::{Changed, Client, Connection, Event, What},
    memberships::Memberships,
    verdict::{Breach, Verdict},
};

/// What a connection has received of a chat.
#[derive(Debug, Default)]
struct Position {
    /// The last event.
    last: Seq,
    /// The user was removed by this event, or by a later one.
    removed: Option<Seq>,
}

pub(super) fn check(client: &Client, connection: &Connection, memberships: &Memberships, verdict: &mut Verdict) {
    let user = client.user;
    let mut chats: HashMap<ChatId, Position> = HashMap::new();
    for event in &connection.events {
        let (chat, seq) = match event {
            Event::Message(message) => (message.chat, message.seq),
            Event::Changed(change) => (change.chat, change.seq),
            Event::Lagged { chat, head, .. } => (*chat, *head),
            Event::Left { chat } => {
                let position = chats.entry(*chat).or_default();
                position.removed = Some(position.last);
                continue;
            }
            _ => continue,
        };
        let position = chats.entry(chat).or_default();
        let periods = memberships.get(chat, user);
        // Events of a chat of which the user never was a member are leaks.
        if periods.exist() && !periods.show_after(position.removed, seq) {
            let removed = position.removed;
            verdict.add(Breach::AfterRemoval, || {
                format!("{user} received {chat} #{seq}, but was no member then; told so after {removed:?}")
            });
        }
        position.last = position.last.max(seq);
        if let Event::Changed(Changed { what: What::Removed { users, .. }, .. }) = event
            && users.contains(&user)
        {
            position.removed = Some(seq);
        }
    }
}
