//! One connection of a device, from `sync` to the end.

use std::{collections::HashMap, time::Duration};

use neonchat_common::ids::{ChatId, SendId, Seq};
use neonchat_testbed::client::Socket;
use serde_json::json;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_tungstenite::tungstenite::Message as WsMessage;

use super::{
    Load, Phase,
    compose::{compose, pause},
    frames::{self, Frame, Refusal},
    rest::Fetch,
    state::{Shared, State},
};
use crate::checker::Event;

/// The maximum number of messages in flight.
const WINDOW: usize = 3;

/// The longest silence before the device sends a ping.
const QUIET: Duration = Duration::from_secs(2);

/// The longest wait for an answer. The server handles the frames of a socket one after another, each within 2 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// One connection of a device.
pub(super) struct Session<'a> {
    socket: Socket,
    shared: &'a Shared,
    load: Load,
    fetches: mpsc::Sender<Fetch>,
    rng: fastrand::Rng,
    in_flight: HashMap<SendId, Instant>,
    last_received: Instant,
    last_ping: Instant,
    next_send: Instant,
    /// The `request_id` of the unanswered sync.
    sync: Option<String>,
    next_sync: Option<Instant>,
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
        let next_send = now + pause(load.pause, &mut rng);
        Self {
            socket,
            shared,
            load,
            fetches,
            rng,
            in_flight: HashMap::new(),
            last_received: now,
            last_ping: now,
            next_send,
            sync: None,
            next_sync: None,
            syncs: 0,
        }
    }

    fn state(&self) -> &'a State {
        &self.shared.state
    }

    /// Runs until the connection ends. Returns the pause before a reconnect, if the server announced one.
    pub(super) async fn run(&mut self) -> Option<Duration> {
        let mut reconnect = None;
        let mut phase = self.shared.phase.clone();
        if self.sync_chats().await.is_err() {
            return None;
        }
        loop {
            let send_at = (self.shared.is(Phase::Active) && self.in_flight.len() < WINDOW).then_some(self.next_send);
            let again = self.state().next_retry();
            let retry_at = match again {
                Ok(request_id) => {
                    if self.send(request_id).await.is_err() {
                        return reconnect;
                    }
                    continue;
                }
                Err(at) => at,
            };
            let (state, check_at, next_sync) = (self.state(), self.next_check(), self.next_sync);
            let done = tokio::select! {
                message = self.socket.receive() => match message {
                    Ok(message) => self.handle(message, &mut reconnect).await,
                    Err(_) => Err(Ended),
                },
                () = until(send_at) => self.send_new().await,
                () = until(retry_at) => Ok(()),
                () = state.waiting.notified() => Ok(()),
                () = until(next_sync) => self.sync_chats().await,
                () = sleep_until(check_at) => self.check().await,
                changed = phase.changed() => match changed {
                    Ok(()) if !self.shared.is(Phase::Stopped) => Ok(()),
                    _ => Err(Ended),
                },
                () = state.until_frozen() => {
                    // The pong waits behind unread frames. This ping shows the server that the client is alive.
                    let _ = self.socket.send(&json!({ "type": "ping" })).await;
                    let state = self.state();
                    state.until_not_frozen().await;
                    self.last_received = Instant::now();
                    Ok(())
                }
            };
            if done.is_err() {
                return reconnect;
            }
        }
    }

    /// Schedules the unanswered messages for a retry, over the next connection or over REST.
    pub(super) fn end(&mut self) {
        for (request_id, _) in self.in_flight.drain() {
            self.shared.state.retry_after(request_id, Duration::ZERO);
        }
    }

    async fn sync_chats(&mut self) -> Result<(), Ended> {
        let cursors = self.state().cursors();
        self.syncs += 1;
        let request = format!("sync-{}", self.syncs);
        let frame = frames::sync(&request, &cursors);
        self.state().log_event(Event::Sync { cursors });
        (self.sync, self.next_sync) = (Some(request), None);
        Ok(self.socket.send(&frame).await?)
    }

    async fn send_new(&mut self) -> Result<(), Ended> {
        self.next_send = Instant::now() + pause(self.load.pause, &mut self.rng);
        match compose(self.state(), self.load, &mut self.rng) {
            Some(request_id) => self.send(request_id).await,
            None => Ok(()),
        }
    }

    async fn send(&mut self, request_id: SendId) -> Result<(), Ended> {
        let Some((chat, text)) = self.state().attempt(request_id) else { return Ok(()) };
        self.state().log_event(Event::Sent { request_id });
        self.in_flight.insert(request_id, Instant::now());
        Ok(self.socket.send(&frames::send(chat, request_id, &text)).await?)
    }

    async fn handle(&mut self, message: WsMessage, reconnect: &mut Option<Duration>) -> Result<(), Ended> {
        self.last_received = Instant::now();
        self.state().has_read();
        let text = match message {
            WsMessage::Text(text) => text,
            WsMessage::Close(_) => return Err(Ended),
            _ => return Ok(()),
        };
        match Frame::parse(&text)? {
            Frame::Nothing => {}
            Frame::Reconnect { after } => *reconnect = Some(after),
            Frame::Event(event) => self.handle_event(event).await?,
            Frame::Synced(chats) => {
                self.sync = None;
                for synced in chats {
                    self.state().log_event(synced.into());
                    if !synced.complete {
                        self.fetch(synced.chat, synced.head).await?;
                    }
                }
            }
            Frame::Error { request_id, refusal } => self.refused(request_id, &refusal),
        }
        Ok(())
    }

    async fn handle_event(&mut self, event: Event) -> Result<(), Ended> {
        if let Event::Acked { request_id, ack } = event
            && self.in_flight.remove(&request_id).is_some()
        {
            self.state().acked(request_id, ack);
        }
        let left_out = match &event {
            Event::Lagged { chat, head, .. } | Event::Joined { chat, head } => Some((*chat, *head)),
            // A slow client may not have got the announcement.
            Event::Message(message) if self.state().has_left(message.chat) => Some((message.chat, message.seq)),
            Event::Changed(change) if self.state().has_left(change.chat) => Some((change.chat, change.seq)),
            _ => None,
        };
        self.state().log_event(event);
        match left_out {
            Some((chat, head)) => self.fetch(chat, head).await,
            None => Ok(()),
        }
    }

    fn refused(&mut self, request_id: Option<String>, refusal: &Refusal) {
        if request_id.is_some() && request_id == self.sync {
            self.next_sync = refusal.retry_after.map(|pause| Instant::now() + pause);
            return;
        }
        let request_id = request_id.and_then(|request_id| request_id.parse::<SendId>().ok());
        match request_id.filter(|request_id| self.in_flight.remove(request_id).is_some()) {
            Some(request_id) => self.shared.state.refused_or_retry(request_id, refusal, &mut self.rng),
            None => self.state().log_event(Event::Seen { kind: refusal.code.clone(), chat: None, user: None }),
        }
    }

    async fn fetch(&self, chat: ChatId, head: Seq) -> Result<(), Ended> {
        self.fetches.send(Fetch { chat, head }).await.map_err(|_| Ended)
    }

    fn next_check(&self) -> Instant {
        self.last_received.max(self.last_ping) + QUIET
    }

    /// Ends a dead connection, or sends a ping.
    async fn check(&mut self) -> Result<(), Ended> {
        let oldest = self.in_flight.values().min().copied().unwrap_or_else(Instant::now);
        if oldest.min(self.last_received).elapsed() > ANSWER_TIMEOUT && self.last_received < self.last_ping {
            return Err(Ended);
        }
        self.last_ping = Instant::now();
        Ok(self.socket.send(&json!({ "type": "ping" })).await?)
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
