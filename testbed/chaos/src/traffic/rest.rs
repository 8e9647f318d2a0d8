//! The REST calls of a device: it sends, and it fetches what was left out on its socket.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use neonchat_common::ids::{ChatId, SendId, Seq};
use neonchat_testbed::client::{Answer, Api, User};
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::timeout};

use super::{
    Load, Phase,
    compose::{compose, pause},
    frames::{self, Refusal},
    state::{Shared, now},
};
use crate::checker::{Ack, Durable, Fetched, Moment};

/// The longest wait for an answer. The client then tries another instance.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause between sends, as a multiple of the pause on the socket.
const REST_SLOWDOWN: u32 = 6;

pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(300);

/// Sends messages over REST: new ones, and retries of those without an answer on the socket.
pub(super) struct Poster {
    shared: Shared,
    load: Load,
    rng: fastrand::Rng,
}

impl Poster {
    pub(super) const fn new(shared: Shared, load: Load, rng: fastrand::Rng) -> Self {
        Self { shared, load, rng }
    }

    pub(super) async fn run(mut self) {
        while !self.shared.is(Phase::Stopped) {
            tokio::time::sleep(pause(self.load.pause * REST_SLOWDOWN, &mut self.rng)).await;
            let state = &self.shared.state;
            let request_id = match state.next_retry() {
                Ok(request_id) => Some(request_id),
                Err(_) if self.shared.is(Phase::Active) => compose(state, self.load, &mut self.rng),
                Err(_) => None,
            };
            if let Some(request_id) = request_id {
                self.send(request_id).await;
            }
        }
    }

    pub(super) async fn send(&mut self, request_id: SendId) {
        let Some((chat, text)) = self.shared.state.attempt(request_id) else { return };
        let body = json!({ "text": text, "request_id": request_id });
        let api = self.shared.endpoints.api(&mut self.rng);
        let path = format!("/api/v1/chats/{chat}/messages");
        let answer = timeout(ANSWER_TIMEOUT, api.post(&path, &self.shared.user, &body)).await;
        let state = &self.shared.state;
        match answer.context("no answer").flatten().and_then(|answer| read(&answer)) {
            Ok(Ok(ack)) => state.acked(request_id, ack),
            Ok(Err(refusal)) => state.refused_or_retry(request_id, &refusal, &mut self.rng),
            Err(_) => state.retry_after(request_id, RETRY_PAUSE),
        }
    }
}

/// Returns whether the server accepts messages over REST. It does not if it answers 405 to an invalid message.
pub(super) async fn may_send(api: &Api, user: &User) -> anyhow::Result<bool> {
    let path = format!("/api/v1/chats/{}/messages", ChatId::new());
    Ok(api.post(&path, user, &json!({})).await?.status != 405)
}

/// Parses an answer as an ack or a refusal.
pub(super) fn read(answer: &Answer) -> anyhow::Result<Result<Ack, Refusal>> {
    if matches!(answer.status, 200 | 201) {
        let ack = frames::ack(&answer.body, "id")?;
        return Ok(Ok(Ack { duplicate: answer.status == 200, ..ack }));
    }
    Refusal::of(&answer.body).map(Err)
}

/// A chat of which the device does not have every message up to `head`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fetch {
    pub(super) chat: ChatId,
    pub(super) head: Seq,
}

/// Fetches the events that were left out.
pub(super) struct Fetcher {
    shared: Shared,
    queue: mpsc::Receiver<Fetch>,
    rng: fastrand::Rng,
}

impl Fetcher {
    pub(super) const fn new(shared: Shared, queue: mpsc::Receiver<Fetch>, rng: fastrand::Rng) -> Self {
        Self { shared, queue, rng }
    }

    pub(super) async fn run(mut self) {
        while let Some(fetch) = self.queue.recv().await {
            while self.shared.state.cursor(fetch.chat) < fetch.head && !self.shared.is(Phase::Stopped) {
                let page = timeout(ANSWER_TIMEOUT, self.page(fetch.chat)).await;
                match page.context("no answer").flatten() {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(_) => tokio::time::sleep(pause(RETRY_PAUSE, &mut self.rng)).await,
                }
            }
        }
    }

    /// Fetches a page. Returns whether the user is a member.
    async fn page(&mut self, chat: ChatId) -> anyhow::Result<bool> {
        let api = self.shared.endpoints.api(&mut self.rng);
        let after = self.shared.state.cursor(chat);
        let path = format!("/api/v1/chats/{chat}/events?after={after}&limit=500");
        let begun = now();
        let answer = api.get(&path, &self.shared.user).await?;
        if answer.status == 404 {
            return Ok(false);
        }
        ensure!(answer.status == 200, "events: {}", answer.status);
        let events = events(&answer.body)?;
        ensure!(!events.is_empty(), "nothing after {after}");
        let first = answer.body["first_seq"].as_i64().context("no first_seq")?;
        self.shared.state.fetched_page(chat, first, fetched(begun, events));
        Ok(true)
    }
}

/// Returns the events of a page.
pub(super) fn events(page: &Value) -> anyhow::Result<Vec<Durable>> {
    page["events"].as_array().context("no events")?.iter().map(frames::event).collect()
}

pub(super) fn fetched(begun: Moment, events: Vec<Durable>) -> Vec<Fetched> {
    events.into_iter().map(|event| Fetched { begun, event }).collect()
}
