//! One connection of a device, from `sync` to its end.

use std::{collections::HashMap, time::Duration};

use neonchat_common::ids::{ChatId, SendId};
use neonchat_testbed::client::Socket;
use serde_json::json;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_tungstenite::tungstenite::Message as WsMessage;

use super::{
    Load, Phase,
    frames::{self, Frame, Refusal},
    rest::Fetch,
    state::{Shared, State},
};
use crate::checker::Event;

/// Messages on their way at the same time.
const WINDOW: usize = 3;

/// A device that heard nothing for so long asks whether anybody is there.
const QUIET: Duration = Duration::from_secs(2);

/// The longest that an answer takes: the frames of a socket are handled one after another, each within two seconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct Session<'a> {
    socket: Socket,
    shared: &'a Shared,
    load: Load,
    fetches: mpsc::Sender<Fetch>,
    rng: fastrand::Rng,
    in_flight: HashMap<SendId, Instant>,
    last_heard: Instant,
    last_ping: Instant,
    next_talk: Instant,
    /// The `request_id` of the sync that is not answered yet.
    sync: Option<String>,
    sync_again: Option<Instant>,
    syncs: usize,
}

/// The connection has ended.
struct Ended;

impl From<anyhow::Error> for Ended {
    fn from(_: anyhow::Error) -> Self {
        Self
    }
}

impl<'a> Session<'a> {
    pub(super) fn new(
        socket: Socket,
        shared: &'a Shared,
        load: Load,
        fetches: mpsc::Sender<Fetch>,
        mut rng: fastrand::Rng,
    ) -> Self {
        let now = Instant::now();
        let next_talk = now + pause(load.pause, &mut rng);
        Self {
            socket,
            shared,
            load,
            fetches,
            rng,
            in_flight: HashMap::new(),
            last_heard: now,
            last_ping: now,
            next_talk,
            sync: None,
            sync_again: None,
            syncs: 0,
        }
    }

