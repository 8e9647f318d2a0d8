//! Clients' connections, all on one epoll: how they are opened, and what comes in.

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

/// How many handshakes are under way at once.
const HANDSHAKES: usize = 64;

const SOCKETS_AN_ADDRESS: usize = 2000;

/// The longest that a handshake takes.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// Before a socket that the server was too busy for is tried again.
const BUSY_PAUSE: Duration = Duration::from_millis(200);

/// The longest wait for an event.
const POLL_LIMIT: Duration = Duration::from_millis(100);

/// Longer than any frame of the server's here, and many of them.
const BUFFER: usize = 256 * 1024;

const EVENTS: usize = 1024;

/// The name of the timer among the sockets, which have their numbers.
const TIMER: Token = Token(usize::MAX - 1);

/// The name of what else is watched.
const OTHER: Token = Token(usize::MAX - 2);

/// Who hears what the server says.
pub(crate) trait Listener {
    /// A text frame came on the socket of this number. What it is answered with is written to `sockets`.
    ///
    /// # Errors
    /// The run cannot go on.
    fn hear(&mut self, socket: usize, payload: &[u8], sockets: &mut [Socket]) -> anyhow::Result<()>;
}

/// Nobody cares what comes.
#[derive(Debug)]
pub(crate) struct Deaf;

impl Listener for Deaf {
    fn hear(&mut self, _: usize, _: &[u8], _: &mut [Socket]) -> anyhow::Result<()> {
        Ok(())
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Connections {
    poll: Poll,
    timer: TimerFd,
    /// The sockets, numbered as their tokens were.
    pub(crate) sockets: Vec<Socket>,
    open: usize,
    /// Those that the server was too busy for, and when they are tried again.
    waiting: VecDeque<(Instant, usize)>,
    /// How often the server was too busy.
    pub(crate) refused: usize,
    events: Events,
    buffer: Vec<u8>,
    /// What else is watched is ready.
    called: bool,
}

impl Connections {
    /// None yet.
    ///
    /// # Errors
    /// The system refuses an epoll or a timer.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        // An epoll waits in whole milliseconds; this timer fires to the microsecond.
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

    /// Opens a socket for each token.
    ///
    /// # Errors
    /// One is refused, or not answered.
    pub(crate) fn open_all(
        &mut self,
        address: SocketAddr,
        tokens: &[String],
        listener: &mut impl Listener,
    ) -> anyhow::Result<()> {
        let mut progress = Instant::now();
        while self.open < tokens.len() {
            while self.sockets.len() < tokens.len() && self.sockets.len() - self.open < HANDSHAKES {
                let name = self.sockets.len();
                self.sockets.push(Socket::connect(
                    spread(address, name),
                    &tokens[name],
                    self.poll.registry(),
                    Token(name),
                )?);
            }
            while let Some((_, name)) = self.waiting.pop_front_if(|(at, _)| *at <= Instant::now()) {
                let registry = self.poll.registry();
                self.sockets[name] = Socket::connect(spread(address, name), &tokens[name], registry, Token(name))?;
            }
            let before = self.open;
            self.turn(listener)?;
            if self.open > before {
                progress = Instant::now();
            }
            ensure!(progress.elapsed() < HANDSHAKE_LIMIT, "no further socket opened after {}", self.open);
        }
        Ok(())
    }

    /// Makes the next turn end after `wait` at the latest.
    ///
    /// # Errors
    /// As `timerfd_settime(2)`.
    pub(crate) fn wake_after(&self, wait: Duration) -> anyhow::Result<()> {
        // A timer of 0 is one that is off.
        let wait = wait.max(Duration::from_nanos(1));
        Ok(self.timer.set(Expiration::OneShot(TimeSpec::from_duration(wait)), TimerSetTimeFlags::empty())?)
    }

    /// Listens until there is something to read elsewhere too.
    ///
    /// # Errors
    /// A socket is closed.
    pub(crate) fn hold_until(&mut self, other: BorrowedFd<'_>, listener: &mut impl Listener) -> anyhow::Result<()> {
        let file = other.as_raw_fd();
        self.poll.registry().register(&mut SourceFd(&file), OTHER, Interest::READABLE)?;
        self.called = false;
        while !self.called {
            self.turn(listener)?;
        }
        Ok(self.poll.registry().deregister(&mut SourceFd(&file))?)
    }

    /// Waits for events, a tenth of a second at most, and does what they ask for.
    ///
    /// # Errors
    /// A socket is closed, or the listener gives up.
    pub(crate) fn turn(&mut self, listener: &mut impl Listener) -> anyhow::Result<()> {
        match self.poll.poll(&mut self.events, Some(POLL_LIMIT)) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        let Self { sockets, open, waiting, refused, events, buffer, called, .. } = self;
        for event in &*events {
            match event.token() {
                // It need not be read: to set it again makes it not ready.
                TIMER => {}
                OTHER => *called = true,
                Token(name) => {
                    let served = serve(event, name, sockets, buffer, listener);
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

/// Another address of this machine for every few thousand sockets: with as many to one address as there are ports for,
/// the kernel searches longer for a free port than all the rest takes.
fn spread(address: SocketAddr, name: usize) -> SocketAddr {
    let [a, b, c, d] = Ipv4Addr::LOCALHOST.octets();
    match u8::try_from(name / SOCKETS_AN_ADDRESS) {
        Ok(further) if address.ip() == Ipv4Addr::LOCALHOST => {
            (Ipv4Addr::new(a, b, c, d.saturating_add(further)), address.port()).into()
        }
        _ => address,
    }
}

/// Does what an event asks for. Returns the answer to the handshake, where that came.
fn serve(
    event: &Event,
    name: usize,
    sockets: &mut [Socket],
    buffer: &mut [u8],
    listener: &mut impl Listener,
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
                take(name, &frame, sockets, listener)?;
                rest = &rest[frame.length..];
            }
        }
        sockets[name].keep(rest);
        more = received.more;
    }
    Ok(answer)
}

fn take(name: usize, frame: &Frame<'_>, sockets: &mut [Socket], listener: &mut impl Listener) -> anyhow::Result<()> {
    match frame.kind {
        Kind::Text => listener.hear(name, frame.payload, sockets)?,
        Kind::Ping => sockets[name].write(&frame::pong(frame.payload))?,
        Kind::Pong => {}
        Kind::Close | Kind::Unexpected => {
            let said = String::from_utf8_lossy(frame.payload.get(2..).unwrap_or_default());
            anyhow::bail!("the server ended it: {:?} {said}", frame.kind);
        }
    }
    Ok(())
}
