//! Steady traffic of real clients in many chats. Each client logs everything for the checker.
//!
//! A user has two: an ordinary client on the SDK, and a device of the checker's own that knows nothing of the SDK.

mod changes;
mod client;
mod compose;
mod evidence;
mod frames;
mod groups;
mod ordinary;
mod reactions;
mod reactors;
mod resend;
mod rest;
mod scheduled;
mod session;
mod state;
mod stranger;
mod waiting;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use futures_util::future::try_join_all;
use neonchat_common::ids::{ChatId, Seq, UserId};
use neonchat_testbed::client::{Api, User, retry};
use tokio::{sync::watch, task::JoinSet};

pub use self::state::State;
use self::{client::Device, groups::Owner, ordinary::Ordinary, state::Shared, stranger::Stranger};
use super::{
    checker::Evidence,
    cluster::{Cluster, Endpoints},
};

/// The amount of traffic.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// The number of users. Each has a chat with the next ones.
    pub users: usize,
    /// With how many of the next users each user has a chat.
    pub partners: usize,
    /// The mean pause between two messages of a device.
    pub pause: Duration,
    /// The maximum length of a text in characters, beside the ID that makes it unique.
    pub text: usize,
    /// Whether some messages are sent over REST, and some are edited and deleted.
    pub rest: bool,
    /// The only chat to send to. `None` for a random one.
    pub chat: Option<ChatId>,
}

impl Load {
    /// Some hundred messages/s in debug builds on two cores.
    pub const STEADY: Self =
        Self { users: 8, partners: 2, pause: Duration::from_millis(200), text: 200, rest: true, chat: None };

    /// As fast as possible, with texts that fill buffers.
    const FLOOD: Self =
        Self { users: 1, partners: 0, pause: Duration::from_millis(2), text: 3500, rest: false, chat: None };
}

/// What the clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Send new messages.
    Active,
    /// Send no new messages, but retry those without an answer.
    Settling,
    /// Disconnect and end.
    Stopped,
}

/// The longest until each device of a healthy system has its first ack.
const FIRST_ACK_TIMEOUT: Duration = Duration::from_secs(20);

/// Creates the chats of each user with the next ones.
async fn direct_chats(api: &Api, users: &[User], partners: usize) -> anyhow::Result<Chats> {
    let pairs = (0..users.len()).flat_map(|index| (1..=partners).map(move |next| (index, next)));
    let chats = try_join_all(pairs.map(async |(index, next)| {
        let (user, partner) = (&users[index], &users[(index + next) % users.len()]);
        let chat: ChatId = retry(async || api.chat(user, partner).await).await?.parse()?;
        let founders = BTreeSet::from([user.id.parse()?, partner.id.parse()?]);
        anyhow::Ok((chat, Founded { founders, owner: None, shows_history: true, is_lasting: true }))
    }));
    Ok(chats.await?.into_iter().collect())
}

/// The traffic. It ends on drop.
#[derive(Debug)]
pub struct Traffic {
    phase: watch::Sender<Phase>,
    /// The phase of the devices that flood.
    flood: watch::Sender<Phase>,
    /// The devices that are not on the SDK.
    devices: Mutex<Vec<Arc<State>>>,
    /// Clients that log but are not waited for.
    observers: Mutex<Vec<Arc<State>>>,
    users: BTreeMap<UserId, User>,
    chats: Chats,
    endpoints: Endpoints,
    /// The client of each user that is on the SDK.
    ordinary: Vec<Ordinary>,
    tasks: Mutex<JoinSet<()>>,
}

/// A chat as it was created.
#[derive(Clone, Debug)]
struct Founded {
    founders: BTreeSet<UserId>,
    /// The owner of a group.
    owner: Option<UserId>,
    /// Whether new members see the history from before.
    shows_history: bool,
    /// Whether the members stay.
    is_lasting: bool,
}

impl Founded {
    const fn is_direct(&self) -> bool {
        self.owner.is_none()
    }
}

/// All chats.
type Chats = BTreeMap<ChatId, Founded>;

/// The last event of a chat, and the members.
struct Head {
    seq: Seq,
    members: BTreeSet<UserId>,
}

/// The head of each chat.
type Heads = BTreeMap<ChatId, Head>;

impl Traffic {
    /// Registers users, creates their chats, connects their devices, and starts sending.
    ///
    /// # Errors
    /// The system does not accept it in time.
    pub async fn start(cluster: &Cluster, mut load: Load, rng: &mut fastrand::Rng) -> anyhow::Result<Self> {
        let endpoints = cluster.endpoints.clone();
        let api = endpoints.api(rng);
        let users = try_join_all((0..=load.users).map(|_| retry(async || api.any_user().await))).await?;
        let (stranger, users) = users.split_last().context("no users")?;
        let mut chats: Chats = direct_chats(&api, users, load.partners).await?;
        chats.extend(groups::create(&api, users).await?);
        chats.extend(groups::create_crowd(&api, users).await?);
        load.rest &= retry(async || rest::may_send(&api, stranger).await).await?;

        let mut this = Self {
            phase: watch::Sender::new(Phase::Active),
            flood: watch::Sender::new(Phase::Settling),
            devices: Mutex::default(),
            observers: Mutex::default(),
            users: users.iter().map(|user| Ok((user.id.parse()?, user.clone()))).collect::<anyhow::Result<_>>()?,
            chats,
            endpoints,
            ordinary: Vec::new(),
            tasks: Mutex::default(),
        };
        this.add_ordinary(load, rng).await?;
        let mut devices = BTreeMap::new();
        for user in this.users.keys() {
            devices.insert(*user, this.add_device(*user, load, this.phase.subscribe(), rng)?);
        }
        if load.rest {
            for (chat, group) in this.chats.iter().filter(|(_, chat)| !chat.is_lasting) {
                let owner = Owner::new(*chat, group, &devices, load, rng).context("a group without an owner")?;
                lock(&this.tasks).spawn(owner.run());
            }
        }
        let state = this.observer(stranger.id.parse()?);
        let shared =
            Shared { state, user: stranger.clone(), endpoints: this.endpoints.clone(), phase: this.phase.subscribe() };
        let stranger = Stranger::new(shared, this.chats.keys().copied().collect(), rng.fork());
        lock(&this.tasks).spawn(stranger.run());
        this.until(FIRST_ACK_TIMEOUT, "each client has an ack", State::has_acks).await?;
        Ok(this)
    }

