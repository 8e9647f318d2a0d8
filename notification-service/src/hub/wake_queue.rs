//! The wake queue: the sockets of one worker that wait to be woken after a large fan-out.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use tokio::{sync::Notify, task::yield_now};

use super::Socket;

/// A fan-out to more sockets than this wakes them through the wake queues.
pub(super) const MAX_WOKEN_AT_ONCE: usize = 256;

/// The number of sockets of a worker that are woken together. A write takes about 20 µs, so another socket waits for a third of a
/// millisecond.
const SLICE: usize = 16;

/// The sockets of one worker that wait to be woken after a large fan-out.
///
/// A worker runs its tasks in the order in which they are woken. If a fan-out woke thousands of sockets at once, a message of
/// another chat would be written after all of them. So the worker wakes a slice of them, and then serves whatever else is ready
/// before it wakes the next slice. It offers its core to other threads, too: a message of another chat passes through several of
/// them, and would wait for a time slice of the scheduler, some milliseconds, at each.
///
/// Only the wake-up is late: the frames are in the outboxes. A socket that is woken because of another frame writes all of them, in
/// order. The queue has each socket at most once.
#[derive(Debug, Default)]
pub(crate) struct WakeQueue {
    sockets: Mutex<VecDeque<Arc<Socket>>>,
    changed: Notify,
}

impl WakeQueue {
    /// Adds a socket that is not in the queue.
    pub(super) fn push(&self, socket: Arc<Socket>) {
        let mut sockets = self.lock();
        sockets.push_back(socket);
        let is_first = sockets.len() == 1;
        drop(sockets);
        if is_first {
            self.changed.notify_one();
        }
    }

    /// Wakes the sockets. Has to run on their worker, and never ends.
    pub(crate) async fn run(&self) {
        loop {
            while self.wake_slice() {
                // Let other tasks of this worker and other threads run: they may carry a message of another chat.
                yield_now().await;
                thread::yield_now();
            }
            self.changed.notified().await;
        }
    }

    /// Returns whether there were sockets.
    fn wake_slice(&self) -> bool {
        let slice: Vec<_> = {
            let mut sockets = self.lock();
            let len = sockets.len().min(SLICE);
            sockets.drain(..len).collect()
        };
        for socket in &slice {
            socket.outbox.wake();
        }
        !slice.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Socket>>> {
        // No critical section can panic between two changes, so a poisoned lock guards a consistent queue.
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
