//! Steady traffic of real clients over many chats. Each logs everything for the checker.

mod client;
mod evidence;
mod frames;
mod resend;
mod rest;
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
    client::{Api, User, insist},
    poll::until,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};

pub use self::state::State;
use self::{client::Device, state::Shared, stranger::Stranger};
use super::{
    checker::Evidence,
    cluster::{Cluster, Endpoints},
};

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
    /// The one chat that is written to, instead of any.
    pub chat: Option<ChatId>,
}

impl Load {
    /// Some hundred messages a second in debug builds on two cores.
    pub const STEADY: Self = Self {
        users: 8,
        partners: 2,
        devices: 2,
        pause: Duration::from_millis(200),
        text: 200,
        rest: true,
        chat: None,
    };

    /// As fast as it goes, with texts that fill buffers.
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
    /// That of the devices that flood.
    flood: watch::Sender<Phase>,
    devices: Mutex<Vec<Arc<State>>>,
    /// Who logs, and is not waited for.
    witnesses: Mutex<Vec<Arc<State>>>,
    users: BTreeMap<UserId, User>,
    chats: Members,
    endpoints: Endpoints,
    tasks: Mutex<JoinSet<()>>,
}

/// The chats, and who is in them.
type Members = BTreeMap<ChatId, BTreeSet<UserId>>;

/// Up to where chats go.
type Heads = BTreeMap<ChatId, Seq>;

impl Traffic {
    /// Registers users, makes their chats, connects their devices, and has them talk.
    ///
    /// # Errors
    /// The system refuses.
    pub async fn start(cluster: &Cluster, mut load: Load, rng: &mut fastrand::Rng) -> anyhow::Result<Self> {
        let endpoints = cluster.endpoints.clone();
        let api = endpoints.api(rng);
        let users = try_join_all((0..=load.users).map(|_| insist(async || api.any_user().await))).await?;
        let (stranger, users) = users.split_last().context("no users")?;
        let chats =
            try_join_all((0..users.len()).flat_map(|index| (1..=load.partners).map(move |next| (index, next))).map(
                async |(index, next)| {
                    let (user, partner) = (&users[index], &users[(index + next) % users.len()]);
                    let chat: ChatId = insist(async || api.chat(user, partner).await).await?.parse()?;
                    anyhow::Ok((chat, BTreeSet::from([user.id.parse()?, partner.id.parse()?])))
                },
            ));
        let chats: Members = chats.await?.into_iter().collect();
        load.rest &= insist(async || rest::may_send(&api, stranger).await).await?;

        let this = Self {
            phase: watch::Sender::new(Phase::Talk),
            flood: watch::Sender::new(Phase::Settle),
            devices: Mutex::default(),
            witnesses: Mutex::default(),
            users: users.iter().map(|user| Ok((user.id.parse()?, user.clone()))).collect::<anyhow::Result<_>>()?,
            chats,
            endpoints,
            tasks: Mutex::default(),
        };
        for user in this.users.keys().flat_map(|user| std::iter::repeat_n(*user, load.devices)) {
            this.add_device(user, load, this.phase.subscribe(), rng)?;
        }
        let state = this.witness(stranger.id.parse()?);
        let shared =
            Shared { state, user: stranger.clone(), endpoints: this.endpoints.clone(), phase: this.phase.subscribe() };
        let stranger = Stranger::new(shared, this.chats.keys().copied().collect(), rng.fork());
        lock(&this.tasks).spawn(stranger.run());
        this.until(PATIENCE, "every device has sent something that was stored", State::has_acks).await?;
        Ok(this)
    }

    /// Whoever logs, beside the devices.
    fn witness(&self, user: UserId) -> Arc<State> {
        let state = Arc::new(State::new(user, Vec::new()));
        lock(&self.witnesses).push(Arc::clone(&state));
        state
    }

    fn add_device(
        &self,
        user: UserId,
        load: Load,
        phase: watch::Receiver<Phase>,
        rng: &mut fastrand::Rng,
    ) -> anyhow::Result<()> {
        let chats = self.chats.iter().filter(|(_, members)| members.contains(&user)).map(|(chat, _)| *chat);
        let state = Arc::new(State::new(user, chats.collect()));
        let user = self.users.get(&user).context("an unknown user")?.clone();
        let shared = Shared { state: Arc::clone(&state), user, endpoints: self.endpoints.clone(), phase };
        Device::new(shared, load, rng.fork()).spawn(&mut lock(&self.tasks));
        lock(&self.devices).push(state);
        Ok(())
    }

