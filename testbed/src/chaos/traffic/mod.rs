//! Steady traffic of real clients over many chats. Each logs everything for the checker.

mod client;
mod evidence;
mod frames;
mod rest;
mod session;
mod state;
mod stranger;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use neonchat_common::ids::{ChatId, Seq, UserId};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout_at},
};

pub use self::state::State;
use self::{client::Device, state::Shared, stranger::Stranger};
use super::{
    checker::Evidence,
    cluster::{Cluster, Endpoints},
};
use crate::client::{Api, POLL_INTERVAL, User};

/// How much traffic there is.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Users. Each has a chat with the next ones.
    pub users: usize,
    /// With how many of the users after them each has a chat.
    pub partners: usize,
    /// Devices of each user, each with a socket of its own.
    pub devices: usize,
    /// The mean pause between two messages of a device.
    pub pause: Duration,
    /// The most characters that a text has beside the id that makes it unlike any other.
    pub text: usize,
    /// Whether some of them are sent over REST.
    pub rest: bool,
}

impl Load {
    /// Some hundred messages a second in debug builds on two cores.
    pub const STEADY: Self =
        Self { users: 8, partners: 2, devices: 2, pause: Duration::from_millis(200), text: 200, rest: true };
}

/// What clients are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Say something now and then.
    Talk,
    /// Say nothing new, but send again what is unanswered.
    Settle,
    /// Go.
    End,
}

/// The longest that everything takes which a healthy system should do at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// The traffic. It ends when it is dropped.
#[derive(Debug)]
pub struct Traffic {
    phase: watch::Sender<Phase>,
    devices: Vec<Arc<State>>,
    stranger: Arc<State>,
    users: BTreeMap<UserId, User>,
    chats: BTreeMap<ChatId, BTreeSet<UserId>>,
    endpoints: Endpoints,
    _tasks: JoinSet<()>,
}

impl Traffic {
    /// Registers users, makes their chats, connects their devices, and has them talk.
    ///
    /// # Errors
    /// The system refuses.
    pub async fn start(cluster: &Cluster, load: Load, rng: &mut fastrand::Rng) -> anyhow::Result<Self> {
        let endpoints = cluster.endpoints.clone();
        let api = endpoints.api(rng);
        let mut users = Vec::new();
        for _ in 0..load.users {
            users.push(api.any_user().await?);
        }
        let stranger = api.any_user().await?;
        let mut chats = BTreeMap::new();
        for (index, user) in users.iter().enumerate() {
            for next in 1..=load.partners {
                let partner = &users[(index + next) % users.len()];
                let chat: ChatId = api.chat(user, partner).await?.parse()?;
                chats.insert(chat, BTreeSet::from([user.id.parse()?, partner.id.parse()?]));
            }
        }

        let mut load = load;
        if load.rest && !rest::may_send(&api, &users[0]).await? {
            println!("(this build takes no messages over REST: all go over the sockets)");
            load.rest = false;
        }
        let phase = watch::Sender::new(Phase::Talk);
        let mut tasks = JoinSet::new();
        let mut devices = Vec::new();
        for user in users.iter().flat_map(|user| std::iter::repeat_n(user, load.devices)) {
            let id: UserId = user.id.parse()?;
            let chats = chats.iter().filter(|(_, members)| members.contains(&id)).map(|(chat, _)| *chat).collect();
            let state = Arc::new(State::new(id, chats));
            let shared = Shared {
                state: Arc::clone(&state),
                user: user.clone(),
                endpoints: endpoints.clone(),
                phase: phase.subscribe(),
            };
            Device::new(shared, load, rng.fork()).spawn(&mut tasks);
            devices.push(state);
        }
        let state = Arc::new(State::new(stranger.id.parse()?, Vec::new()));
        let shared = Shared {
            state: Arc::clone(&state),
            user: stranger,
            endpoints: endpoints.clone(),
            phase: phase.subscribe(),
        };
        tasks.spawn(Stranger::new(shared, chats.keys().copied().collect(), rng.fork()).run());

        let users = users.into_iter().map(|user| Ok((user.id.parse()?, user))).collect::<anyhow::Result<_>>()?;
        let this = Self { phase, devices, stranger: state, users, chats, endpoints, _tasks: tasks };
        this.until(PATIENCE, "every device has sent something that was stored", State::has_acks).await?;
        Ok(this)
    }

