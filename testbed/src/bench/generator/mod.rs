//! The load: one thread, one epoll, no task and no allocation a message. The system has what it does not take, so its own
//! CPU is measured and printed beside the system's.

mod arrivals;
mod frame;
pub(crate) mod journal;
mod socket;

use std::{
    net::SocketAddr,
    os::fd::{AsFd as _, AsRawFd as _},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use mio::{Events, Interest, Poll, Token, unix::SourceFd};
use nix::sys::{
    time::TimeSpec,
    timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
};
use uuid::Uuid;

use self::{
    arrivals::Arrivals,
    frame::{Frame, Heard, Kind, Template},
    journal::{Done, Journal},
    socket::Socket,
};

/// How many handshakes are under way at once.
const HANDSHAKES: usize = 64;

/// The longest that a handshake takes.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// The longest that is waited, at the end, for messages that were sent.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// The longest wait for an event.
const POLL_LIMIT: Duration = Duration::from_millis(100);

/// Longer than any frame of the server's here, and many of them.
const BUFFER: usize = 256 * 1024;

const EVENTS: usize = 1024;

/// Characters of a message's text.
const TEXT_LENGTH: usize = 60;

/// The name of the timer among the sockets, which have their numbers.
const TIMER: Token = Token(usize::MAX - 1);

/// When messages are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    /// So many in flight in each chat: when one is acked and delivered, the other member sends the next.
    Closed {
        /// How many.
        in_flight: usize,
    },
    /// So many a second over all chats, whatever becomes of them.
    Open {
        /// How many.
        per_second: u32,
    },
}

/// What is to be done.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Where the sockets go.
    pub(crate) address: SocketAddr,
    /// The token of each socket's user.
    pub(crate) tokens: Vec<String>,
    /// Each chat, and the sockets of its two members.
    pub(crate) chats: Vec<(Uuid, [usize; 2])>,
    /// When messages are sent.
    pub(crate) load: Load,
    /// For how long.
    pub(crate) lasts: Duration,
}

/// Runs a plan in this thread. `begin` is called when all sockets are open, and returns when the load begins.
///
/// # Errors
/// A socket is refused or closed. Of messages that are refused or lost the journal tells.
pub(crate) fn run(plan: &Plan, begin: impl FnOnce() -> Instant) -> anyhow::Result<Journal> {
    let mut generator = Generator::new(plan)?;
    generator.open_all()?;
    generator.epoch = begin();
    generator.load()?;
    Ok(generator.journal)
}

struct Generator<'a> {
    plan: &'a Plan,
    poll: Poll,
    timer: TimerFd,
    sockets: Vec<Socket>,
    open: usize,
    template: Template,
    journal: Journal,
    epoch: Instant,
    random: fastrand::Rng,
}

