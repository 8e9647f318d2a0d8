//! The load: one thread, one epoll, no task and no allocation a message. The system has what it does not take, so its own
//! CPU is measured and printed beside the system's.

pub(crate) mod arrivals;
pub(crate) mod connections;
pub(crate) mod frame;
pub(crate) mod journal;
pub(crate) mod socket;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use uuid::Uuid;

use self::{
    arrivals::Arrivals,
    connections::{Connections, Listener},
    frame::{Heard, Template},
    journal::{Done, Journal},
    socket::Socket,
};
use super::population::Population;

/// The longest that is waited, at the end, for messages that were sent.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// Characters of a message's text.
pub(crate) const TEXT_LENGTH: usize = 60;

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

impl Plan {
    /// Each of these people has a socket. `lasts` is 0 still.
    pub(crate) fn new(address: SocketAddr, population: &Population, load: Load) -> Self {
        let chats = population.pairs.iter().map(|pair| (pair.chat, pair.members)).collect();
        Self { address, tokens: population.tokens(), chats, load, lasts: Duration::ZERO }
    }
}

/// Runs a plan in this thread. `begin` is called when all sockets are open, and returns when the load begins.
///
/// # Errors
/// A socket is refused or closed. Of messages that are refused or lost the journal tells.
pub(crate) fn run(plan: &Plan, begin: impl FnOnce() -> Instant) -> anyhow::Result<Journal> {
    let mut connections = Connections::new()?;
    let mut talk = Talk {
        plan,
        template: Template::new(TEXT_LENGTH),
        journal: Journal::default(),
        epoch: Instant::now(),
        random: fastrand::Rng::with_seed(1),
    };
    connections.open_all(plan.address, &plan.tokens, &mut talk)?;
    talk.epoch = begin();
    talk.play(&mut connections)?;
    Ok(talk.journal)
}

/// What is said, and what was heard of it.
struct Talk<'a> {
    plan: &'a Plan,
    template: Template,
    journal: Journal,
    epoch: Instant,
    random: fastrand::Rng,
}

impl Talk<'_> {
    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// The load, until all that was sent is done, or long after it should be.
    fn play(&mut self, connections: &mut Connections) -> anyhow::Result<()> {
        while Instant::now() < self.epoch {
            connections.turn(self)?;
        }
        let mut arrivals = None;
        match self.plan.load {
            Load::Open { per_second } => arrivals = Some(Arrivals::new(per_second, 1)),
            Load::Closed { in_flight } => {
                for (chat, slot) in
                    (0..self.plan.chats.len()).flat_map(|chat| (0..in_flight).map(move |slot| (chat, slot)))
                {
                    self.send(chat, slot % 2, self.now(), &mut connections.sockets)?;
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
                    self.send(chat, side, due, &mut connections.sockets)?;
                }
                connections.wake_after(arrivals.next().saturating_sub(self.now()))?;
            }
            connections.turn(self)?;
        }
    }

    fn send(&mut self, chat: usize, side: usize, due: Duration, sockets: &mut [Socket]) -> anyhow::Result<()> {
        let (id, members) = self.plan.chats[chat];
        let number = self.journal.send(chat, side, due);
        sockets[members[side]].write(self.template.message(id, number))
    }

    fn note(&mut self, socket: usize, payload: &[u8]) -> Done {
        let (now, chats) = (self.now(), &self.plan.chats);
        let is = |chat: usize, side: usize| chats[chat].1[side] == socket;
        match frame::read(payload) {
            Heard::Acked(number) => self.journal.acked(number, now, is),
            Heard::Delivered(number) => self.journal.delivered(number, now, |chat, side| is(chat, 1 - side)),
            Heard::Refused(number) => self.journal.refused(number),
            Heard::Aside => None,
            Heard::Unexpected => {
                self.journal.unexpected();
                None
            }
        }
    }
}

impl Listener for Talk<'_> {
    fn hear(&mut self, socket: usize, payload: &[u8], sockets: &mut [Socket]) -> anyhow::Result<()> {
        if let (Some((chat, side)), Load::Closed { .. }) = (self.note(socket, payload), self.plan.load)
            && self.now() < self.plan.lasts
        {
            self.send(chat, 1 - side, self.now(), sockets)?;
        }
        Ok(())
    }
}