    /// Waits until it is true of every device.
    async fn until(&self, limit: Duration, what: &str, is_true: impl Fn(&State) -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + limit;
        while !self.devices.iter().all(|state| is_true(state)) {
            ensure!(Instant::now() < deadline, "not within {limit:?}: {what}");
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// The devices.
    #[must_use]
    pub fn devices(&self) -> &[Arc<State>] {
        &self.devices
    }

    /// How many messages were acked up to now.
    #[must_use]
    pub fn acks(&self) -> usize {
        self.devices.iter().map(|state| state.acks()).sum()
    }

    /// Waits until one more message is acked. Returns how long that took, if it was done within `limit`.
    pub async fn first_ack(&self, limit: Duration) -> Option<Duration> {
        let (begun, before) = (Instant::now(), self.acks());
        let acked = async {
            while self.acks() == before {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        timeout_at(begun + limit, acked).await.ok().map(|()| begun.elapsed())
    }

    /// Waits until every device has what is stored now, and has an answer to what it had sent. Returns how long that took,
    /// if it was done within `limit`.
    ///
    /// # Errors
    /// Postgres is away.
    pub async fn catch_up(&self, cluster: &Cluster, limit: Duration) -> anyhow::Result<Option<Duration>> {
        let begun = Instant::now();
        let heads = evidence::heads(cluster, &self.chats).await?;
        let has_all = |state: &State| state.has_all(&heads) && state.is_answered_before(begun);
        Ok(self.until(limit, "", has_all).await.ok().map(|()| begun.elapsed()))
    }

    /// Has nobody say anything new, and waits until everybody has everything. Returns what was not so within `limit`.
    ///
    /// # Errors
    /// Postgres is away.
    pub async fn settle(&self, cluster: &Cluster, limit: Duration) -> anyhow::Result<Option<String>> {
        self.phase.send_replace(Phase::Settle);
        let deadline = Instant::now() + limit;
        let is_answered = |state: &State| state.is_answered_before(Instant::now());
        if self.until(limit, "", is_answered).await.is_err() {
            let open: usize = self.devices.iter().map(|state| state.unanswered()).sum();
            return Ok(Some(format!("{open} messages were not answered within {limit:?}")));
        }
        let heads = evidence::heads(cluster, &self.chats).await?;
        let has_all = |state: &State| state.is_connected() && state.has_all(&heads);
        if self.until(deadline - Instant::now(), "", has_all).await.is_err() {
            let behind = self.devices.iter().filter(|state| !has_all(state)).count();
            return Ok(Some(format!("{behind} devices did not have everything within {limit:?}")));
        }
        Ok(None)
    }

    /// What is known, for the checker. To be asked for when it has settled.
    ///
    /// # Errors
    /// The history cannot be read.
    pub async fn evidence(&self, cluster: &Cluster, rng: &mut fastrand::Rng) -> anyhow::Result<Evidence> {
        let clients = self.devices.iter().chain([&self.stranger]).map(|state| state.log()).collect();
        let api: Api = self.endpoints.api(rng);
        let chats = evidence::chats(cluster, &api, &self.chats, &self.users).await.context("the history")?;
        Ok(Evidence { chats, clients })
    }

    /// Sends everybody away.
    pub fn end(&self) {
        self.phase.send_replace(Phase::End);
    }
}

/// Up to where a chat goes.
type Heads = BTreeMap<ChatId, Seq>;
