//! The load generator: one thread, one epoll, no task and no allocation per message. It takes CPU from the system, so its own
//! CPU time is measured and printed too.

pub(crate) mod arrivals;
pub(crate) mod connections;
pub(crate) mod frame;
pub(crate) mod journal;
pub(crate) mod receivers;
pub(crate) mod socket;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use uuid::Uuid;

use self::{
    arrivals::Arrivals,
    connections::{Connections, FrameHandler},
    frame::{ServerEvent, Template},
    journal::{Done, Journal},
    socket::Socket,
};
use super::population::{Chat, Population};

/// The longest wait for unfinished messages at the end.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// The length of a text in characters.
pub(crate) const TEXT_LENGTH: usize = 60;

/// When messages are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    /// A closed loop: when a message is acked and delivered, the next member sends the next.
    Closed {
        /// The number of messages in flight in each chat.
        in_flight: usize,
    },
    /// An open loop: a fixed rate over all chats.
    Open {
        /// The rate in messages/s.
        per_second: u32,
    },
}

/// The parameters of a load.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The addresses of the instances. The sockets take them in turn.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The token of each user, who has one socket.
    pub(crate) tokens: Vec<String>,
    /// The chats, of at most [`journal::MAX_MEMBERS`] members.
    pub(crate) chats: Vec<Chat>,
    /// When messages are sent.
    pub(crate) load: Load,
    /// A message of each member of each chat. If there are any, they are edited and no messages are sent.
    pub(crate) edited: Option<Vec<Vec<Uuid>>>,
    /// The duration.
    pub(crate) duration: Duration,
}

impl Plan {
    /// Returns a plan that sends messages, with a socket for each user. The duration is 0.
    pub(crate) fn new(addresses: Vec<SocketAddr>, population: &Population, load: Load) -> Self {
        let (tokens, chats) = (population.tokens(), population.chats.clone());
        Self { addresses, tokens, chats, load, edited: None, duration: Duration::ZERO }
    }
}

/// Runs a plan in this thread. Calls `begin` when all sockets are open, which returns the start time of the load.
///
/// # Errors
/// A socket is refused or closed. Refused and lost messages are in the journal instead.
pub(crate) fn run(plan: &Plan, begin: impl FnOnce() -> Instant) -> anyhow::Result<Journal> {
    let mut connections = Connections::new()?;
    let mut driver = Driver {
        plan,
        template: if plan.edited.is_some() { Template::edit(TEXT_LENGTH) } else { Template::new(TEXT_LENGTH) },
        journal: Journal::default(),
        epoch: Instant::now(),
        random: fastrand::Rng::with_seed(1),
    };
    connections.open_all(&plan.addresses, &plan.tokens, &mut driver)?;
    driver.epoch = begin();
    driver.run(&mut connections)?;
    Ok(driver.journal)
}

/// Sends the messages and records the events.
struct Driver<'a> {
    plan: &'a Plan,
    template: Template,
    journal: Journal,
    epoch: Instant,
    random: fastrand::Rng,
}

impl Driver<'_> {
    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// Runs the load until every message is done, or the drain timeout passes.
    fn run(&mut self, connections: &mut Connections) -> anyhow::Result<()> {
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
                    let sender = slot % self.plan.chats[chat].members.len();
                    self.send(chat, sender, self.now(), &mut connections.sockets)?;
                }
            }
        }
        loop {
            let now = self.now();
            let sending = now < self.plan.duration;
            if !sending && (self.journal.open() == 0 || now > self.plan.duration + DRAIN_TIMEOUT) {
                return Ok(());
            }
            if let Some(arrivals) = &mut arrivals
                && sending
            {
                while let Some(due) = arrivals.take(self.now()) {
                    let chat = self.random.usize(..self.plan.chats.len());
                    let sender = self.random.usize(..self.plan.chats[chat].members.len());
                    self.send(chat, sender, due, &mut connections.sockets)?;
                }
                connections.wake_after(arrivals.next().saturating_sub(self.now()))?;
            }
            connections.turn(self)?;
        }
    }

    fn send(&mut self, chat: usize, sender: usize, due: Duration, sockets: &mut [Socket]) -> anyhow::Result<()> {
        let Chat { id, members } = &self.plan.chats[chat];
        let number = self.journal.send(chat, sender, members.len(), due);
        if let Some(edited) = &self.plan.edited {
            self.template.set_message(edited[chat][sender]);
        }
        sockets[members[sender]].write(self.template.message(*id, number))
    }

    fn note(&mut self, socket: usize, payload: &[u8]) -> Done {
        let (now, chats) = (self.now(), &self.plan.chats);
        let member = |chat: usize| chats[chat].members.iter().position(|member| *member == socket);
        match frame::read(payload) {
            ServerEvent::Acked(number) => self.journal.acked(number, now, member),
            ServerEvent::Delivered(number) => self.journal.delivered(number, now, member),
            ServerEvent::Refused(number) => self.journal.refused(number),
            ServerEvent::Ignored => None,
            ServerEvent::Unexpected => {
                self.journal.unexpected();
                None
            }
        }
    }
}

impl FrameHandler for Driver<'_> {
    fn on_text(&mut self, socket: usize, payload: &[u8], sockets: &mut [Socket]) -> anyhow::Result<()> {
        if let (Some((chat, sender)), Load::Closed { .. }) = (self.note(socket, payload), self.plan.load)
            && self.now() < self.plan.duration
        {
            let next = (sender + 1) % self.plan.chats[chat].members.len();
            self.send(chat, next, self.now(), sockets)?;
        }
        Ok(())
    }
}
