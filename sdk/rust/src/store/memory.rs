//! The store that ends with the process.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    ops::RangeInclusive,
};

use serde_json::Value;

use super::{ChatRow, EventRow, Op, Pending, Saved, Store, StoreError};
use crate::{ChatId, RequestId};

/// How many `seq`s of a chat are kept.
const CAPACITY: u64 = 2000;

/// A store that ends with the process. It keeps the newest 2,000 events of a chat.
pub struct MemoryStore {
    capacity: u64,
    values: BTreeMap<String, Value>,
    chats: HashMap<ChatId, ChatRow>,
    events: HashMap<ChatId, BTreeMap<u64, EventRow>>,
    outbox: HashMap<RequestId, Pending>,
}

/// Without the content, which has tokens.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = formatter.debug_struct("MemoryStore");
        fields.field("chats", &self.chats.len()).field("outbox", &self.outbox.len()).finish_non_exhaustive()
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl MemoryStore {
    /// Returns an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns an empty store that keeps this number of events of a chat.
    #[must_use]
    pub fn with_capacity(capacity: u64) -> Self {
        Self {
            capacity,
            values: BTreeMap::new(),
            chats: HashMap::new(),
            events: HashMap::new(),
            outbox: HashMap::new(),
        }
    }

    pub(super) fn apply_all(&mut self, ops: &[Op]) {
        for op in ops {
            self.apply(op);
        }
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Set { key, value } => drop(self.values.insert(key.clone(), value.clone())),
            Op::Unset { key } => drop(self.values.remove(key)),
            Op::Chat { row } => drop(self.chats.insert(row.id, row.clone())),
            Op::DropChat { id } => drop(self.chats.remove(id)),
            Op::Event { row } => drop(self.events.entry(row.chat_id).or_default().insert(row.seq, row.clone())),
            Op::Pending { row } => drop(self.outbox.insert(row.request_id, row.clone())),
            Op::DropPending { id } => drop(self.outbox.remove(id)),
            Op::Trim { chat_id, below } => self.trim(*chat_id, *below),
            Op::Expire { now } => {
                self.events.values_mut().flat_map(BTreeMap::values_mut).for_each(|row| row.expire(*now));
            }
            Op::Patch(change) => {
                let row = self.events.get_mut(&change.chat_id).and_then(|rows| rows.get_mut(&change.seq));
                if let Some(row) = row {
                    change.apply(row);
                }
            }
            Op::Wipe => *self = Self::with_capacity(self.capacity),
        }
    }

    fn trim(&mut self, chat: ChatId, below: u64) {
        let Some(rows) = self.events.get_mut(&chat) else { return };
        *rows = rows.split_off(&below);
        if rows.is_empty() {
            self.events.remove(&chat);
        }
    }

    /// Returns the changes that make an empty store like this one.
    pub(super) fn ops(&self) -> impl Iterator<Item = Op> {
        let values = self.values.iter().map(|(key, value)| Op::set(key, value.clone()));
        let chats = self.chats.values().map(|row| Op::Chat { row: row.clone() });
        let events = self.events.values().flat_map(BTreeMap::values).map(|row| Op::Event { row: row.clone() });
        let outbox = self.outbox.values().map(|row| Op::Pending { row: row.clone() });
        values.chain(chats).chain(events).chain(outbox)
    }
}

impl Store for MemoryStore {
    fn capacity(&self) -> u64 {
        self.capacity
    }

    fn load(&mut self) -> Result<Saved, StoreError> {
        Ok(Saved {
            values: self.values.clone(),
            chats: self.chats.values().cloned().collect(),
            outbox: self.outbox.values().cloned().collect(),
        })
    }

    fn events(
        &self,
        chat: ChatId,
        range: RangeInclusive<u64>,
        limit: usize,
        backwards: bool,
    ) -> Result<Vec<EventRow>, StoreError> {
        let Some(rows) = self.events.get(&chat).filter(|_| !range.is_empty()) else { return Ok(Vec::new()) };
        let rows = rows.range(range).map(|(_, row)| row);
        Ok(if backwards { rows.rev().take(limit).cloned().collect() } else { rows.take(limit).cloned().collect() })
    }

    fn write(&mut self, ops: &[Op]) -> Result<(), StoreError> {
        self.apply_all(ops);
        Ok(())
    }
}
