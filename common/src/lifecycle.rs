//! The lifecycle of a process: it runs until a signal, drains, and waits for all its tasks.

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

/// The longest time that a stopping process waits for blocked threads and for standard error.
const BLOCKED_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs a process on a new runtime. The runtime has half a thread for each core: actix serves HTTP and the sockets on its own
/// threads, one for each core, and fewer threads mean fewer wake-ups for a message.
pub fn run(main: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    if let Err(error) = raise_file_limit() {
        print_error(format!("The limit on open files could not be raised: {error}"));
    }
    // Also flushes when `main` panics, because the logs have the panic.
    let _flush = FlushLogs;
    let threads = thread::available_parallelism().map_or(1, NonZero::get).div_ceil(2);
    let runtime = Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    exit_code(runtime.map_err(Into::into).and_then(|runtime| {
        let ended = runtime.block_on(main);
        // Does not wait longer for a blocked thread, for example one in the DNS resolver.
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

/// Prints a line to standard error. A reader that no longer reads does not keep the process from exiting.
fn print_error(line: String) {
    let (printed, is_printed) = mpsc::sync_channel(1);
    thread::spawn(move || {
        eprintln!("{line}");
        let _ = printed.send(());
    });
    let _ = is_printed.recv_timeout(BLOCKED_TIMEOUT);
}

/// Raises the limit on open files of this process and its children to the hard limit. Each socket is an open file, and shells set
/// a low limit for old programs.
///
/// # Errors
/// The errors of setrlimit(2).
pub fn raise_file_limit() -> anyhow::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?)
}

/// Flattens the result of a task.
///
/// # Errors
/// Returns the error of the task, or that it panicked or was cancelled.
pub fn flatten<E: Into<anyhow::Error>>(result: Result<Result<(), E>, JoinError>) -> anyhow::Result<()> {
    result?.map_err(Into::into)
}

/// Waits for an optional task. Never resolves if there is no task.
///
/// # Errors
/// The task panicked or was cancelled.
pub async fn join_optional<T>(task: &mut Option<JoinHandle<T>>) -> Result<T, JoinError> {
    match task {
        Some(task) => task.await,
        None => std::future::pending().await,
    }
}

/// Waits for SIGTERM or SIGINT, after which the process drains. A second signal exits the process immediately.
///
/// Resolves immediately if signals cannot be handled, so that no process starts that cannot be stopped.
pub async fn shutdown_signal() {
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            next(&mut terminate, &mut interrupt).await;
            #[expect(clippy::disallowed_methods, reason = "it ends the process, or the process ends before it")]
            tokio::spawn(async move {
                next(&mut terminate, &mut interrupt).await;
                tracing::warn!("second signal received, exiting immediately");
                telemetry::flush_logs();
                std::process::exit(1);
            });
        }
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(error.cause = %error, "signal handlers could not be installed, stopping");
        }
    }
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM received, draining"),
        _ = interrupt.recv() => tracing::info!("SIGINT received, draining"),
    }
}

/// Returns the exit code for a result. Prints an error in one line, without the backtrace that `anyhow` adds if `RUST_BACKTRACE`
/// is set: it does not help an operator with an error such as a port in use.
#[must_use]
pub fn exit_code(result: anyhow::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        print_error(format!("Error: {error:#}"));
        ExitCode::FAILURE
    })
}

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
