//! A process in a pseudo-terminal, and what its screen shows.

use std::{num::NonZeroU16, process::ExitStatus, sync::Arc};

use pty_process::{Command, OwnedReadPty, OwnedWritePty, Size};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Child,
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use vt100::{Parser, Screen};

use crate::sdk::EVENT_TIMEOUT;

/// A terminal. Its process ends on drop.
pub(super) struct Terminal {
    keyboard: OwnedWritePty,
    output: watch::Sender<Output>,
    child: Child,
    _reader: JoinSet<()>,
    _folder: Arc<TempDir>,
}

/// What the process has written.
struct Output {
    parser: Parser,
    reads: u64,
    has_ended: bool,
}

impl Terminal {
    /// Runs a command in a directory, in a terminal of this many rows and columns.
    pub(super) fn run(command: Command, folder: Arc<TempDir>, (rows, columns): (u16, u16)) -> Self {
        let (pty, pts) = pty_process::open().expect("open pseudo-terminal");
        pty.resize(Size::new(rows, columns)).expect("set size");
        let command = command.current_dir(folder.path()).env("TERM", "xterm-256color").kill_on_drop(true);
        let child = command.spawn(pts).expect("run process");
        let parser = Parser::new(nonzero(rows), nonzero(columns), 0);
        let output = watch::Sender::new(Output { parser, reads: 0, has_ended: false });
        let (written, keyboard) = pty.into_split();
        let mut reader = JoinSet::new();
        reader.spawn(read(written, output.clone()));
        Self { keyboard, output, child, _reader: reader, _folder: folder }
    }

    /// Presses keys.
    pub(super) async fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).await.expect("write to terminal");
    }

    /// Types a line.
    pub(super) async fn enter(&mut self, text: &str) {
        self.press(text).await;
        self.press("\r").await;
    }

    /// Sets the size, and waits until the process has drawn.
    pub(super) async fn resize(&mut self, rows: u16, columns: u16) {
        self.output.send_modify(|output| output.parser.set_size(nonzero(rows), nonzero(columns)));
        let before = self.output.borrow().reads;
        self.keyboard.resize(Size::new(rows, columns)).expect("set size");
        self.wait("a new size", |output| output.reads > before).await;
    }

    /// Waits until a condition of the screen holds.
    pub(super) async fn shows(&self, what: &str, mut is_shown: impl FnMut(&Screen) -> bool) {
        self.wait(what, |output| is_shown(output.parser.screen())).await;
    }

    /// Waits until a text is on the screen.
    pub(super) async fn says(&self, text: &str) {
        self.shows(text, |screen| screen.contents().contains(text)).await;
    }

    /// Waits for the end of the process, and of its output.
    pub(super) async fn end(&mut self) -> ExitStatus {
        self.wait("the end", |output| output.has_ended).await;
        timeout(EVENT_TIMEOUT, self.child.wait()).await.expect("ends in time").expect("wait for process")
    }

    pub(super) fn screen(&self) -> Screen {
        self.output.borrow().parser.screen().clone()
    }

    async fn wait(&self, what: &str, mut is_true: impl FnMut(&Output) -> bool) {
        let mut output = self.output.subscribe();
        let waiting = timeout(EVENT_TIMEOUT, output.wait_for(|output| is_true(output) || output.has_ended));
        let is_there = waiting.await.is_ok_and(|output| is_true(&output.expect("the sender is here")));
        assert!(is_there, "not there: {what}. The screen:\n{}", self.screen().contents());
    }
}

/// Reads until the process has ended, which Linux tells as an error.
async fn read(mut written: OwnedReadPty, output: watch::Sender<Output>) {
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = written.read(&mut bytes).await {
        output.send_modify(|output| {
            output.parser.process(&bytes[..length]);
            output.reads += 1;
        });
    }
    output.send_modify(|output| output.has_ended = true);
}

fn nonzero(size: u16) -> NonZeroU16 {
    NonZeroU16::new(size).expect("not 0")
}
