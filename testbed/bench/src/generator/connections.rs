//! The connections of all clients on one epoll.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use mio::{Events, Interest, Poll, Token, event::Event, unix::SourceFd};
use nix::sys::{
    time::TimeSpec,
    timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
};

use super::{
    frame::{self, Frame, Kind},
    socket::{Answer, Socket},
};

/// The maximum number of concurrent handshakes.
const MAX_HANDSHAKES: usize = 64;

const SOCKETS_PER_ADDRESS: usize = 2000;

/// The longest until another handshake completes.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause after a 503.
const BUSY_PAUSE: Duration = Duration::from_millis(200);

/// The longest wait for an event.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// The size of the read buffer, which holds many frames.
const BUFFER: usize = 256 * 1024;

const EVENTS: usize = 1024;

/// The token of the timer. The tokens of the sockets are their indexes.
const TIMER: Token = Token(usize::MAX - 1);

/// The token of another watched file.
const OTHER: Token = Token(usize::MAX - 2);

/// Handles the frames of the server.
pub(crate) trait FrameHandler {
    /// Handles a text frame of a socket. May write to `sockets`.
    ///
    /// # Errors
    /// The run cannot continue.
    fn on_text(&mut self, socket: usize, payload: &[u8], sockets: &mut [Socket]) -> anyhow::Result<()>;
}

/// Ignores all frames.
#[derive(Debug)]
pub(crate) struct IgnoreFrames;

impl FrameHandler for IgnoreFrames {
    fn on_text(&mut self, _: usize, _: &[u8], _: &mut [Socket]) -> anyhow::Result<()> {
        Ok(())
    }
}

/// The connections of all clients.
#[derive(Debug)]
pub(crate) struct Connections {
    poll: Poll,
    timer: TimerFd,
    /// The sockets, in the order of their tokens.
    pub(crate) sockets: Vec<Socket>,
    open: usize,
    /// The sockets that got 503, with the time of the next attempt.
    waiting: VecDeque<(Instant, usize)>,
    /// The number of 503 answers.
    pub(crate) refused: usize,
    events: Events,
    buffer: Vec<u8>,
    /// Whether the other watched file is readable.
    called: bool,
}

impl Connections {
    /// Returns an empty set.
    ///
    /// # Errors
    /// The system refuses an epoll or a timer.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        // An epoll waits in whole milliseconds. This timer has a resolution of microseconds.
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK)?;
        poll.registry().register(&mut SourceFd(&timer.as_fd().as_raw_fd()), TIMER, Interest::READABLE)?;
        let (events, buffer) = (Events::with_capacity(EVENTS), vec![0; BUFFER]);
        Ok(Self {
            poll,
            timer,
            sockets: Vec::new(),
            open: 0,
            waiting: VecDeque::new(),
            refused: 0,
            events,
            buffer,
            called: false,
        })
    }

    /// Opens a socket for each token, at the addresses in turn.
    ///
    /// # Errors
    /// A handshake is refused or times out.
    pub(crate) fn open_all(
        &mut self,
        addresses: &[SocketAddr],
        tokens: &[String],
        handler: &mut impl FrameHandler,
    ) -> anyhow::Result<()> {
        let address = |name: usize| spread(addresses[name % addresses.len()], name);
        let mut progress = Instant::now();
        while self.open < tokens.len() {
            while self.sockets.len() < tokens.len() && self.sockets.len() - self.open < MAX_HANDSHAKES {
                let name = self.sockets.len();
                self.sockets.push(Socket::connect(address(name), &tokens[name], self.poll.registry(), Token(name))?);
            }
            while let Some((_, name)) = self.waiting.pop_front_if(|(at, _)| *at <= Instant::now()) {
                let registry = self.poll.registry();
                self.sockets[name] = Socket::connect(address(name), &tokens[name], registry, Token(name))?;
            }
            let before = self.open;
            self.turn(handler)?;
            if self.open > before {
                progress = Instant::now();
            }
            ensure!(progress.elapsed() < HANDSHAKE_TIMEOUT, "no further socket opened after {}", self.open);
        }
        Ok(())
    }

    /// Limits the next turn to `wait`.
    ///
    /// # Errors
    /// As `timerfd_settime(2)`.
    pub(crate) fn wake_after(&self, wait: Duration) -> anyhow::Result<()> {
        // 0 would disarm the timer.
        let wait = wait.max(Duration::from_nanos(1));
        Ok(self.timer.set(Expiration::OneShot(TimeSpec::from_duration(wait)), TimerSetTimeFlags::empty())?)
    }

    /// Handles frames until `other` is readable.
    ///
    /// # Errors
    /// A socket is closed.
    pub(crate) fn hold_until(&mut self, other: BorrowedFd<'_>, handler: &mut impl FrameHandler) -> anyhow::Result<()> {
        let file = other.as_raw_fd();
        self.poll.registry().register(&mut SourceFd(&file), OTHER, Interest::READABLE)?;
        self.called = false;
        while !self.called {
            self.turn(handler)?;
        }
        Ok(self.poll.registry().deregister(&mut SourceFd(&file))?)
    }

    /// Waits up to 100 ms for events and handles them.
    ///
    /// # Errors
    /// A socket is closed, or the handler fails.
    pub(crate) fn turn(&mut self, handler: &mut impl FrameHandler) -> anyhow::Result<()> {
        match self.poll.poll(&mut self.events, Some(POLL_TIMEOUT)) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        let Self { sockets, open, waiting, refused, events, buffer, called, .. } = self;
        for event in &*events {
            match event.token() {
                // No read is needed: setting the timer again resets it.
                TIMER => {}
                OTHER => *called = true,
                Token(name) => {
                    let served = serve(event, name, sockets, buffer, handler);
                    match served.with_context(|| format!("socket {name}"))? {
                        Some(Answer::Open(_)) => *open += 1,
                        Some(Answer::Later) => {
                            sockets[name].leave(self.poll.registry())?;
                            waiting.push_back((Instant::now() + BUSY_PAUSE, name));
                            *refused += 1;
                        }
                        None => {}
                    }
                }
            }
        }
        Ok(())
    }
}

