//! Many members of one chat who read along: each sends a receipt for every message that it gets.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::ensure;
use uuid::Uuid;

use super::{
    TEXT_LENGTH,
    connections::{Connections, FrameHandler},
    frame::{self, ServerEvent, Template},
    socket::Socket,
};

/// The most messages that have not reached all sockets. A machine that is too slow for the rate gets fewer messages instead of clients
/// that lag behind more and more.
const MAX_IN_FLIGHT: usize = 4;

/// The longest until the last messages have reached all sockets.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What the sockets have received and sent so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    /// Messages that a socket received: each message counts once for each socket.
    pub(crate) deliveries: usize,
    pub(crate) receipts: usize,
}

/// The sockets: the first sends, all others read.
#[derive(Debug)]
pub(crate) struct Readers {
    connections: Connections,
    state: State,
}

#[derive(Debug)]
struct State {
    chat: Uuid,
    template: Template,
    /// The number of messages that were sent.
    sent: u64,
    acked: u64,
    /// The number of messages that each socket has received.
    got: Vec<u64>,
    /// How many sockets have each message that has not reached all of them, from the oldest message on.
    reached: VecDeque<usize>,
    /// Whether each message is answered with a receipt.
    is_reading: bool,
    /// The `seq` of the last receipt, and its frame.
    receipt: (i64, Vec<u8>),
    totals: Totals,
    /// The number of duplicate, misdirected or unexpected frames.
    stray: usize,
}

impl Readers {
    /// Opens a socket for each token of a member of `chat`, at the addresses in turn.
    ///
    /// # Errors
    /// A handshake is refused or times out.
    pub(crate) fn open(addresses: &[SocketAddr], tokens: &[String], chat: Uuid) -> anyhow::Result<Self> {
        let mut state = State {
            chat,
            template: Template::new(TEXT_LENGTH),
            sent: 0,
            acked: 0,
            got: vec![0; tokens.len()],
            reached: VecDeque::new(),
            is_reading: false,
            receipt: (0, Vec::new()),
            totals: Totals::default(),
            stray: 0,
        };
        let mut connections = Connections::new()?;
        connections.open_all(addresses, tokens, &mut state)?;
        Ok(Self { connections, state })
    }

    /// Sends messages for a time, at most one each `interval`. If `is_reading`, each socket answers each message with a receipt.
    ///
    /// # Errors
    /// A socket is closed.
    pub(crate) fn run(&mut self, duration: Duration, interval: Duration, is_reading: bool) -> anyhow::Result<()> {
        let Self { connections, state } = self;
        state.is_reading = is_reading;
        let (mut next, end) = (Instant::now(), Instant::now() + duration);
        loop {
            let now = Instant::now();
            if now >= end {
                return Ok(());
            }
            if now >= next && state.reached.len() < MAX_IN_FLIGHT {
                connections.sockets[0].write(state.template.message(state.chat, state.sent))?;
                state.sent += 1;
                state.reached.push_back(0);
                next = (next + interval).max(now);
            }
            connections.wake_after(end.min(next.max(now + interval / 10)).saturating_duration_since(now))?;
            connections.turn(state)?;
        }
    }

    /// Keeps the sockets open for a time, and then until all messages are acked and have reached all other sockets.
    ///
    /// # Errors
    /// A socket is closed, or a message is not acked or does not reach a socket.
    pub(crate) fn settle(&mut self, time: Duration) -> anyhow::Result<()> {
        let Self { connections, state } = self;
        let start = Instant::now();
        while start.elapsed() < time || !state.reached.is_empty() || state.acked < state.sent {
            connections.turn(state)?;
            let (open, State { sent, acked, .. }) = (state.reached.len(), &state);
            ensure!(
                start.elapsed() < time + TIMEOUT,
                "{acked} of {sent} messages are acked, {open} have not reached all sockets"
            );
        }
        Ok(())
    }

    /// Returns what the sockets have received and sent so far.
    pub(crate) const fn totals(&self) -> Totals {
        self.state.totals
    }

    /// Returns the number of duplicate, misdirected or unexpected frames so far.
    pub(crate) const fn stray(&self) -> usize {
        self.state.stray
    }
}

impl State {
    /// Counts the message that a socket has received. Returns whether it is the next one.
    fn received(&mut self, socket: usize, number: u64) -> bool {
        let readers = self.got.len() - 1;
        let oldest = self.sent - self.reached.len() as u64;
        let in_flight = number.checked_sub(oldest).and_then(|place| usize::try_from(place).ok());
        let Some(reached) = in_flight.and_then(|place| self.reached.get_mut(place)) else { return false };
        if socket == 0 || self.got[socket] != number {
            return false;
        }
        self.got[socket] += 1;
        self.totals.deliveries += 1;
        *reached += 1;
        while self.reached.pop_front_if(|reached| *reached == readers).is_some() {}
        true
    }
}

impl FrameHandler for State {
    fn on_text(&mut self, socket: usize, payload: &[u8], sockets: &mut [Socket]) -> anyhow::Result<()> {
        match frame::read(payload) {
            ServerEvent::Acked(number) if socket == 0 && number < self.sent => self.acked += 1,
            ServerEvent::Delivered(number) if self.received(socket, number) => {
                if let (true, Some(seq)) = (self.is_reading, frame::seq(payload)) {
                    if self.receipt.0 != seq {
                        self.receipt = (seq, frame::receipt(self.chat, seq));
                    }
                    sockets[socket].write(&self.receipt.1)?;
                    self.totals.receipts += 1;
                }
            }
            ServerEvent::Ignored => {}
            _ => self.stray += 1,
        }
        Ok(())
    }
}
