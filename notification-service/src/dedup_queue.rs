//! A queue of work without duplicates.

use std::{collections::HashSet, hash::Hash, sync::Mutex};

use tokio::sync::Notify;

/// Items that a worker has to process. Adding an item that is queued already has no effect, so that the queue never holds
/// more items than exist.
#[derive(Debug)]
pub(crate) struct DedupQueue<T> {
    items: Mutex<HashSet<T>>,
    added: Notify,
}

impl<T> Default for DedupQueue<T> {
    fn default() -> Self {
        Self { items: Mutex::default(), added: Notify::new() }
    }
}

impl<T: Hash + Eq> DedupQueue<T> {
    /// Queues items.
    pub(crate) fn add(&self, items: impl IntoIterator<Item = T>) {
        self.lock().extend(items);
        self.added.notify_one();
    }

    /// Waits until the queue is not empty. Supports one waiting worker.
    pub(crate) async fn wait(&self) {
        while self.lock().is_empty() {
            self.added.notified().await;
        }
    }

    /// Removes and returns all queued items.
    pub(crate) fn take(&self) -> HashSet<T> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<T>> {
        // No critical section can panic between two changes, so a poisoned lock guards a consistent set.
        self.items.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
