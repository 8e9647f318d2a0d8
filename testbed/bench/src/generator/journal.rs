//! The outcome of each message.

use std::{ops::Range, time::Duration};

use super::super::percentiles::Percentiles;

/// The most members of a chat.
pub(crate) const MAX_MEMBERS: usize = 128;

/// A message that was sent. Times are since the start of the run.
#[derive(Clone, Copy, Debug)]
struct Entry {
    chat: u32,
    /// The index of the sender among the members.
    sender: u32,
    /// The other members that do not have it: a bit for each index.
    waiting: u128,
    refused: bool,
    due: Duration,
    acked: Option<Duration>,
    /// When the last of them got it.
    delivered: Option<Duration>,
}

/// A delivery of a message to a member.
#[derive(Clone, Copy, Debug)]
struct Delivery {
    /// When the message was due.
    due: Duration,
    at: Duration,
}

/// The chat and the sender of a message that is now done.
pub(crate) type Done = Option<(usize, usize)>;

/// All messages of a run.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: Vec<Entry>,
    deliveries: Vec<Delivery>,
    open: usize,
    /// The number of sent changes.
    changes: usize,
    /// The number of violations.
    violations: Violations,
    /// The beginning of the first frame that is a violation.
    first_violation: Option<String>,
}

/// How much of such a frame is shown, in characters.
const SHOWN: usize = 500;

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

impl Violations {
    /// Returns how many frames were violations.
    pub(crate) const fn of_frames(self) -> usize {
        self.refused + self.stray + self.unexpected
    }
}

impl Journal {
    /// Records a message that was due at `due`, to the other `members` of its chat. Returns its number.
    pub(crate) fn send(&mut self, chat: usize, sender: usize, members: usize, due: Duration) -> u64 {
        let waiting = (u128::MAX >> (MAX_MEMBERS - members)) & !(1 << sender);
        let narrow = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
        let (chat, sender) = (narrow(chat), narrow(sender));
        self.entries.push(Entry { chat, sender, waiting, refused: false, due, acked: None, delivered: None });
        self.open += 1;
        self.entries.len() as u64 - 1
    }

    /// Records a change that was due at `due`, and is done when it is acked. Returns its number.
    pub(crate) fn change(&mut self, chat: usize, sender: usize, due: Duration) -> u64 {
        let number = self.send(chat, sender, 1, due);
        if let Some(entry) = self.entries.last_mut() {
            (entry.waiting, entry.delivered) = (0, Some(due));
        }
        self.changes += 1;
        number
    }

    /// Counts a sent message as a change, which is delivered too.
    pub(crate) const fn count_change(&mut self) {
        self.changes += 1;
    }

    /// Returns the number of sent changes.
    pub(crate) const fn changes(&self) -> usize {
        self.changes
    }

    /// Records an ack. `member` returns the index of the socket's user among the members of the chat.
    pub(crate) fn acked(&mut self, number: u64, now: Duration, member: impl FnOnce(usize) -> Option<usize>) -> Done {
        self.note(number, |entry| {
            member(entry.chat as usize) == Some(entry.sender as usize) && entry.acked.replace(now).is_none()
        })
    }

    /// Records a delivery. `member` returns the index of the socket's user among the members of the chat.
    pub(crate) fn delivered(
        &mut self,
        number: u64,
        now: Duration,
        member: impl FnOnce(usize) -> Option<usize>,
    ) -> Done {
        let mut due = None;
        let done = self.note(number, |entry| {
            let bit = member(entry.chat as usize).map_or(0, |member| 1 << member);
            let is_first = entry.waiting & bit != 0;
            if is_first {
                due = Some(entry.due);
                entry.waiting &= !bit;
                entry.delivered = (entry.waiting == 0).then_some(now);
            }
            is_first
        });
        self.deliveries.extend(due.map(|due| Delivery { due, at: now }));
        done
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
        Some((entry.chat as usize, entry.sender as usize))
    }

    /// Records an unexpected frame.
    pub(crate) const fn unexpected(&mut self) {
        self.violations.unexpected += 1;
    }

    /// Keeps a frame that is a violation, to show the first one.
    pub(crate) fn keep(&mut self, payload: &[u8]) {
        self.first_violation.get_or_insert_with(|| String::from_utf8_lossy(payload).chars().take(SHOWN).collect());
    }

