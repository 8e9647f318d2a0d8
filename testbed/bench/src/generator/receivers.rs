//! Many sockets of one chat that all receive each message, one message after another.

use std::{
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

/// The longest until a message has reached all sockets.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A message that has reached all sockets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// When it was sent.
    pub(crate) sent: Instant,
    /// When the first socket had it, since it was sent.
    pub(crate) first: Duration,
    /// When the last socket had it, since it was sent.
    pub(crate) last: Duration,
}

/// The sockets: the first sends, all others receive.
#[derive(Debug)]
pub(crate) struct Receivers {
    connections: Connections,
    state: State,
}

#[derive(Debug)]
struct State {
    chat: Uuid,
    template: Template,
    /// The number of the next message.
    next: u64,
    /// The number of messages that each socket has received.
    got: Vec<u64>,
    received: usize,
    is_acked: bool,
    round: Round,
    /// The number of duplicate, misdirected or unexpected frames.
    stray: usize,
}

impl Receivers {
    /// Opens a socket for each token of a member of `chat`, at the addresses in turn.
    ///
    /// # Errors
    /// A handshake is refused or times out.
    pub(crate) fn open(addresses: &[SocketAddr], tokens: &[String], chat: Uuid) -> anyhow::Result<Self> {
        let round = Round { sent: Instant::now(), first: Duration::ZERO, last: Duration::ZERO };
        let (template, got) = (Template::new(TEXT_LENGTH), vec![0; tokens.len()]);
        let mut state = State { chat, template, next: 0, got, received: 0, is_acked: false, round, stray: 0 };
        let mut connections = Connections::new()?;
        connections.open_all(addresses, tokens, &mut state)?;
        Ok(Self { connections, state })
    }

    /// Sends a message and waits until it is acked and all other sockets have received it.
    ///
    /// # Errors
    /// A socket is closed, the message is not acked, or a socket does not get it.
    pub(crate) fn round(&mut self) -> anyhow::Result<Round> {
        let Self { connections, state } = self;
        let receivers = state.got.len() - 1;
        (state.received, state.is_acked) = (0, false);
        state.round.sent = Instant::now();
        connections.sockets[0].write(state.template.message(state.chat, state.next))?;
        while state.received < receivers || !state.is_acked {
            connections.turn(state)?;
            let (reached, acked) = (state.received, if state.is_acked { "acked" } else { "not acked" });
            ensure!(
                state.round.sent.elapsed() < TIMEOUT,
                "after {TIMEOUT:?} a message is {acked} and has reached {reached} of {receivers} sockets"
            );
        }
        state.next += 1;
        Ok(state.round)
    }

    /// Keeps the sockets open until a time.
    ///
    /// # Errors
    /// A socket is closed.
    pub(crate) fn hold(&mut self, until: Instant) -> anyhow::Result<()> {
        while Instant::now() < until {
            self.connections.wake_after(until.saturating_duration_since(Instant::now()))?;
            self.connections.turn(&mut self.state)?;
        }
        Ok(())
    }

    /// Returns the number of duplicate, misdirected or unexpected frames so far.
    pub(crate) const fn stray(&self) -> usize {
        self.state.stray
    }
}

impl FrameHandler for State {
    fn on_text(&mut self, socket: usize, payload: &[u8], _: &mut [Socket]) -> anyhow::Result<()> {
        match frame::read(payload) {
            ServerEvent::Acked(number) if socket == 0 && number == self.next => self.is_acked = true,
            ServerEvent::Delivered(number) if socket != 0 && number == self.next && self.got[socket] == number => {
                self.got[socket] += 1;
                self.received += 1;
                self.round.last = self.round.sent.elapsed();
                if self.received == 1 {
                    self.round.first = self.round.last;
                }
            }
            ServerEvent::Ignored => {}
            _ => self.stray += 1,
        }
        Ok(())
    }
}
