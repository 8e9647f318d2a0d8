//! The life of a process: it runs until it is told to end, drains, and leaves no task behind.

use std::{future::Future, num::NonZero, process::ExitCode, sync::mpsc, thread, time::Duration};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::{
    runtime::{Builder, Handle},
    signal::unix::{Signal, SignalKind, signal},
    task::{JoinError, JoinHandle},
};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TrackedFuture},
};

use crate::telemetry;

/// The longest that the end of the process waits for threads that block, and for standard error.
const BLOCKED_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs a process on a runtime of its own. HTTP and the sockets are served by actix, on a thread for each core; for all else
/// half as many do, and each thread less is one that need not be woken for a message.
pub fn run(main: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    if let Err(error) = raise_file_limit() {
        print_error(format!("The limit on open files stays as it is: {error}"));
    }
    // Also when `main` panics: the panic is in the logs.
    let _flush = FlushLogs;
    let threads = thread::available_parallelism().map_or(1, NonZero::get).div_ceil(2);
    let runtime = Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    exit_code(runtime.map_err(Into::into).and_then(|runtime| {
        let ended = runtime.block_on(main);
        // A thread that blocks, such as on the resolver, is not waited for.
        runtime.shutdown_timeout(BLOCKED_TIMEOUT);
        ended.map(|()| ExitCode::SUCCESS)
    }))
}

struct FlushLogs;

impl Drop for FlushLogs {
    fn drop(&mut self) {
        telemetry::flush_logs();
    }
}

/// Prints a line to standard error. A reader of it that has stopped reading does not keep the process from ending.
fn print_error(line: String) {
    let (printed, is_printed) = mpsc::sync_channel(1);
    thread::spawn(move || {
        eprintln!("{line}");
        let _ = printed.send(());
    });
    let _ = is_printed.recv_timeout(BLOCKED_TIMEOUT);
}

/// Allows this process and its children as many open files as the system does, each socket being one: a shell sets a low
/// limit for the sake of old programs.
///
/// # Errors
/// As setrlimit(2).
pub fn raise_file_limit() -> anyhow::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?)
}

/// The result of a task. A panic of the task is an error.
///
/// # Errors
/// The task's own, or that it did not come to its end.
pub fn flatten<E: Into<anyhow::Error>>(ended: Result<Result<(), E>, JoinError>) -> anyhow::Result<()> {
    ended?.map_err(Into::into)
}

/// Waits for the end of a task that is optional. Never resolves if there is no task.
///
/// # Errors
/// The task panicked or was cancelled.
pub async fn join_optional<T>(task: &mut Option<JoinHandle<T>>) -> Result<T, JoinError> {
    match task {
        Some(task) => task.await,
        None => std::future::pending().await,
    }
}

/// Waits for SIGTERM or SIGINT. After the first one the process drains; a second one ends it at once.
///
/// A process that could not be told to end does not begin: it resolves at once where signals cannot be listened to.
pub async fn shutdown_signal() {
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            next(&mut terminate, &mut interrupt).await;
            #[expect(clippy::disallowed_methods, reason = "it ends the process, or the process ends before it")]
            tokio::spawn(async move {
                next(&mut terminate, &mut interrupt).await;
                tracing::warn!("second signal: ending at once");
                telemetry::flush_logs();
                std::process::exit(1);
            });
        }
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(error.cause = %error, "signals cannot be listened to: ending");
        }
    }
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: draining"),
        _ = interrupt.recv() => tracing::info!("SIGINT: draining"),
    }
}

/// The exit code of a process that ended like this. An error is told in one line: a backtrace, which `anyhow` would add
/// where `RUST_BACKTRACE` is set, tells an operator nothing of a port that is taken.
#[must_use]
pub fn exit_code(ended: anyhow::Result<ExitCode>) -> ExitCode {
    ended.unwrap_or_else(|error| {
        print_error(format!("Error: {error:#}"));
        ExitCode::FAILURE
    })
}

/// Whether the process takes on new work.
#[derive(Clone, Debug, Default)]
pub struct DrainState(CancellationToken);

impl DrainState {
    /// From here on it does not.
    pub fn drain(&self) {
        self.0.cancel();
    }

    /// Whether a drain has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// The tasks of a process, all on its main runtime, and the signal that ends them.
///
/// actix runs each handler on the current-thread runtime of one of its workers, which ends with the HTTP server. What has
/// to outlive a request is spawned here instead.
#[derive(Clone, Debug)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    runtime: Handle,
}

impl Tasks {
    /// For the runtime that this is called on.
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

    /// Spawns a task that is dropped, at whichever `await` it is, when the process drains.
    pub fn spawn_until_stopped(&self, future: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.spawn(async move {
            stop.run_until_cancelled(future).await;
        });
    }

    /// A task that is spawned elsewhere, for it cannot leave its thread, and that [`Tasks::finish`] waits for.
    pub fn track<F: Future>(&self, future: F) -> TrackedFuture<F> {
        self.tracker.track_future(future)
    }

    /// Resolves when the tasks are to end.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Tells all tasks to end and waits for them, for `limit` at most. Returns whether all of them did.
    pub async fn finish(&self, limit: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        let finished = tokio::time::timeout(limit, self.tracker.wait()).await.is_ok();
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
    async fn finish_waits_for_work_and_ends_loops() {
        let tasks = Tasks::new();
        let work = tasks.spawn(tokio::time::sleep(Duration::from_secs(1)));
        tasks.spawn_until_stopped(std::future::pending());
        assert!(tasks.finish(Duration::from_secs(5)).await);
        assert!(work.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn finish_gives_up_at_its_limit() {
        let tasks = Tasks::new();
        tasks.spawn(std::future::pending::<()>());
        assert!(!tasks.finish(Duration::from_secs(5)).await);
    }
}
