//! The tasks of a process, and whether it accepts new work.

use std::{future::Future, time::Duration};

use tokio::{runtime::Handle, task::JoinHandle};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TrackedFuture},
};

/// Whether the process accepts new work.
#[derive(Clone, Debug, Default)]
pub struct DrainState(CancellationToken);

impl DrainState {
    /// Starts the drain: the process no longer accepts new work.
    pub fn drain(&self) {
        self.0.cancel();
    }

    /// Returns whether the drain has started.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// The tasks of a process, on its main runtime, and the token that stops them.
///
/// actix runs each handler on the current-thread runtime of a worker, which ends with the HTTP server. Work that has to outlive a
/// request is spawned here instead.
#[derive(Clone, Debug)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    runtime: Handle,
}

impl Tasks {
    /// Returns an empty set of tasks for the current runtime.
    #[must_use]
    pub fn new() -> Self {
        Self { tracker: TaskTracker::new(), stop: CancellationToken::new(), runtime: Handle::current() }
    }

    /// Spawns a task that [`Tasks::finish`] waits for.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tracker.spawn_on(future, &self.runtime)
    }

    /// Spawns a task that is cancelled at its current `await` by [`Tasks::finish`].
    pub fn spawn_until_stopped(&self, future: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.spawn(async move {
            stop.run_until_cancelled(future).await;
        });
    }

    /// Tracks a future that the caller spawns, because it cannot leave its thread. [`Tasks::finish`] waits for it.
    pub fn track<F: Future>(&self, future: F) -> TrackedFuture<F> {
        self.tracker.track_future(future)
    }

    /// Returns the token that is cancelled when the tasks have to stop.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Stops all tasks and waits for them, at most for `timeout`. Returns whether all of them ended.
    pub async fn finish(&self, timeout: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        let finished = tokio::time::timeout(timeout, self.tracker.wait()).await.is_ok();
        if !finished {
            tracing::warn!(tasks = self.tracker.len(), "tasks did not end in time");
        }
        finished
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn finish_waits_for_work_and_stops_loops() {
        let tasks = Tasks::new();
        let work = tasks.spawn(tokio::time::sleep(Duration::from_secs(1)));
        tasks.spawn_until_stopped(std::future::pending());
        assert!(tasks.finish(Duration::from_secs(5)).await);
        assert!(work.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn finish_gives_up_after_timeout() {
        let tasks = Tasks::new();
        tasks.spawn(std::future::pending::<()>());
        assert!(!tasks.finish(Duration::from_secs(5)).await);
    }
}
