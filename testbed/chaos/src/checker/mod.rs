//! Decides, from the outside alone, whether a run kept its promises (`docs/TESTING.md`).
//!
//! It is a function of what was logged: what each client sent, what was answered, what each connection got, and what
//! the history says at the end, over REST to each member and by SQL. It knows nothing of how the services work.

mod clients;
mod evidence;
mod history;
mod progress;
mod sends;
#[cfg(test)]
mod tests;
mod verdict;

pub use self::{
    evidence::{Ack, Answer, Chat, Client, Connection, Event, Evidence, Message, Row, Send, View},
    verdict::{Breach, Breaches, Figures, Verdict},
};

/// Checks a run that has come to rest: nothing is under way any more, and everybody had time to catch up.
#[must_use]
pub fn check(evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict::default();
    let sends = sends::Sends::of(evidence);
    sends.check(evidence, &mut verdict);
    for (id, chat) in &evidence.chats {
        history::check(*id, chat, &sends, &mut verdict);
    }
    for client in &evidence.clients {
        clients::check(client, evidence, &mut verdict);
    }
    verdict
}