/// Returns another loopback address for each 2,000 sockets. With too many connections to one address, the kernel spends most of
/// the time on the search for a free port.
fn spread(address: SocketAddr, name: usize) -> SocketAddr {
    let [a, b, c, d] = Ipv4Addr::LOCALHOST.octets();
    match u8::try_from(name / SOCKETS_PER_ADDRESS) {
        Ok(further) if address.ip() == Ipv4Addr::LOCALHOST => {
            (Ipv4Addr::new(a, b, c, d.saturating_add(further)), address.port()).into()
        }
        _ => address,
    }
}

/// Handles an event. Returns the answer to the handshake, if it arrived.
fn serve(
    event: &Event,
    name: usize,
    sockets: &mut [Socket],
    buffer: &mut [u8],
    handler: &mut impl FrameHandler,
) -> anyhow::Result<Option<Answer>> {
    if event.is_writable() {
        sockets[name].flush()?;
    }
    let mut answer = None;
    let mut more = event.is_readable();
    while more {
        let received = sockets[name].read(buffer)?;
        let mut rest = &buffer[..received.length];
        if !sockets[name].is_open() {
            answer = sockets[name].accept(rest)?;
            match answer {
                Some(Answer::Open(length)) => rest = &rest[length..],
                Some(Answer::Later) => return Ok(answer),
                None => {}
            }
        }
        if sockets[name].is_open() {
            while let Some(frame) = frame::scan(rest) {
                take(name, &frame, sockets, handler)?;
                rest = &rest[frame.length..];
            }
        }
        sockets[name].keep(rest);
        more = received.more;
    }
    Ok(answer)
}

fn take(name: usize, frame: &Frame<'_>, sockets: &mut [Socket], handler: &mut impl FrameHandler) -> anyhow::Result<()> {
    match frame.kind {
        Kind::Text => handler.on_text(name, frame.payload, sockets)?,
        Kind::Ping => sockets[name].write(&frame::pong(frame.payload))?,
        Kind::Pong => {}
        Kind::Close | Kind::Unexpected => {
            let said = String::from_utf8_lossy(frame.payload.get(2..).unwrap_or_default());
            anyhow::bail!("the server closed the connection: {:?} {said}", frame.kind);
        }
    }
    Ok(())
}