impl<'a> Generator<'a> {
    fn new(plan: &'a Plan) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        // An epoll waits in whole milliseconds; this timer fires to the microsecond.
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK)?;
        poll.registry().register(&mut SourceFd(&timer.as_fd().as_raw_fd()), TIMER, Interest::READABLE)?;
        Ok(Self {
            plan,
            poll,
            timer,
            sockets: Vec::new(),
            open: 0,
            template: Template::new(TEXT_LENGTH),
            journal: Journal::default(),
            epoch: Instant::now(),
            random: fastrand::Rng::with_seed(1),
        })
    }

    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// Opens all sockets.
    fn open_all(&mut self) -> anyhow::Result<()> {
        let (mut events, mut buffer) = (Events::with_capacity(EVENTS), vec![0; BUFFER]);
        let mut progress = Instant::now();
        while self.open < self.plan.tokens.len() {
            while self.sockets.len() < self.plan.tokens.len() && self.sockets.len() - self.open < HANDSHAKES {
                let name = self.sockets.len();
                let token = &self.plan.tokens[name];
                self.sockets.push(Socket::connect(self.plan.address, token, self.poll.registry(), Token(name))?);
            }
            let before = self.open;
            self.turn(&mut events, &mut buffer)?;
            if self.open > before {
                progress = Instant::now();
            }
            ensure!(progress.elapsed() < HANDSHAKE_LIMIT, "no further socket opened after {}", self.open);
        }
        Ok(())
    }

    /// The load, until all that was sent is done, or long after it should be.
    fn load(&mut self) -> anyhow::Result<()> {
        let (mut events, mut buffer) = (Events::with_capacity(EVENTS), vec![0; BUFFER]);
        let mut arrivals = None;
        while Instant::now() < self.epoch {
            self.turn(&mut events, &mut buffer)?;
        }
        match self.plan.load {
            Load::Open { per_second } => arrivals = Some(Arrivals::new(per_second, 1)),
            Load::Closed { in_flight } => {
                for (chat, slot) in
                    (0..self.plan.chats.len()).flat_map(|chat| (0..in_flight).map(move |slot| (chat, slot)))
                {
                    self.send(chat, slot % 2, self.now())?;
                }
            }
        }
        loop {
            let now = self.now();
            let sending = now < self.plan.lasts;
            if !sending && (self.journal.open() == 0 || now > self.plan.lasts + DRAIN_LIMIT) {
                return Ok(());
            }
            if let Some(arrivals) = &mut arrivals
                && sending
            {
                while let Some(due) = arrivals.take(self.now()) {
                    let (chat, side) = (self.random.usize(..self.plan.chats.len()), self.random.usize(..2));
                    self.send(chat, side, due)?;
                }
                self.set_timer(arrivals.next())?;
            }
            self.turn(&mut events, &mut buffer)?;
        }
    }

    fn set_timer(&self, at: Duration) -> anyhow::Result<()> {
        // A timer of 0 is one that is off.
        let wait = at.saturating_sub(self.now()).max(Duration::from_nanos(1));
        Ok(self.timer.set(Expiration::OneShot(TimeSpec::from_duration(wait)), TimerSetTimeFlags::empty())?)
    }

    fn send(&mut self, chat: usize, side: usize, due: Duration) -> anyhow::Result<()> {
        let (id, sockets) = self.plan.chats[chat];
        let number = self.journal.send(chat, side, due);
        self.sockets[sockets[side]].write(self.template.message(id, number))
    }

    /// Waits for events and does what they ask for.
    fn turn(&mut self, events: &mut Events, buffer: &mut [u8]) -> anyhow::Result<()> {
        match self.poll.poll(events, Some(POLL_LIMIT)) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        for event in &*events {
            // The timer need not be read: to set it again makes it not ready.
            if event.token() == TIMER {
                continue;
            }
            let name = event.token().0;
            if event.is_writable() {
                self.sockets[name].flush().with_context(|| format!("socket {name}"))?;
            }
            if event.is_readable() {
                self.receive(name, buffer).with_context(|| format!("socket {name}"))?;
            }
        }
        Ok(())
    }

    fn receive(&mut self, name: usize, buffer: &mut [u8]) -> anyhow::Result<()> {
        loop {
            let received = self.sockets[name].read(buffer)?;
            let mut rest = &buffer[..received.length];
            if !self.sockets[name].is_open()
                && let Some(length) = self.sockets[name].accept(rest)?
            {
                self.open += 1;
                rest = &rest[length..];
            }
            if self.sockets[name].is_open() {
                while let Some(frame) = frame::scan(rest) {
                    self.handle(name, &frame)?;
                    rest = &rest[frame.length..];
                }
            }
            self.sockets[name].keep(rest);
            if !received.more {
                return Ok(());
            }
        }
    }

    fn handle(&mut self, name: usize, frame: &Frame<'_>) -> anyhow::Result<()> {
        match frame.kind {
            Kind::Text => {
                let done = self.hear(name, frame.payload);
                if let (Some((chat, side)), Load::Closed { .. }) = (done, self.plan.load)
                    && self.now() < self.plan.lasts
                {
                    self.send(chat, 1 - side, self.now())?;
                }
            }
            Kind::Ping => self.sockets[name].write(&frame::pong(frame.payload))?,
            Kind::Pong => {}
            Kind::Close | Kind::Unexpected => {
                let said = String::from_utf8_lossy(frame.payload.get(2..).unwrap_or_default());
                anyhow::bail!("the server ended it: {:?} {said}", frame.kind);
            }
        }
        Ok(())
    }

    fn hear(&mut self, name: usize, payload: &[u8]) -> Done {
        let (now, chats) = (self.now(), &self.plan.chats);
        match frame::read(payload) {
            Heard::Acked(number) => self.journal.acked(number, now),
            Heard::Delivered(number) => {
                self.journal.delivered(number, now, |chat, side| chats[chat].1[1 - side] == name)
            }
            Heard::Refused(number) => self.journal.refused(number),
            Heard::Aside => None,
            Heard::Unexpected => {
                self.journal.unexpected();
                None
            }
        }
    }
}
