//! Logging to standard output through a queue and a writer thread.
//!
//! A write to standard output may block: a log shipper hangs, a user presses Ctrl-S at a terminal, a disk is full. A thread that
//! serves requests must not wait for it. So lines go to a buffer in memory. A line that does not fit is lost and counted.

use std::{
    fs::File,
    io::{self, ErrorKind, IsTerminal as _, Write},
    mem,
    os::fd::AsFd as _,
    panic,
    sync::{
        Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Context as _;
use tracing_subscriber::{
    EnvFilter, Layer,
    fmt::{self, MakeWriter},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::settings::{CommonSettings, LogFormat};

/// The capacity of the buffer, in bytes.
const CAPACITY: usize = 1024 * 1024;

/// The longest time that a stopping process waits until its last lines are written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

static QUEUE: OnceLock<Queue> = OnceLock::new();

/// Starts logging to standard output for the whole process, panics included.
///
/// # Errors
/// `LOG_LEVEL` is malformed, logging is already started, or the operating system refuses a thread.
pub fn init_logs(settings: &CommonSettings) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&settings.log_level)
        .context("LOG_LEVEL should be error, warn, info, debug, trace, or directives such as info,fred=debug")?;
    let stdout = io::stdout();
    let is_terminal = stdout.is_terminal();
    // A separate file handle, because a blocked write would hold the lock of the standard library's handle.
    let output = File::from(stdout.as_fd().try_clone_to_owned().context("standard output")?);
    let queue = QUEUE.get_or_init(Queue::default);
    let layer = fmt::layer().with_writer(queue).log_internal_errors(false);
    #[expect(clippy::disallowed_methods, reason = "NO_COLOR is a convention of terminals, not a setting")]
    let has_color = is_terminal && std::env::var_os("NO_COLOR").is_none();
    let layer: Box<dyn Layer<_> + Send + Sync> =
        match settings.log_format.unwrap_or(if is_terminal { LogFormat::Text } else { LogFormat::Json }) {
            LogFormat::Text => layer.with_ansi(has_color).boxed(),
            LogFormat::Json => layer.json().flatten_event(true).boxed(),
        };
    tracing_subscriber::registry().with(filter).with(layer).try_init().context("logging is already started")?;
    thread::Builder::new().name("log-writer".to_owned()).spawn(move || queue.write_to(output))?;
    panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("(no text)");
        tracing::error!(
            panic.location = panic.location().map(tracing::field::display),
            panic.message = message,
            "panic"
        );
    }));
    settings.log_warnings();
    Ok(())
}

/// Waits up to 1 s until all log lines are written.
pub fn flush_logs() {
    if let Some(queue) = QUEUE.get() {
        queue.flush(FLUSH_TIMEOUT);
    }
}

/// Returns the number of lines that did not fit into the buffer or that standard output did not accept.
pub(super) fn lost_lines() -> u64 {
    QUEUE.get().map_or(0, |queue| queue.lost.load(Ordering::Relaxed))
}

/// The queue of lines to write.
#[derive(Debug, Default)]
struct Queue {
    state: Mutex<Buffer>,
    /// Signals that the buffer is no longer empty.
    filled: Condvar,
    /// Signals that all lines are written.
    emptied: Condvar,
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct Buffer {
    waiting: Vec<u8>,
    /// Whether the writer is writing lines that it took from the buffer.
    is_writing: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line, or drops and counts it if it does not fit. Never waits for a write.
    fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.waiting.len() + line.len() > CAPACITY {
            drop(state);
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let was_empty = state.waiting.is_empty();
        state.waiting.extend_from_slice(line);
        let must_wake = was_empty && !state.is_writing;
        drop(state);
        if must_wake {
            self.filled.notify_one();
        }
    }

    /// Writes all queued lines, in one write each time, until the process exits.
    fn write_to(&self, mut output: impl Write) {
        let (mut lines, mut reported) = (Vec::new(), 0);
        loop {
            let mut state = self.lock();
            state.is_writing = false;
            if state.waiting.is_empty() {
                self.emptied.notify_all();
                state = self
                    .filled
                    .wait_while(state, |state| state.waiting.is_empty())
                    .unwrap_or_else(PoisonError::into_inner);
            }
            mem::swap(&mut state.waiting, &mut lines);
            state.is_writing = true;
            drop(state);
            let unwritten = write_all(&mut output, &lines);
            self.lost.fetch_add(unwritten, Ordering::Relaxed);
            lines.clear();
            let lost = self.lost.load(Ordering::Relaxed);
            if lost > reported && unwritten == 0 {
                tracing::warn!(lines = lost - reported, "log lines lost");
                reported = lost;
            }
        }
    }

    fn flush(&self, timeout: Duration) {
        let is_busy = |state: &mut Buffer| state.is_writing || !state.waiting.is_empty();
        drop(self.emptied.wait_timeout_while(self.lock(), timeout, is_busy));
    }
}

/// Writes all lines. Returns the number of lines that could not be written.
fn write_all(output: &mut impl Write, mut bytes: &[u8]) -> u64 {
    while !bytes.is_empty() {
        match output.write(bytes) {
            Ok(written) if written > 0 => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => return bytes.split_inclusive(|byte| *byte == b'\n').count() as u64,
        }
    }
    0
}

impl<'a> MakeWriter<'a> for &'static Queue {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line(self)
    }
}

/// The writer for one line. The formatter writes a line in one call.
struct Line(&'static Queue);

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_and_counts_lines_that_do_not_fit() {
        let queue = Queue::default();
        let line = [b'x'; 1000];
        for _ in 0..=CAPACITY / line.len() {
            queue.push(&line);
        }
        assert_eq!(queue.lost.load(Ordering::Relaxed), 1);
        assert!(queue.lock().waiting.len() <= CAPACITY);
    }

    #[test]
    fn counts_lines_that_output_refuses() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let room = mem::take(&mut self.0).min(bytes.len());
                if room == 0 { Err(ErrorKind::StorageFull.into()) } else { Ok(room) }
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert_eq!(write_all(&mut Full(2), b"a\nb\nc\n"), 2);
        assert_eq!(write_all(&mut Full(9), b"a\nb\nc\n"), 0);
    }

    #[test]
    fn flush_waits_for_last_line() {
        let queue: &'static Queue = Box::leak(Box::default());
        let (reader, writer) = io::pipe().expect("create pipe");
        thread::spawn(move || queue.write_to(writer));
        queue.push(b"one\n");
        queue.push(b"two\n");
        queue.flush(Duration::from_secs(10));
        let mut lines = String::new();
        io::Read::read_to_string(&mut io::Read::take(reader, 8), &mut lines).expect("read lines");
        assert_eq!(lines, "one\ntwo\n");
        assert!(!queue.lock().is_writing);
    }
}
