//! The outcome of each message.

use std::time::Duration;

use super::super::percentiles::Percentiles;

/// A message that was sent. Times are since the start of the run.
#[derive(Clone, Copy, Debug)]
struct Entry {
    chat: u32,
    /// The index of the sender among the two members.
    side: u8,
    refused: bool,
    due: Duration,
    acked: Option<Duration>,
    delivered: Option<Duration>,
}

/// The chat and the sender of a message that is now done.
pub(crate) type Done = Option<(usize, usize)>;

/// All messages of a run.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: Vec<Entry>,
    open: usize,
    /// The number of violations.
    violations: Violations,
}

/// The number of violations of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Violations {
    /// Messages that were answered with an error.
    pub(crate) refused: usize,
    /// Messages that were not acked or not delivered in the end.
    pub(crate) lost: usize,
    /// Acks and deliveries that were duplicate or went to the wrong socket.
    pub(crate) stray: usize,
    /// Unexpected frames.
    pub(crate) unexpected: usize,
}

impl Journal {
    /// Records a message that was due at `due`. Returns its number.
    pub(crate) fn send(&mut self, chat: usize, side: usize, due: Duration) -> u64 {
        let (chat, side) = (u32::try_from(chat).unwrap_or(u32::MAX), u8::from(side != 0));
        self.entries.push(Entry { chat, side, refused: false, due, acked: None, delivered: None });
        self.open += 1;
        self.entries.len() as u64 - 1
    }

    /// Records an ack. `is_sender` returns whether the socket belongs to this member of this chat.
    pub(crate) fn acked(&mut self, number: u64, now: Duration, is_sender: impl FnOnce(usize, usize) -> bool) -> Done {
        self.note(number, |entry| {
            is_sender(entry.chat as usize, entry.side.into()) && entry.acked.replace(now).is_none()
        })
    }

    /// Records a delivery. `is_partner` returns whether the socket belongs to the other member of this chat.
    pub(crate) fn delivered(
        &mut self,
        number: u64,
        now: Duration,
        is_partner: impl FnOnce(usize, usize) -> bool,
    ) -> Done {
        self.note(number, |entry| {
            is_partner(entry.chat as usize, entry.side.into()) && entry.delivered.replace(now).is_none()
        })
    }

    /// Records a refusal. The message may be stored and delivered nevertheless.
    pub(crate) fn refused(&mut self, number: Option<u64>) -> Done {
        self.violations.refused += 1;
        let entry = self.entries.get_mut(usize::try_from(number?).ok()?)?;
        if entry.refused || (entry.acked.is_some() && entry.delivered.is_some()) {
            return None;
        }
        entry.refused = true;
        self.open -= 1;
        Some((entry.chat as usize, entry.side.into()))
    }

    /// Records an unexpected frame.
    pub(crate) const fn unexpected(&mut self) {
        self.violations.unexpected += 1;
    }

    fn note(&mut self, number: u64, what: impl FnOnce(&mut Entry) -> bool) -> Done {
        let Some(entry) = usize::try_from(number).ok().and_then(|number| self.entries.get_mut(number)) else {
            self.violations.stray += 1;
            return None;
        };
        if !what(entry) {
            self.violations.stray += 1;
            return None;
        }
        if entry.refused || entry.acked.is_none() || entry.delivered.is_none() {
            return None;
        }
        self.open -= 1;
        Some((entry.chat as usize, entry.side.into()))
    }

    /// Returns the number of messages in flight.
    pub(crate) const fn open(&self) -> usize {
        self.open
    }

    /// Returns the number of sent messages.
    pub(crate) const fn sent(&self) -> usize {
        self.entries.len()
    }

    /// Returns the violations. Messages in flight count as lost.
    pub(crate) const fn violations(&self) -> Violations {
        Violations { lost: self.open, ..self.violations }
    }

    /// Returns the number of messages that were done in this interval.
    pub(crate) fn done_within(&self, from: Duration, to: Duration) -> usize {
        let done = |entry: &&Entry| {
            entry
                .acked
                .zip(entry.delivered)
                .is_some_and(|(acked, delivered)| (from..to).contains(&acked.max(delivered)))
        };
        self.entries.iter().filter(done).count()
    }

    /// Returns the delivery times of the messages that were due in this interval.
    pub(crate) fn delivery(&self, from: Duration, to: Duration) -> Percentiles {
        self.times(from, to, |entry| entry.delivered)
    }

    /// Returns the ack times of the messages that were due in this interval.
    pub(crate) fn ack(&self, from: Duration, to: Duration) -> Percentiles {
        self.times(from, to, |entry| entry.acked)
    }

    fn times(&self, from: Duration, to: Duration, end: impl Fn(&Entry) -> Option<Duration>) -> Percentiles {
        let due = self.entries.iter().filter(|entry| (from..to).contains(&entry.due));
        Percentiles::of(due.filter_map(|entry| end(entry)?.checked_sub(entry.due)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn message_is_done_when_acked_and_delivered_in_any_order() {
        let mut journal = Journal::default();
        let (a, b) = (journal.send(3, 0, ms(0)), journal.send(4, 1, ms(1)));
        assert_eq!(journal.acked(a, ms(5), |chat, side| (chat, side) == (3, 0)), None);
        assert_eq!(journal.delivered(a, ms(4), |chat, side| (chat, side) == (3, 0)), Some((3, 0)));
        assert_eq!(journal.delivered(b, ms(6), |_, _| true), None);
        assert_eq!(journal.open(), 1);
        assert_eq!(journal.acked(b, ms(9), |_, _| true), Some((4, 1)));
        assert_eq!(journal.violations(), Violations::default());
        assert_eq!((journal.done_within(ms(0), ms(6)), journal.done_within(ms(5), ms(10))), (1, 2));
        assert_eq!((journal.delivery(ms(0), ms(2)).max, journal.ack(ms(1), ms(2)).max), (ms(5), ms(8)));
    }

    #[test]
    fn counts_violations() {
        let mut journal = Journal::default();
        let numbers = [(); 4].map(|()| journal.send(0, 0, ms(0)));
        journal.acked(numbers[0], ms(1), |_, _| true);
        // Duplicate, to the wrong socket, for an unknown message.
        journal.acked(numbers[0], ms(1), |_, _| true);
        journal.delivered(numbers[1], ms(1), |_, _| false);
        journal.acked(numbers[3], ms(1), |_, _| false);
        journal.acked(99, ms(1), |_, _| true);
        assert_eq!(journal.refused(Some(numbers[2])), Some((0, 0)));
        // A refused message is done. Its later delivery changes nothing.
        assert_eq!(journal.delivered(numbers[2], ms(2), |_, _| true), None);
        assert_eq!(journal.acked(numbers[2], ms(2), |_, _| true), None);
        journal.refused(None);
        journal.unexpected();
        assert_eq!(journal.violations(), Violations { refused: 2, lost: 3, stray: 4, unexpected: 1 });
    }
}