    /// Adds a client that logs, beside the devices.
    fn observer(&self, user: UserId) -> Arc<State> {
        let state = Arc::new(State::new(user, Vec::new()));
        lock(&self.observers).push(Arc::clone(&state));
        state
    }

    /// Adds an ordinary client for each user. Nothing is sent before all of them are there, because for a new client of the SDK it would
    /// be history.
    async fn add_ordinary(&mut self, load: Load, rng: &mut fastrand::Rng) -> anyhow::Result<()> {
        let clients = self.users.keys().map(|user| {
            let (shared, mut rng) = (self.shared(*user, self.phase.subscribe()), rng.fork());
            async move { Ordinary::start(shared?, &mut rng).await }
        });
        for (ordinary, events) in try_join_all(clients.collect::<Vec<_>>()).await? {
            ordinary.spawn(events, load, rng, &mut lock(&self.tasks));
            self.ordinary.push(ordinary);
        }
        Ok(())
    }

    fn add_device(
        &self,
        user: UserId,
        load: Load,
        phase: watch::Receiver<Phase>,
        rng: &mut fastrand::Rng,
    ) -> anyhow::Result<Shared> {
        let shared = self.shared(user, phase)?;
        Device::new(shared.clone(), load, rng.fork()).spawn(&mut lock(&self.tasks));
        lock(&self.devices).push(Arc::clone(&shared.state));
        Ok(shared)
    }

    /// Returns what the tasks of a new client share.
    fn shared(&self, user: UserId, phase: watch::Receiver<Phase>) -> anyhow::Result<Shared> {
        let chats = self.chats.iter().filter(|(_, chat)| chat.founders.contains(&user));
        let name = |member: &UserId| Some(self.users.get(member).filter(|_| *member != user)?.name.clone());
        let partners = chats.clone().filter(|(_, chat)| chat.is_lasting);
        let partners = partners.map(|(id, chat)| (*id, chat.founders.iter().filter_map(name).collect())).collect();
        let state = Arc::new(State::new(user, chats.map(|(id, _)| *id).collect()).with_partners(partners));
        let user = self.users.get(&user).context("an unknown user")?.clone();
        Ok(Shared { state, user, endpoints: self.endpoints.clone(), phase })
    }

    /// Returns a direct chat of which a user is a member, and the partner.
    fn direct_chat(&self, user: UserId, rng: &mut fastrand::Rng) -> Option<(ChatId, UserId)> {
        let direct = self.chats.iter().filter(|(_, chat)| chat.is_direct() && chat.founders.contains(&user));
        let (id, chat) = rng.choice(direct.collect::<Vec<_>>())?;
        chat.founders.iter().find(|member| **member != user).map(|partner| (*id, *partner))
    }

    /// Floods one of the direct chats of `reader` from `writers` additional devices of the other member.
    ///
    /// # Errors
    /// The reader has no chat.
    pub fn flood(&self, reader: &State, writers: usize, rng: &mut fastrand::Rng) -> anyhow::Result<()> {
        let (chat, partner) = self.direct_chat(reader.user(), rng).context("no chat")?;
        self.flood.send_replace(Phase::Active);
        for _ in 0..writers {
            self.add_device(partner, Load { chat: Some(chat), ..Load::FLOOD }, self.flood.subscribe(), rng)?;
        }
        Ok(())
    }

    /// Ends the flood.
    pub fn end_flood(&self) {
        self.flood.send_replace(Phase::Settling);
    }

    /// Returns the devices that are not on the SDK.
    #[must_use]
    pub fn devices(&self) -> Vec<Arc<State>> {
        lock(&self.devices).clone()
    }

    /// Returns the devices and the ordinary clients.
    fn clients(&self) -> Vec<Arc<State>> {
        self.ordinary.iter().map(Ordinary::state).chain(&*lock(&self.devices)).cloned().collect()
    }

    /// Returns the number of acks so far.
    #[must_use]
    pub fn acks(&self) -> usize {
        self.clients().iter().map(|state| state.acks()).sum()
    }

    /// Returns the evidence for the checker. Call it after [`Traffic::settle`].
    ///
    /// # Errors
    /// The history cannot be read.
    pub async fn evidence(&self, cluster: &Cluster, rng: &mut fastrand::Rng) -> anyhow::Result<Evidence> {
        for ordinary in &self.ordinary {
            ordinary.look().await.context("read the timelines of the SDK")?;
        }
        let observers = lock(&self.observers).clone();
        let clients = self.clients().iter().chain(&observers).map(|state| state.log()).collect();
        let api: Api = self.endpoints.api(rng);
        let chats = evidence::chats(cluster, &api, &self.chats, &self.users).await.context("read the history")?;
        let mut evidence = Evidence { chats, clients };
        reactors::read(&api, &mut evidence, &self.chats, &self.users).await.context("read the reactions")?;
        Ok(evidence)
    }

    /// Disconnects all clients.
    pub fn stop(&self) {
        self.phase.send_replace(Phase::Stopped);
        self.flood.send_replace(Phase::Stopped);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
