//! The store, and what replaces one that fails.

use std::ops::RangeInclusive;

use crate::{
    ChatId, Event, MemoryStore, Store,
    store::{EventRow, Op, StoreError, messages},
};

/// The store of a client.
pub(crate) struct Storage(pub(crate) Box<dyn Store>);

impl Storage {
    pub(crate) fn write(&mut self, ops: &[Op]) -> Result<(), StoreError> {
        self.0.write(ops)
    }

    /// The disk is full, or the file is gone: goes on with a store in memory, which has what `saved` says. Returns what the
    /// application is told.
    pub(crate) fn replace(&mut self, error: &StoreError, saved: &[Op], ops: &[Op]) -> Event {
        tracing::error!(%error, "store failed");
        let mut memory = MemoryStore::with_capacity(self.0.capacity());
        for ops in [saved, ops] {
            // It cannot fail.
            let _ = memory.write(ops);
        }
        self.0 = Box::new(memory);
        Event::error("store_failed", error.to_string())
    }

    /// Returns messages in ascending order. If they cannot be read there are none: the server has them.
    pub(crate) fn messages(
        &self,
        chat: ChatId,
        range: RangeInclusive<u64>,
        limit: usize,
        backwards: bool,
    ) -> Vec<EventRow> {
        messages(&*self.0, chat, range, limit, backwards).unwrap_or_else(|error| {
            tracing::error!(%error, "store cannot be read");
            Vec::new()
        })
    }
}
