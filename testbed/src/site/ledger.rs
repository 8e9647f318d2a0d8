//! The log of the clients of a site, which is compared with the history at the end.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::ensure;

/// The log of one client.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The texts that were acked, with their `seq`.
    pub(super) acked: BTreeMap<String, i64>,
    /// The number of sockets that were opened.
    pub(super) opened: u64,
    /// The number of sends that were answered with an `error` frame, by code.
    pub(super) refused_sends: BTreeMap<String, u64>,
    /// The number of failed handshakes and requests, by status. 0 stands for no answer.
    pub(super) failures: BTreeMap<u16, u64>,
}

impl Ledger {
    pub(super) fn fail(&mut self, status: u16) {
        *self.failures.entry(status).or_default() += 1;
    }

    pub(super) fn refuse(&mut self, code: &str) {
        *self.refused_sends.entry(code.to_owned()).or_default() += 1;
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.acked.extend(other.acked);
        self.opened += other.opened;
        for (status, count) in other.failures {
            *self.failures.entry(status).or_default() += count;
        }
        for (code, count) in other.refused_sends {
            *self.refused_sends.entry(code).or_default() += count;
        }
    }

    /// Fails if the history of a chat is not 1..N, has a text twice, or lacks an acked message.
    pub(super) fn check(&self, history: &BTreeMap<i64, String>) -> anyhow::Result<()> {
        ensure!(history.keys().copied().eq((1..).take(history.len())), "the history has a gap: {:?}", history.keys());
        let texts: BTreeSet<_> = history.values().collect();
        ensure!(texts.len() == history.len(), "a message is stored twice");
        let lost: Vec<_> = self.acked.iter().filter(|(text, seq)| history.get(seq) != Some(text)).collect();
        ensure!(lost.is_empty(), "acked and lost: {lost:?}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_lost_duplicate_and_missing_messages() {
        let history =
            |messages: &[(i64, &str)]| messages.iter().map(|(seq, text)| (*seq, (*text).to_owned())).collect();
        let ledger = Ledger { acked: [("a".to_owned(), 1), ("b".to_owned(), 2)].into(), ..Ledger::default() };
        assert!(ledger.check(&history(&[(1, "a"), (2, "b"), (3, "of the other member")])).is_ok());
        for (broken, problem) in [
            (&[(1, "a")][..], "lost"),
            (&[(1, "b"), (2, "a")], "lost"),
            (&[(1, "a"), (2, "b"), (4, "c")], "gap"),
            (&[(1, "a"), (2, "b"), (3, "b")], "twice"),
        ] {
            let error = ledger.check(&history(broken)).expect_err(problem).to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}