    /// Returns the beginning of the first frame that is a violation.
    pub(crate) fn first_violation(&self) -> &str {
        self.first_violation.as_deref().unwrap_or_default()
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
        Some((entry.chat as usize, entry.sender as usize))
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

    /// Returns the number of deliveries to members in this interval.
    pub(crate) fn deliveries_within(&self, from: Duration, to: Duration) -> usize {
        self.deliveries.iter().filter(|delivery| (from..to).contains(&delivery.at)).count()
    }

    /// Returns the delivery times of the messages that were due in this interval.
    pub(crate) fn delivery(&self, from: Duration, to: Duration) -> Percentiles {
        self.delivery_during(&[from..to])
    }

    /// Returns the delivery times of the messages that were due in one of these intervals.
    pub(crate) fn delivery_during(&self, intervals: &[Range<Duration>]) -> Percentiles {
        let due = |due: Duration| intervals.iter().any(|interval| interval.contains(&due));
        let deliveries = self.deliveries.iter().filter(|delivery| due(delivery.due));
        Percentiles::of(deliveries.filter_map(|delivery| delivery.at.checked_sub(delivery.due)))
    }

    /// Returns the ack times of the messages that were due in this interval.
    pub(crate) fn ack(&self, from: Duration, to: Duration) -> Percentiles {
        let due = self.entries.iter().filter(|entry| (from..to).contains(&entry.due));
        Percentiles::of(due.filter_map(|entry| entry.acked?.checked_sub(entry.due)))
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
        let (a, b) = (journal.send(3, 0, 2, ms(0)), journal.send(4, 1, 2, ms(1)));
        assert_eq!(journal.acked(a, ms(5), |chat| (chat == 3).then_some(0)), None);
        assert_eq!(journal.delivered(a, ms(4), |chat| (chat == 3).then_some(1)), Some((3, 0)));
        assert_eq!(journal.delivered(b, ms(6), |_| Some(0)), None);
        assert_eq!(journal.open(), 1);
        assert_eq!(journal.acked(b, ms(9), |_| Some(1)), Some((4, 1)));
        assert_eq!(journal.violations(), Violations::default());
        assert_eq!((journal.done_within(ms(0), ms(6)), journal.done_within(ms(5), ms(10))), (1, 2));
        assert_eq!((journal.delivery(ms(0), ms(2)).max, journal.ack(ms(1), ms(2)).max), (ms(5), ms(8)));
    }

    #[test]
    fn message_of_a_group_is_done_when_every_other_member_has_it() {
        let mut journal = Journal::default();
        let (a, b) = (journal.send(0, 1, MAX_MEMBERS, ms(0)), journal.send(0, 0, 3, ms(9)));
        assert_eq!(journal.acked(a, ms(1), |_| Some(1)), None);
        for member in (0..MAX_MEMBERS - 1).filter(|member| *member != 1) {
            assert_eq!(journal.delivered(a, ms(2), |_| Some(member)), None);
        }
        assert_eq!(journal.violations(), Violations { lost: 2, ..Violations::default() });
        assert_eq!(journal.delivered(a, ms(7), |_| Some(MAX_MEMBERS - 1)), Some((0, 1)));
        for member in [1, 2] {
            journal.delivered(b, ms(10), |_| Some(member));
        }
        assert_eq!(journal.acked(b, ms(10), |_| Some(0)), Some((0, 0)));
        assert_eq!(journal.violations(), Violations::default());
        assert_eq!((journal.deliveries_within(ms(0), ms(3)), journal.deliveries_within(ms(3), ms(11))), (126, 3));
        let delivery = journal.delivery(ms(0), ms(9));
        assert_eq!((delivery.p50, delivery.max), (ms(2), ms(7)));
        assert_eq!(journal.delivery_during(&[ms(5)..ms(6), ms(9)..ms(10)]).max, ms(1));
    }

    #[test]
    fn counts_violations() {
        let mut journal = Journal::default();
        let numbers = [(); 4].map(|()| journal.send(0, 0, 2, ms(0)));
        journal.acked(numbers[0], ms(1), |_| Some(0));
        // Duplicate, to the sender, to another user, for an unknown message.
        journal.acked(numbers[0], ms(1), |_| Some(0));
        journal.delivered(numbers[1], ms(1), |_| Some(0));
        journal.acked(numbers[3], ms(1), |_| None);
        journal.acked(99, ms(1), |_| Some(0));
        assert_eq!(journal.refused(Some(numbers[2])), Some((0, 0)));
        // A refused message is done. Its later delivery changes nothing.
        assert_eq!(journal.delivered(numbers[2], ms(2), |_| Some(1)), None);
        assert_eq!(journal.acked(numbers[2], ms(2), |_| Some(0)), None);
        journal.refused(None);
        journal.unexpected();
        journal.unexpected();
        journal.keep(br#"{"type":"lagged"}"#);
        journal.keep(b"{}");
        assert_eq!(journal.first_violation(), r#"{"type":"lagged"}"#);
        assert_eq!(journal.violations(), Violations { refused: 2, lost: 3, stray: 4, unexpected: 2 });
    }
}
