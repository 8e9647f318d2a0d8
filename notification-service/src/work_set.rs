//! A queue of work in which each thing stands at most once.

use std::{collections::HashSet, hash::Hash, sync::Mutex};

use tokio::sync::Notify;

/// Things that some worker should look at again. Adding one that is in already changes nothing, so that the set is
/// never larger than the number of things there are.
#[derive(Debug)]
pub(crate) struct WorkSet<T> {
    items: Mutex<HashSet<T>>,
    added: Notify,
}

impl<T> Default for WorkSet<T> {
    fn default() -> Self {
        Self { items: Mutex::default(), added: Notify::new() }
    }
}

impl<T: Hash + Eq> WorkSet<T> {
    /// Adds things.
    pub(crate) fn add(&self, items: impl IntoIterator<Item = T>) {
        self.lock().extend(items);
        self.added.notify_one();
    }

    /// Waits until there is something. Meant for one worker.
    pub(crate) async fn wait(&self) {
        while self.lock().is_empty() {
            self.added.notified().await;
        }
    }

    /// Takes all there is now.
    pub(crate) fn take(&self) -> HashSet<T> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<T>> {
        // A thread that panicked while it held the lock left a whole set behind.
        self.items.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
