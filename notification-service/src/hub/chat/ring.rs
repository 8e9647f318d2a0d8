//! The last delivered events of a chat, so that clients that come back after a short time cost chat-service nothing.
//!
//! An event that is read late has to show what became of its message (docs/ARCHITECTURE.md, "Catch-up"). The ring has events as they
//! were delivered. So it keeps only events that no later one changes: an edit, a deletion, or an event of a kind that this version does
//! not know removes itself and everything before it. It serves no message that has disappeared.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use chrono::{DateTime, Utc};
use neonchat_common::ids::Seq;

use crate::hub::DurableEvent;

/// The most events in a ring.
const MAX_EVENTS: usize = 256;

/// The most bytes of frames in a ring.
const MAX_BYTES: usize = 256 * 1024;

/// The memory of all rings of an instance.
#[derive(Debug, Default)]
pub(in crate::hub) struct RingMemory {
    bytes: AtomicUsize,
    /// Counts the uses of rings.
    clock: AtomicU64,
}

impl RingMemory {
    /// Returns the bytes of the frames in all rings.
    pub(in crate::hub) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// The last events of a chat, without a gap between them and up to the last delivered one.
#[derive(Debug)]
pub(super) struct Ring {
    events: VecDeque<DurableEvent>,
    bytes: usize,
    memory: Arc<RingMemory>,
    /// When the ring was used last, by the clock of `memory`.
    used: u64,
}

impl Ring {
    pub(super) const fn new(memory: Arc<RingMemory>) -> Self {
        Self { events: VecDeque::new(), bytes: 0, memory, used: 0 }
    }

    /// Adds the event that was delivered just now.
    pub(super) fn push(&mut self, event: DurableEvent) {
        if !event.is_final() {
            self.clear();
            return;
        }
        self.touch();
        self.add_bytes(event.size());
        self.events.push_back(DurableEvent { exclude: Vec::new(), ..event });
        while self.events.len() > MAX_EVENTS || self.bytes > MAX_BYTES {
            let oldest = self.events.pop_front().map_or(self.bytes, |event| event.size());
            self.remove_bytes(oldest);
        }
    }

    /// Returns whether the ring has every event after `after`.
    pub(super) fn covers(&self, after: Seq) -> bool {
        self.events.front().is_some_and(|oldest| oldest.seq <= after + 1)
    }

    /// Returns the events after `after`; `None` if the ring does not have all of them as they are at this time.
    pub(super) fn after(&mut self, after: Seq, now: DateTime<Utc>) -> Option<impl Iterator<Item = &DurableEvent>> {
        if !self.covers(after) {
            return None;
        }
        let first = self.events.partition_point(|event| event.seq <= after);
        if self.events.range(first..).any(|event| event.is_expired(now)) {
            return None;
        }
        self.touch();
        Some(self.events.range(first..))
    }

    /// Removes all events.
    pub(super) fn clear(&mut self) {
        self.events = VecDeque::new();
        self.remove_bytes(self.bytes);
    }

    /// Returns when the ring was used last; `None` if it is empty.
    pub(super) fn last_use(&self) -> Option<u64> {
        (!self.events.is_empty()).then_some(self.used)
    }

    fn touch(&mut self) {
        self.used = self.memory.clock.fetch_add(1, Ordering::Relaxed);
    }

    fn add_bytes(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.memory.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn remove_bytes(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.memory.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod property_tests;

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::{hub::EventFrames, protocol::Frame};

    fn event(seq: Seq, json: String) -> DurableEvent {
        DurableEvent::new(seq, None, EventFrames::of_change(Frame::opaque(json), None, None))
    }

    fn message(seq: Seq, length: usize) -> DurableEvent {
        event(seq, format!(r#"{{"type":"new_message","text":"{}"}}"#, "x".repeat(length)))
    }

    fn seqs(ring: &mut Ring, after: Seq) -> Option<Vec<Seq>> {
        ring.after(after, Utc::now()).map(|events| events.map(|event| event.seq).collect())
    }

    #[test]
    fn has_no_events_that_a_later_one_may_have_changed() {
        for kind in ["message_edited", "messages_deleted", "chat_updated", "chat_closed", "of_a_later_version"] {
            let mut ring = Ring::new(Arc::default());
            for seq in 1..=3 {
                ring.push(message(seq, 10));
            }
            assert_eq!(seqs(&mut ring, 1), Some(vec![2, 3]));
            ring.push(event(4, format!(r#"{{"type":"{kind}"}}"#)));
            assert_eq!((seqs(&mut ring, 1), seqs(&mut ring, 3)), (None, None), "{kind}");
            ring.push(message(5, 10));
            assert_eq!((seqs(&mut ring, 3), seqs(&mut ring, 4)), (None, Some(vec![5])), "{kind}");
        }
        let mut ring = Ring::new(Arc::default());
        ring.push(message(1, 10));
        ring.push(DurableEvent::new(2, None, EventFrames::unknown()));
        assert_eq!(seqs(&mut ring, 0), None);
    }

    #[test]
    fn has_no_message_that_has_disappeared() {
        let mut ring = Ring::new(Arc::default());
        let now = Utc::now();
        let expiring =
            |seq, after_s| DurableEvent { expires_at: Some(now + TimeDelta::seconds(after_s)), ..message(seq, 10) };
        for event in [message(1, 10), expiring(2, 60), expiring(3, 3600)] {
            ring.push(event);
        }
        let after = |ring: &mut Ring, after, s| ring.after(after, now + TimeDelta::seconds(s)).map(Iterator::count);
        assert_eq!(after(&mut ring, 0, 0), Some(3));
        assert_eq!((after(&mut ring, 0, 60), after(&mut ring, 1, 60), after(&mut ring, 2, 60)), (None, None, Some(1)));
        assert_eq!(after(&mut ring, 0, 50), Some(3));
    }

    #[test]
    fn is_bounded_in_events_and_bytes() {
        let memory = Arc::<RingMemory>::default();
        let mut ring = Ring::new(Arc::clone(&memory));
        for seq in 1..=1000 {
            ring.push(message(seq, 10));
        }
        assert_eq!((ring.covers(743), ring.covers(744)), (false, true));
        for seq in 1001..=1010 {
            ring.push(message(seq, 60 * 1024));
        }
        assert_eq!(seqs(&mut ring, 1006), Some(vec![1007, 1008, 1009, 1010]));
        assert!(!ring.covers(1005));
        assert_eq!(memory.bytes(), ring.bytes);
        // Larger than the ring.
        ring.push(message(1011, MAX_BYTES));
        assert_eq!((ring.last_use(), memory.bytes()), (None, 0));
        ring.push(message(1012, 10));
        assert!(memory.bytes() > 0);
        drop(ring);
        assert_eq!(memory.bytes(), 0);
    }
}
