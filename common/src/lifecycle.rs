//! The lifecycle of a process: its runtime, the signals that stop it, and its exit code.

use std::{future::Future, num::NonZero, process::ExitCode, sync::mpsc, thread, time::Duration};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::{
    runtime::Builder,
    signal::unix::{Signal, SignalKind, signal},
    task::{JoinError, JoinHandle},
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