    /// Has further devices of a partner write to one of the reader's chats, as fast as it goes.
    ///
    /// # Errors
    /// The reader has no chat.
    pub fn flood(&self, reader: &State, writers: usize, rng: &mut fastrand::Rng) -> anyhow::Result<()> {
        let chat = rng.choice(reader.chats()).context("no chat")?;
        let mut members = self.chats.get(&chat).context("an unknown chat")?.iter();
        let partner = *members.find(|member| **member != reader.user()).context("no partner")?;
        self.flood.send_replace(Phase::Talk);
        for _ in 0..writers {
            self.add_device(partner, Load { chat: Some(chat), ..Load::FLOOD }, self.flood.subscribe(), rng)?;
        }
        Ok(())
    }

    /// Has them write no more.
    pub fn end_flood(&self) {
        self.flood.send_replace(Phase::Settle);
    }

    /// Waits until it is true of every device.
    async fn until(&self, limit: Duration, what: &str, is_true: impl Fn(&State) -> bool) -> anyhow::Result<()> {
        let of_all = async || self.devices().iter().all(|state| is_true(state));
        timeout(limit, until(of_all)).await.with_context(|| format!("not within {limit:?}: {what}"))
    }

    /// The devices.
    #[must_use]
    pub fn devices(&self) -> Vec<Arc<State>> {
        lock(&self.devices).clone()
    }

    /// How many messages were acked up to now.
    #[must_use]
    pub fn acks(&self) -> usize {
        self.devices().iter().map(|state| state.acks()).sum()
    }

    /// Waits until one more message is acked. Returns how long that took, if it was done within `limit`.
    pub async fn first_ack(&self, limit: Duration) -> Option<Duration> {
        let (begun, before) = (Instant::now(), self.acks());
        timeout_at(begun + limit, until(async || self.acks() != before)).await.ok().map(|()| begun.elapsed())
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

    /// Has nobody say anything new, and waits until everything that was sent is answered. Returns what was not, within
    /// `limit`.
    pub async fn fall_silent(&self, limit: Duration) -> Option<String> {
        self.phase.send_replace(Phase::Settle);
        let is_answered = |state: &State| state.is_answered_before(Instant::now());
        self.until(limit, "", is_answered).await.err().map(|_| {
            let open: usize = self.devices().iter().map(|state| state.unanswered()).sum();
            format!("{open} messages were not answered within {limit:?}")
        })
    }

    /// Has them talk again.
    pub fn talk(&self) {
        self.phase.send_replace(Phase::Talk);
    }

    /// Has nobody say anything new, and waits until everybody has everything. Returns what was not so within `limit`.
    ///
    /// # Errors
    /// Postgres is away.
    pub async fn settle(&self, cluster: &Cluster, limit: Duration) -> anyhow::Result<Option<String>> {
        let deadline = Instant::now() + limit;
        if let Some(unanswered) = self.fall_silent(limit).await {
            return Ok(Some(unanswered));
        }
        let heads = evidence::heads(cluster, &self.chats).await?;
        let has_all = |state: &State| state.is_connected() && state.has_all(&heads);
        if self.until(deadline - Instant::now(), "", has_all).await.is_err() {
            let behind = self.devices().iter().filter(|state| !has_all(state)).count();
            return Ok(Some(format!("{behind} devices did not have everything within {limit:?}")));
        }
        Ok(None)
    }

    /// What is known, for the checker. To be asked for when it has settled.
    ///
    /// # Errors
    /// The history cannot be read.
    pub async fn evidence(&self, cluster: &Cluster, rng: &mut fastrand::Rng) -> anyhow::Result<Evidence> {
        let witnesses = lock(&self.witnesses).clone();
        let clients = self.devices().iter().chain(&witnesses).map(|state| state.log()).collect();
        let api: Api = self.endpoints.api(rng);
        let chats = evidence::chats(cluster, &api, &self.chats, &self.users).await.context("the history")?;
        Ok(Evidence { chats, clients })
    }

    /// Sends everybody away.
    pub fn end(&self) {
        self.phase.send_replace(Phase::End);
        self.flood.send_replace(Phase::End);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
