//! The load generator: one thread, one epoll, no task and no allocation per message. It takes CPU from the system, so its own
//! CPU time is measured and printed too.

pub(crate) mod arrivals;
pub(crate) mod connections;
pub(crate) mod frame;
pub(crate) mod journal;
pub(crate) mod phases;
pub(crate) mod readers;
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
    phases::Phases,
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

/// What is sent.
#[derive(Debug)]
pub(crate) enum Traffic {
    /// Messages.
    Messages,
    /// Edits of these: a message of each member of each chat.
    Edits(Vec<Vec<Uuid>>),
    /// Messages, and in the mixed phases beside them replies with a mention, reactions and edits.
    Mix {
        phases: Phases,
        /// A message of each member of each chat.
        targets: Vec<Vec<Uuid>>,
        /// The ID of each user.
        users: Vec<Uuid>,
    },
}

/// The kinds of [`Traffic`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Message,
    Reply,
    Reaction,
    Edit,
}

/// Of 100 frames of a mix, how many are of each kind but plain messages.
const MIX: [(Sent, u8); 3] = [(Sent::Reply, 5), (Sent::Reaction, 3), (Sent::Edit, 2)];

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
    /// What is sent.
    pub(crate) traffic: Traffic,
    /// The duration.
    pub(crate) duration: Duration,
}

impl Plan {
    /// Returns a plan that sends messages, with a socket for each user. The duration is 0.
    pub(crate) fn new(addresses: Vec<SocketAddr>, population: &Population, load: Load) -> Self {
        let (tokens, chats) = (population.tokens(), population.chats.clone());
        Self { addresses, tokens, chats, load, traffic: Traffic::Messages, duration: Duration::ZERO }
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
        templates: Templates::new(),
        reacted: vec![false; plan.tokens.len()],
        editing: vec![None; plan.tokens.len()],
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
    templates: Templates,
    /// Whether the last reaction of each user was added.
    reacted: Vec<bool>,
    /// The number of the edit of each user that is under way. Of two at the same time, the first one may be delivered without its text.
    editing: Vec<Option<u64>>,
    journal: Journal,
    epoch: Instant,
    random: fastrand::Rng,
}

/// The frames.
struct Templates {
    message: Template,
    reply: Template,
    reaction: Template,
    edit: Template,
}

impl Templates {
    fn new() -> Self {
        Self {
            message: Template::new(TEXT_LENGTH),
            reply: Template::reply(TEXT_LENGTH),
            reaction: Template::react(),
            edit: Template::edit(TEXT_LENGTH),
        }
    }
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
        let kind = match self.next_kind() {
            Sent::Edit if self.editing[members[sender]].is_some() => Sent::Message,
            kind => kind,
        };
        let number = match kind {
            Sent::Reaction => self.journal.change(chat, sender, due),
            Sent::Message | Sent::Reply | Sent::Edit => self.journal.send(chat, sender, members.len(), due),
        };
        let (user, partner) = (members[sender], (sender + 1) % members.len());
        let template = match (&self.plan.traffic, kind) {
            (Traffic::Edits(targets) | Traffic::Mix { targets, .. }, Sent::Edit) => {
                self.journal.count_change();
                self.editing[user] = Some(number);
                self.templates.edit.set_message(targets[chat][sender]);
                &mut self.templates.edit
            }
            (Traffic::Mix { targets, .. }, Sent::Reaction) => {
                self.reacted[user] = !self.reacted[user];
                self.templates.reaction.set_message(targets[chat][partner]);
                self.templates.reaction.set_on(self.reacted[user]);
                &mut self.templates.reaction
            }
            (Traffic::Mix { targets, users, .. }, Sent::Reply) => {
                self.templates.reply.set_message(targets[chat][partner]);
                self.templates.reply.set_user(users[members[partner]]);
                &mut self.templates.reply
            }
            _ => &mut self.templates.message,
        };
        sockets[user].write(template.message(*id, number))
    }

    fn next_kind(&mut self) -> Sent {
        match self.plan.traffic {
            Traffic::Messages => Sent::Message,
            Traffic::Edits(_) => Sent::Edit,
            Traffic::Mix { phases, .. } if !phases.is_mixed(self.now()) => Sent::Message,
            Traffic::Mix { .. } => {
                let mut of_100 = self.random.u8(..100);
                for (kind, share) in MIX {
                    if of_100 < share {
                        return kind;
                    }
                    of_100 -= share;
                }
                Sent::Message
            }
        }
    }

    fn note(&mut self, socket: usize, payload: &[u8]) -> Done {
        let (now, chats) = (self.now(), &self.plan.chats);
        let member = |chat: usize| chats[chat].members.iter().position(|member| *member == socket);
        let event = frame::read(payload);
        let before = self.journal.violations().of_frames();
        let done = match event {
            ServerEvent::Acked(number) => self.journal.acked(number, now, member),
            ServerEvent::Delivered(number) => self.journal.delivered(number, now, member),
            ServerEvent::Refused(number) => self.journal.refused(number),
            ServerEvent::Ignored => None,
            ServerEvent::Unexpected => {
                self.journal.unexpected();
                None
            }
        };
        if self.journal.violations().of_frames() > before {
            self.journal.keep(payload);
        }
        let (chat, sender) = done?;
        let editing = &mut self.editing[chats[chat].members[sender]];
        editing.take_if(|editing| event.number() == Some(*editing));
        done
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
