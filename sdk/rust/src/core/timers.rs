//! Timers of the core. They stand still while the computer sleeps.

use std::collections::{BTreeMap, HashMap};

use crate::{ChatId, RequestId};

/// What a timer is for. At most one of each is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Timer {
    /// The handshake has to be over.
    Handshake,
    /// A ping is due.
    Ping,
    /// The answer to a ping has to be there.
    Pong,
    /// The pause between two attempts to connect is over.
    Wait,
    /// The clocks are compared.
    Beat,
    /// The access token is to be refreshed.
    Renewal,
    /// Messages that have disappeared are looked for.
    Expiry,
    /// The answer to a `sync` has to be there, or it is sent again.
    Sync(RequestId),
    /// A question to the API is repeated.
    Ask(u64),
    /// Missing events of a chat are fetched.
    Hold(ChatId),
    /// Others are told what this device has.
    Told(ChatId),
    /// The answer to what was sent in a chat has to be there.
    Answer(ChatId),
    /// The next message of a chat may be sent.
    Pause(ChatId),
}

/// The timers that are set, in the order in which they are due.
#[derive(Debug, Default)]
pub(super) struct Timers {
    set: u64,
    queue: BTreeMap<(u64, u64), Timer>,
    places: HashMap<Timer, (u64, u64)>,
}

impl Timers {
    /// Sets a timer, in place of the one that is set.
    pub(super) fn set(&mut self, timer: Timer, due: u64) {
        self.clear(timer);
        self.set += 1;
        let place = (due, self.set);
        self.queue.insert(place, timer);
        self.places.insert(timer, place);
    }

    pub(super) fn clear(&mut self, timer: Timer) {
        if let Some(place) = self.places.remove(&timer) {
            self.queue.remove(&place);
        }
    }

    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.places.contains_key(&timer)
    }

    #[cfg(test)]
    pub(super) fn due(&self, timer: Timer) -> Option<u64> {
        self.places.get(&timer).map(|(due, _)| *due)
    }

    /// Returns when the next one is due.
    pub(super) fn next(&self) -> Option<u64> {
        self.queue.first_key_value().map(|((due, _), _)| *due)
    }

    /// Removes the next one if it is due.
    pub(super) fn pop(&mut self, now: u64) -> Option<Timer> {
        let entry = self.queue.first_entry().filter(|entry| entry.key().0 <= now)?;
        let timer = entry.remove();
        self.places.remove(&timer);
        Some(timer)
    }
}
