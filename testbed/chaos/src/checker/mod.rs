//! Checks the guarantees from the logs of the clients and the final history (`docs/TESTING.md`).
//!
//! It is a pure function of what each client sent, the answers, the events of each connection, and the final history by SQL
//! and over REST as each member. It knows nothing about the implementation of the services.

mod changes;
mod clients;
mod evidence;
mod history;
mod memberships;
mod progress;
mod reactions;
mod removals;
mod scheduled;
mod sends;
#[cfg(test)]
mod tests;
mod trail;
mod verdict;
mod versions;

pub use self::{
    evidence::{
        Ack, Action, Answer, CancelAnswer, Cancellation, Change, ChangeAnswer, ChangeKind, ChangeRow, Changed, Chat,
        Client, Connection, Durable, Event, Evidence, Fetched, Message, Moment, Reactor, Row, Send, Shown, Tally, View,
        What,
    },
    verdict::{Breach, Breaches, Figures, Verdict},
};

/// Checks a run that has settled: nothing is in flight, and every client had time to catch up.
#[must_use]
pub fn check(evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict::default();
    let sends = sends::Sends::of(evidence);
    let changes = changes::Changes::of(evidence);
    changes.check(evidence, &mut verdict);
    let memberships = memberships::Memberships::of(evidence, &changes, &mut verdict);
    sends.check(evidence, &memberships, &mut verdict);
    scheduled::check(evidence, &mut verdict);
    memberships.check(evidence, &mut verdict);
    reactions::check(evidence, &mut verdict);
    let versions = versions::Versions::of(evidence, &sends, &changes, &mut verdict);
    for (id, chat) in &evidence.chats {
        history::check(*id, chat, &sends, &memberships, &mut verdict);
    }
    for client in &evidence.clients {
        clients::check(client, evidence, &memberships, &mut verdict);
        versions.check(client, evidence, &memberships, &mut verdict);
    }
    verdict
}
