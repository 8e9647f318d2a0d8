//! The ordinary client of a user: an application of the SDK. Its log has what the SDK tells the application, as on one connection that never ends.
//! What the SDK leaves to the history is read by the same reader as for the other devices.

mod acts;
mod log;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Context as _;
use neonchat_client::{ChatId, Client, Events, Message};
use neonchat_testbed::{
    client::{PASSWORD, retry},
    poll::until,
};
use tokio::{sync::mpsc, task::JoinSet, time::timeout};

use self::{acts::Actor, log::Log};
use super::{
    FIRST_ACK_TIMEOUT, Load,
    client::MAX_FETCHES,
    lock,
    rest::{Fetcher, fetched},
    state::{Shared, State, now},
};
use crate::checker::Durable;

/// The messages of a page of a timeline, and the number of pages that are read at the end. The SDK has as many `seq`s of a chat.
const PAGE: usize = 200;
const PAGES: usize = 10;

/// The longest that reading a page may take.
const PAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// An ordinary client.
#[derive(Clone, Debug)]
pub(super) struct Ordinary {
    client: Client,
    shared: Shared,
    /// What the SDK should not have done.
    broken: Arc<Mutex<Option<String>>>,
}

impl Ordinary {
    /// Signs in at a random instance of each service, with which it stays, and starts. What is sent from now on is news for it.
    pub(super) async fn start(shared: Shared, rng: &mut fastrand::Rng) -> anyhow::Result<(Self, Events)> {
        let socket = shared.endpoints.socket(rng);
        let client = Client::builder(shared.endpoints.rest(rng)).web_socket_url(format!("{socket}/ws")).build()?;
        retry(async || Ok(client.login(&shared.user.name, PASSWORD).await?)).await?;
        let events = client.events();
        client.start().await?;
        let chats = shared.state.chats();
        let knows = async || chats.iter().all(|chat| client.chat(ChatId(chat.0)).is_some());
        timeout(FIRST_ACK_TIMEOUT, until(knows)).await.context("a client of the SDK does not have its chats")?;
        shared.state.open_for_good();
        Ok((Self { client, shared, broken: Arc::default() }, events))
    }

    /// Starts its tasks.
    pub(super) fn spawn(&self, events: Events, load: Load, rng: &mut fastrand::Rng, tasks: &mut JoinSet<()>) {
        let (fetches, queue) = mpsc::channel(MAX_FETCHES);
        tasks.spawn(Fetcher::new(self.shared.clone(), queue, rng.fork()).run());
        tasks.spawn(Log::new(self.clone(), fetches).run(events));
        tasks.spawn(Actor::new(self.clone(), load, rng.fork()).write());
        if load.rest {
            tasks.spawn(Actor::new(self.clone(), load, rng.fork()).change());
        }
    }

    pub(super) fn state(&self) -> &Arc<State> {
        &self.shared.state
    }

    /// The user looks at it: it does not wait for its next attempt to connect.
    pub(super) async fn wake(&self) {
        // An error: it has ended.
        let _ = self.client.set_visible(true).await;
    }

    fn breaks(&self, what: String) {
        lock(&self.broken).get_or_insert(what);
    }

    /// Returns what the SDK should not have done, or has not done yet.
    pub(super) fn wrong(&self) -> Option<String> {
        let (broken, pending) = (lock(&self.broken).clone(), self.client.outbox().len());
        broken.or_else(|| (pending > 0).then(|| format!("{pending} pending, {:?}", self.client.state())))
    }

    /// Reads the timelines. They have no text that was replaced before, as the client has every event.
    pub(super) async fn look(&self) -> anyhow::Result<()> {
        for chat in self.client.chats() {
            let begun = now();
            let messages = retry(async || timeout(PAGE_TIMEOUT, self.timeline(chat.id)).await?).await?;
            let messages = messages.iter().map(|message| Ok(Durable::Message(log::message(message)?)));
            self.state().has_looked(fetched(begun, messages.collect::<anyhow::Result<_>>()?));
        }
        Ok(())
    }

    async fn timeline(&self, chat: ChatId) -> anyhow::Result<Vec<Message>> {
        let timeline = self.client.timeline(chat);
        let mut page = timeline.latest(PAGE).await?;
        let mut messages = std::mem::take(&mut page.messages);
        for _ in 1..PAGES {
            let Some(first) = messages.first().map(|message| message.seq).filter(|_| page.has_previous) else { break };
            page = timeline.before(first, PAGE).await?;
            messages.splice(..0, std::mem::take(&mut page.messages));
        }
        Ok(messages)
    }
}
