//! Log lines on their way to standard output, by a thread of their own.
//!
//! The reader of standard output may stop reading: a log shipper that hangs, Ctrl-S at a terminal, a full disk. A write then
//! blocks, and a thread that serves requests must never wait for it. So lines are put into a buffer in memory, and a line
//! that finds no room in it is lost and counted.

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

/// Bytes of lines that may wait to be written.
const CAPACITY: usize = 1024 * 1024;

/// The longest that the end of the process waits for its last lines to be written.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

static QUEUE: OnceLock<Queue> = OnceLock::new();

/// Starts the logs, to standard output, for the whole process. A panic is logged, too.
///
/// # Errors
/// `LOG_LEVEL` is malformed, logs were started before, or the system refuses a thread.
pub fn init_logs(settings: &CommonSettings) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&settings.log_level)
        .context("LOG_LEVEL should be error, warn, info, debug, trace, or directives such as info,fred=debug")?;
    let stdout = io::stdout();
    let is_terminal = stdout.is_terminal();
    // Not the handle of the standard library, which has a lock that a write that blocks would hold.
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
    tracing_subscriber::registry().with(filter).with(layer).try_init().context("the logs were started before")?;
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

/// Waits until the lines that were logged are written, for a second at most.
pub fn flush_logs() {
    if let Some(queue) = QUEUE.get() {
        queue.flush(FLUSH_LIMIT);
    }
}

/// Lines that found no room, or that standard output did not take.
pub(super) fn lost_lines() -> u64 {
    QUEUE.get().map_or(0, |queue| queue.lost.load(Ordering::Relaxed))
}

/// Lines that wait to be written.
#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    /// There is something to write.
    filled: Condvar,
    /// Nothing is left to write.
    emptied: Condvar,
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    /// The writer is at work on what it took.
    is_writing: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line on, or loses it where there is no room. Never waits for a write.
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

    /// The writer: writes what waits, all of it at once, for as long as the process lives.
    fn write_to(&self, mut output: impl Write) {
        let (mut lines, mut told) = (Vec::new(), 0);
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
            if lost > told && unwritten == 0 {
                tracing::warn!(lines = lost - told, "log lines lost");
                told = lost;
            }
        }
    }

    fn flush(&self, limit: Duration) {
        let is_busy = |state: &mut State| state.is_writing || !state.waiting.is_empty();
        drop(self.emptied.wait_timeout_while(self.lock(), limit, is_busy));
    }
}

/// Writes; returns how many lines could not be written.
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

/// Takes one line, in one write, as the formatter does it.
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
    fn loses_and_counts_what_finds_no_room() {
        let queue = Queue::default();
        let line = [b'x'; 1000];
        for _ in 0..=CAPACITY / line.len() {
            queue.push(&line);
        }
        assert_eq!(queue.lost.load(Ordering::Relaxed), 1);
        assert!(queue.lock().waiting.len() <= CAPACITY);
    }

    #[test]
    fn counts_lines_that_the_output_refuses() {
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
    fn flush_ends_with_the_last_line_written() {
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
