//! Steady traffic of real clients in many chats. Each client logs everything for the checker.

mod changes;
mod client;
mod compose;
mod conversation;
mod evidence;
mod frames;
mod groups;
mod reactions;
mod reactors;
mod resend;
mod rest;
mod scheduled;
mod session;
mod state;
mod stranger;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use futures_util::future::try_join_all;
use neonchat_common::ids::{ChatId, Seq, UserId};
use neonchat_testbed::{
    client::{Api, User, retry},
    poll::{POLL_INTERVAL, until},
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout, timeout_at},
};

pub use self::state::State;
use self::{
    client::Device, conversation::Conversation, evidence::Pending, groups::Owner, state::Shared, stranger::Stranger,
};
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
    /// The number of devices of each user, each with its own socket.
    pub devices: usize,
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
    pub const STEADY: Self = Self {
        users: 8,
        partners: 2,
        devices: 2,
        pause: Duration::from_millis(200),
        text: 200,
        rest: true,
        chat: None,
    };

    /// As fast as possible, with texts that fill buffers.
    const FLOOD: Self = Self {
        users: 1,
        partners: 0,
        devices: 1,
        pause: Duration::from_millis(2),
        text: 3500,
        rest: false,
        chat: None,
    };
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
    devices: Mutex<Vec<Arc<State>>>,
    /// Clients that log but are not waited for.
    observers: Mutex<Vec<Arc<State>>>,
    users: BTreeMap<UserId, User>,
    chats: Chats,
    endpoints: Endpoints,
    conversation: Conversation,
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

        let phase = watch::Sender::new(Phase::Active);
        let tasks = Mutex::default();
        let conversation = Conversation::start(&endpoints, &phase.subscribe(), &tasks, &mut rng.fork()).await?;
        let this = Self {
            phase,
            flood: watch::Sender::new(Phase::Settling),
            devices: Mutex::default(),
            observers: Mutex::default(),
            users: users.iter().map(|user| Ok((user.id.parse()?, user.clone()))).collect::<anyhow::Result<_>>()?,
            chats,
            endpoints,
            conversation,
            tasks,
        };
        let mut devices = BTreeMap::new();
        for user in this.users.keys().flat_map(|user| std::iter::repeat_n(*user, load.devices)) {
            devices.insert(user, this.add_device(user, load, this.phase.subscribe(), rng)?);
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
        this.until(FIRST_ACK_TIMEOUT, "each device has an ack", State::has_acks).await?;
        Ok(this)
    }

    /// Adds a client that logs, beside the devices.
    fn observer(&self, user: UserId) -> Arc<State> {
        let state = Arc::new(State::new(user, Vec::new()));
        lock(&self.observers).push(Arc::clone(&state));
        state
    }

    fn add_device(
        &self,
        user: UserId,
        load: Load,
        phase: watch::Receiver<Phase>,
        rng: &mut fastrand::Rng,
    ) -> anyhow::Result<Shared> {
        let chats = self.chats.iter().filter(|(_, chat)| chat.founders.contains(&user));
        let name = |member: &UserId| Some(self.users.get(member).filter(|_| *member != user)?.name.clone());
        let partners = chats.clone().filter(|(_, chat)| chat.is_lasting);
        let partners = partners.map(|(id, chat)| (*id, chat.founders.iter().filter_map(name).collect())).collect();
        let state = Arc::new(State::new(user, chats.map(|(id, _)| *id).collect()).with_partners(partners));
        let user = self.users.get(&user).context("an unknown user")?.clone();
        let shared = Shared { state: Arc::clone(&state), user, endpoints: self.endpoints.clone(), phase };
        Device::new(shared.clone(), load, rng.fork()).spawn(&mut lock(&self.tasks));
        lock(&self.devices).push(state);
        Ok(shared)
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

    /// Waits until the condition is true for each device.
    async fn until(&self, limit: Duration, what: &str, is_true: impl Fn(&State) -> bool) -> anyhow::Result<()> {
        let of_all = async || self.devices().iter().all(|state| is_true(state));
        timeout(limit, until(of_all)).await.with_context(|| format!("not within {limit:?}: {what}"))
    }

    /// Returns the devices.
    #[must_use]
    pub fn devices(&self) -> Vec<Arc<State>> {
        lock(&self.devices).clone()
    }

    /// Returns the number of acks so far.
    #[must_use]
    pub fn acks(&self) -> usize {
        self.devices().iter().map(|state| state.acks()).sum()
    }

    /// Waits for the next ack. Returns the time it took, or `None` after `limit`.
    pub async fn first_ack(&self, limit: Duration) -> Option<Duration> {
        let (begun, before) = (Instant::now(), self.acks());
        timeout_at(begun + limit, until(async || self.acks() != before)).await.ok().map(|()| begun.elapsed())
    }

    /// Waits until each device has every message that is stored now, and an answer to each of its sends. Returns the time
    /// it took, or `None` after `limit`.
    ///
    /// # Errors
    /// Postgres is not available.
    pub async fn catch_up(&self, cluster: &Cluster, limit: Duration) -> anyhow::Result<Option<Duration>> {
        let begun = Instant::now();
        let heads = evidence::heads(cluster, &self.chats).await?;
        let has_all = |state: &State| state.has_all(&heads) && state.is_answered_before(begun);
        Ok(self.until(limit, "", has_all).await.ok().map(|()| begun.elapsed()))
    }

    /// Stops new messages and waits until each send is answered. Returns a description of what was unanswered after
    /// `limit`.
    pub async fn stop_sending(&self, limit: Duration) -> Option<String> {
        self.phase.send_replace(Phase::Settling);
        let is_answered = |state: &State| state.is_answered_before(Instant::now());
        self.until(limit, "", is_answered).await.err().map(|_| {
            let open: usize = self.devices().iter().map(|state| state.unanswered()).sum();
            format!("{open} messages and changes were not answered within {limit:?}")
        })
    }

    /// Resumes sending new messages.
    pub fn resume_sending(&self) {
        self.phase.send_replace(Phase::Active);
    }

    /// Waits until every scheduled message was sent, and every reaction has its event. Returns a description of what was pending after
    /// `limit`. After a crash it takes half a minute until another instance sends the message.
    ///
    /// # Errors
    /// Postgres is not available.
    pub async fn drain(&self, cluster: &Cluster, limit: Duration) -> anyhow::Result<Option<String>> {
        let (deadline, sql) = (Instant::now() + limit, cluster.sql().await?);
        loop {
            let Pending { scheduled, reactions } = evidence::pending(&sql, &self.chats).await?;
            if scheduled == 0 && reactions == 0 {
                return Ok(None);
            }
            if Instant::now() >= deadline {
                let pending = format!("{scheduled} scheduled messages and {reactions} reactions");
                return Ok(Some(format!("{pending} were pending after {limit:?}")));
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Stops new messages and waits until each device has every message. Returns a description of what was missing after
    /// `limit`.
    ///
    /// # Errors
    /// Postgres is not available.
    pub async fn settle(&self, cluster: &Cluster, limit: Duration) -> anyhow::Result<Option<String>> {
        let deadline = Instant::now() + limit;
        if let Some(unanswered) = self.stop_sending(limit).await {
            return Ok(Some(unanswered));
        }
        if let Some(pending) = self.drain(cluster, deadline - Instant::now()).await? {
            return Ok(Some(pending));
        }
        let heads = evidence::heads(cluster, &self.chats).await?;
        let has_all = |state: &State| state.is_connected() && state.has_settled(&heads);
        if self.until(deadline - Instant::now(), "", has_all).await.is_err() {
            let behind = self.devices().iter().filter(|state| !has_all(state)).count();
            return Ok(Some(format!("{behind} devices did not have every message within {limit:?}")));
        }
        Ok(self.conversation.settle(deadline - Instant::now()).await)
    }

    /// Returns the evidence for the checker. Call it after [`Traffic::settle`].
    ///
    /// # Errors
    /// The history cannot be read.
    pub async fn evidence(&self, cluster: &Cluster, rng: &mut fastrand::Rng) -> anyhow::Result<Evidence> {
        let observers = lock(&self.observers).clone();
        let clients = self.devices().iter().chain(&observers).map(|state| state.log()).collect();
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
