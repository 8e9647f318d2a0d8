//! What the checker found.

use std::{collections::BTreeMap, fmt};

/// The ways to break a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Breach {
    /// Acknowledged, and not in the history as acknowledged.
    Lost,
    /// Refused for good, and in the history.
    Aborted,
    /// In the history, or told to somebody, and never sent like that.
    Phantom,
    /// A request twice in the history, or an event twice on a connection.
    Duplicate,
    /// A history that is not exactly 1..N in the order of time, or a connection that did not rise.
    Order,
    /// An event that somebody should have got, and did not.
    Skip,
    /// Something seen by somebody who is not a member.
    Leak,
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
        })
    }
}

/// How many examples of a breach are kept. Where everything is broken, ten are as good as a million.
const MAX_EXAMPLES: usize = 10;

/// Breaches of one kind.
#[derive(Clone, Debug, Default)]
pub struct Breaches {
    /// How many.
    pub count: usize,
    /// The first of them.
    pub examples: Vec<String>,
}

/// What came of the messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Messages that clients sent, each counted once.
    pub messages: usize,
    /// Those that were acknowledged in the end.
    pub acked: usize,
    /// Those that were refused for good, each time they were sent.
    pub refused: usize,
    /// Those of which their sender never knew: not answered, or only by answers that left it open.
    pub unknown: usize,
    /// Answers that were refusals, for good or not, those to messages included that were acknowledged in the end.
    pub refusals: usize,
    /// Messages that were stored by a send whose answer left it open.
    pub in_doubt: usize,
}

/// The outcome.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// What came of the messages.
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

    /// Whether every promise was kept.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.breaches.is_empty()
    }

    /// How many breaches of a kind there are.
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
