//! Two ordinary clients that write to each other with the SDK. They log nothing for the checker, because the SDK puts events in order
//! and sends again by itself; they check what it promises: each message arrives once, in order, and nothing is lost.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Context as _;
use neonchat_client::{ChatId, Client, Event, Events, Status};
use neonchat_testbed::{
    client::{open_chat, sign_up},
    poll::until,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use uuid::Uuid;

use super::{FIRST_ACK_TIMEOUT, Phase, lock};
use crate::cluster::Endpoints;

/// The pause between two messages of a client.
const PAUSE: Duration = Duration::from_millis(400);

/// Two users with a chat.
#[derive(Debug)]
pub(super) struct Conversation {
    sides: [Side; 2],
}

/// One of the users.
#[derive(Clone, Debug)]
struct Side {
    client: Client,
    chat: ChatId,
    log: Arc<Mutex<Log>>,
}

/// What a user has sent and seen.
#[derive(Debug, Default)]
struct Log {
    sent: Vec<String>,
    /// The texts of the chat, by `seq` from 1 on.
    seen: Vec<String>,
    /// What the SDK should not have done.
    broken: Option<String>,
}

impl Conversation {
    /// Registers the users and starts the clients.
    pub(super) async fn start(
        endpoints: &Endpoints,
        phase: &watch::Receiver<Phase>,
        tasks: &Mutex<JoinSet<()>>,
        rng: &mut fastrand::Rng,
    ) -> anyhow::Result<Self> {
        let (first, second) = (sign_in(endpoints, rng).await?, sign_in(endpoints, rng).await?);
        let chat = open_chat(&first, &second).await?;
        let sides = [first, second].map(|client| Side { client, chat, log: Arc::default() });
        for side in &sides {
            let events = side.client.events();
            side.client.start().await?;
            lock(tasks).spawn(side.clone().read(events));
        }
        // What was sent before a client has its first list would be history for it, which is not told.
        let knows = async || sides.iter().all(|side| side.client.chat(chat).is_some());
        timeout(FIRST_ACK_TIMEOUT, until(knows)).await.context("the clients of the SDK do not have their chat")?;
        for side in &sides {
            lock(tasks).spawn(side.clone().write(phase.clone()));
        }
        Ok(Self { sides })
    }

    /// Waits until both have every message of both. Returns a description of what is wrong after `limit`.
    pub(super) async fn settle(&self, limit: Duration) -> Option<String> {
        for side in &self.sides {
            // Somebody looks at it: it does not wait for its next attempt to connect.
            let _ = side.client.set_visible(true).await;
        }
        timeout(limit, until(async || self.wrong().is_none())).await.err().and_then(|_| self.wrong())
    }

    fn wrong(&self) -> Option<String> {
        let logs = self.sides.each_ref().map(|side| lock(&side.log));
        if let Some(broken) = logs.iter().find_map(|log| log.broken.clone()) {
            return Some(format!("a client of the SDK: {broken}"));
        }
        let sent: BTreeSet<_> = logs.iter().flat_map(|log| &log.sent).collect();
        let open: usize = self.sides.iter().map(|side| side.client.outbox().len()).sum();
        let is_whole = |log: &Log| log.seen.len() == sent.len() && log.seen.iter().collect::<BTreeSet<_>>() == sent;
        let is_same = logs[0].seen == logs[1].seen;
        if open == 0 && is_same && logs.iter().all(|log| is_whole(log)) {
            return None;
        }
        let seen = logs.each_ref().map(|log| log.seen.len());
        let states = self.sides.each_ref().map(|side| side.client.state());
        Some(format!("clients of the SDK: {} sent, {open} pending, {seen:?} seen, {states:?}", sent.len()))
    }
}

impl Side {
    /// Sends messages while the traffic is active. The outbox sends them again.
    async fn write(self, mut phase: watch::Receiver<Phase>) {
        loop {
            let now = *phase.borrow_and_update();
            match now {
                Phase::Stopped => break,
                Phase::Settling => {
                    if phase.changed().await.is_err() {
                        break;
                    }
                }
                Phase::Active => {
                    let text = Uuid::new_v4().to_string();
                    lock(&self.log).sent.push(text.clone());
                    if self.client.send(self.chat, text).await.is_err() {
                        break;
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn read(self, mut events: Events) {
        while let Some(event) = events.next().await {
            let mut log = lock(&self.log);
            match event {
                Event::Message(new) if new.chat_id == self.chat => {
                    log.seen.push(new.message.text.clone());
                    let number = log.seen.len();
                    if new.seq != number as u64 {
                        log.broken.get_or_insert_with(|| format!("message {} came as number {number}", new.seq));
                    }
                }
                Event::Gap(gap) if gap.skipped => log.broken = Some(format!("{gap:?}")),
                Event::State(Status::SignedOut { .. }) | Event::Error(_) | Event::Missed(_) => {
                    log.broken = Some(format!("{event:?}"));
                }
                _ => {}
            }
        }
    }
}

/// Registers a user, who signs in. The client stays with one instance of each service.
async fn sign_in(endpoints: &Endpoints, rng: &mut fastrand::Rng) -> anyhow::Result<Client> {
    let socket = endpoints.socket(rng);
    let client = Client::builder(endpoints.rest(rng)).web_socket_url(format!("{socket}/ws")).build()?;
    sign_up(&client, "s").await?;
    Ok(client)
}