    fn state(&self) -> &'a State {
        &self.shared.state
    }

    /// Runs until the connection ends. Returns when to come back, where the server said so.
    pub(super) async fn run(&mut self) -> Option<Duration> {
        let mut reconnect = None;
        let mut phase = self.shared.phase.clone();
        if self.synchronise().await.is_err() {
            return None;
        }
        loop {
            let talk_at = (self.shared.is(Phase::Talk) && self.in_flight.len() < WINDOW).then_some(self.next_talk);
            let again = self.state().next_again();
            let again_at = match again {
                Ok(request) => {
                    if self.send(request).await.is_err() {
                        return reconnect;
                    }
                    continue;
                }
                Err(at) => at,
            };
            let (state, check_at, sync_again) = (self.state(), self.next_check(), self.sync_again);
            let done = tokio::select! {
                message = self.socket.receive() => match message {
                    Ok(message) => self.heard(message, &mut reconnect).await,
                    Err(_) => Err(Ended),
                },
                () = until(talk_at) => self.talk().await,
                () = until(again_at) => Ok(()),
                () = state.waiting.notified() => Ok(()),
                () = until(sync_again) => self.synchronise().await,
                () = sleep_until(check_at) => self.check().await,
                changed = phase.changed() => match changed {
                    Ok(()) if !self.shared.is(Phase::End) => Ok(()),
                    _ => Err(Ended),
                },
                () = state.until_frozen() => {
                    // Whoever hardly reads, and what waits to be read is more than a while's worth, is alive all the same.
                    let _ = self.socket.send(&json!({ "type": "ping" })).await;
                    let state = self.state();
                    state.until_not_frozen().await;
                    self.last_heard = Instant::now();
                    Ok(())
                }
            };
            if done.is_err() {
                return reconnect;
            }
        }
    }

    /// What was not answered is sent again, over the next connection or over REST.
    pub(super) fn end(&mut self) {
        for (request, _) in self.in_flight.drain() {
            self.shared.state.send_again(request, Duration::ZERO);
        }
    }

    async fn synchronise(&mut self) -> Result<(), Ended> {
        let cursors = self.state().cursors();
        self.syncs += 1;
        let request = format!("sync-{}", self.syncs);
        let frame = frames::sync(&request, &cursors);
        self.state().note(Event::Sync { cursors });
        (self.sync, self.sync_again) = (Some(request), None);
        Ok(self.socket.send(&frame).await?)
    }

    async fn talk(&mut self) -> Result<(), Ended> {
        self.next_talk = Instant::now() + pause(self.load.pause, &mut self.rng);
        match compose(self.state(), self.load, &mut self.rng) {
            Some(request) => self.send(request).await,
            None => Ok(()),
        }
    }

    async fn send(&mut self, request: SendId) -> Result<(), Ended> {
        let Some((chat, text)) = self.state().attempt(request) else { return Ok(()) };
        self.state().note(Event::Sent { request });
        self.in_flight.insert(request, Instant::now());
        Ok(self.socket.send(&frames::send(chat, request, &text)).await?)
    }

    async fn heard(&mut self, message: WsMessage, reconnect: &mut Option<Duration>) -> Result<(), Ended> {
        self.last_heard = Instant::now();
        self.state().has_read();
        let text = match message {
            WsMessage::Text(text) => text,
            WsMessage::Close(_) => return Err(Ended),
            _ => return Ok(()),
        };
        match Frame::parse(&text)? {
            Frame::Nothing => {}
            Frame::Reconnect { after } => *reconnect = Some(after),
            Frame::Event(event) => self.told(event).await?,
            Frame::Synced(chats) => {
                self.sync = None;
                for (chat, head, complete) in chats {
                    self.state().note(Event::Synced { chat, head, complete });
                    if !complete {
                        self.fetch(chat, head).await?;
                    }
                }
            }
            Frame::Error { request, refusal } => self.refused(request, &refusal),
        }
        Ok(())
    }

    async fn told(&mut self, event: Event) -> Result<(), Ended> {
        if let Event::Acked { request, ack } = event
            && self.in_flight.remove(&request).is_some()
        {
            self.state().acked(request, ack);
        }
        let left_out = if let Event::Lagged { chat, head, .. } = event { Some((chat, head)) } else { None };
        self.state().note(event);
        match left_out {
            Some((chat, head)) => self.fetch(chat, head).await,
            None => Ok(()),
        }
    }

    fn refused(&mut self, request: Option<String>, refusal: &Refusal) {
        if request.is_some() && request == self.sync {
            self.sync_again = refusal.retry_after.map(|pause| Instant::now() + pause);
            return;
        }
        let request = request.and_then(|request| request.parse::<SendId>().ok());
        match request.filter(|request| self.in_flight.remove(request).is_some()) {
            Some(request) => self.shared.state.refused_or_put_off(request, refusal, &mut self.rng),
            None => self.state().note(Event::Seen { kind: refusal.code.clone(), chat: None, user: None }),
        }
    }

    async fn fetch(&self, chat: ChatId, head: neonchat_common::ids::Seq) -> Result<(), Ended> {
        self.fetches.send(Fetch { chat, head }).await.map_err(|_| Ended)
    }

    fn next_check(&self) -> Instant {
        self.last_heard.max(self.last_ping) + QUIET
    }

    /// Nothing was heard for a while.
    async fn check(&mut self) -> Result<(), Ended> {
        let oldest = self.in_flight.values().min().copied().unwrap_or_else(Instant::now);
        if oldest.min(self.last_heard).elapsed() > ANSWER_LIMIT && self.last_heard < self.last_ping {
            return Err(Ended);
        }
        self.last_ping = Instant::now();
        Ok(self.socket.send(&json!({ "type": "ping" })).await?)
    }
}

/// Writes a new message to one of the chats.
pub(super) fn compose(state: &State, load: Load, rng: &mut fastrand::Rng) -> Option<SendId> {
    let chat = load.chat.or_else(|| rng.choice(state.chats()))?;
    let request = SendId::new();
    let padding = "x".repeat(rng.usize(0..=load.text));
    state.write(chat, request, format!("{request} {padding}"));
    Some(request)
}

/// Half of the mean to three halves.
pub(super) fn pause(mean: Duration, rng: &mut fastrand::Rng) -> Duration {
    mean.mul_f64(0.5 + rng.f64())
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
