//! The findings of the checker.

use std::{collections::BTreeMap, fmt};

/// The ways to violate a guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Breach {
    /// Acked, but not in the history as acked.
    Lost,
    /// Refused, but in the history.
    Aborted,
    /// In the history or delivered, but never sent with this content.
    Phantom,
    /// A message twice in the history, or an event twice on a connection.
    Duplicate,
    /// A history whose `seq` is not 1..N in the order of time, or a connection on which `seq` does not rise.
    Order,
    /// An event that a client should have received and did not.
    Skip,
    /// Data that reached a user who is not a member, or is from before the user became one.
    Leak,
    /// A message or change of a user with a `seq` at which the user was not a member, or an event with a `seq` after the removal
    /// of the user on the user's socket.
    AfterRemoval,
    /// A message in a state that an acked edit or deletion had replaced before the answer began.
    Stale,
    /// A count of unread messages that is not the number of messages of others after the read marker.
    Unread,
    /// A count of mentions that is not the number of unread messages that mention the user.
    Mentions,
    /// Reactions that are not those that the users asked for: a list of the users, or a count that is not the number of users.
    Reactions,
    /// A scheduled message that was sent twice, was not sent, or was sent although it had been canceled.
    Scheduled,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lost => "lost",
            Self::Aborted => "aborted",
            Self::Phantom => "phantom",
            Self::Duplicate => "duplicate",
            Self::Order => "order",
            Self::Skip => "skip",
            Self::Leak => "leak",
            Self::AfterRemoval => "after-removal",
            Self::Stale => "stale",
            Self::Unread => "unread",
            Self::Mentions => "mentions",
            Self::Reactions => "reactions",
            Self::Scheduled => "scheduled",
        })
    }
}

/// The number of examples that are kept for each kind of breach.
const MAX_EXAMPLES: usize = 10;

/// Breaches of one kind.
#[derive(Clone, Debug, Default)]
pub struct Breaches {
    /// The number of breaches.
    pub count: usize,
    /// The first of them.
    pub examples: Vec<String>,
}

/// The number of messages by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Messages that members sent, each counted once.
    pub messages: usize,
    /// Messages that were acked in the end.
    pub acked: usize,
    /// Messages that were refused at each attempt.
    pub refused: usize,
    /// Messages without a definite answer.
    pub unknown: usize,
    /// Error answers, including those to messages that were acked in the end.
    pub refusals: usize,
    /// Messages that were stored by an attempt whose answer left the outcome open.
    pub in_doubt: usize,
    /// Changes of messages that were stored.
    pub changes: usize,
    /// Changes of groups that were stored.
    pub group_changes: usize,
    /// Reactions, and reactions taken back, that were acked.
    pub reactions: usize,
    /// Messages that were scheduled, and canceled or not.
    pub scheduled: usize,
}

/// The verdict on a run.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// The number of messages by outcome.
    pub figures: Figures,
    /// The breaches, by kind.
    pub breaches: BTreeMap<Breach, Breaches>,
}

impl Verdict {
    pub(super) fn add(&mut self, breach: Breach, what: impl FnOnce() -> String) {
        let found = self.breaches.entry(breach).or_default();
        found.count += 1;
        if found.examples.len() < MAX_EXAMPLES {
            found.examples.push(what());
        }
    }

    /// Returns whether every guarantee held.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.breaches.is_empty()
    }

    /// Returns the number of breaches of a kind.
    #[must_use]
    pub fn count(&self, breach: Breach) -> usize {
        self.breaches.get(&breach).map_or(0, |found| found.count)
    }
}

impl fmt::Display for Verdict {
    /// One line for each example.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (breach, Breaches { count, examples }) in &self.breaches {
            for example in examples {
                writeln!(f, "{breach}: {example}")?;
            }
            if *count > examples.len() {
                writeln!(f, "{breach}: … and {} more", count - examples.len())?;
            }
        }
        Ok(())
    }
}
