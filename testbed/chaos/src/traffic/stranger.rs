//! A client that is a member of no chat, and tries to read the chats.

use std::{collections::BTreeMap, time::Duration};

use neonchat_common::ids::{ChatId, SendId};
use neonchat_testbed::client::Socket;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message as WsMessage;

use super::{
    Phase,
    evidence::history,
    frames::{self, Frame},
    rest::{events, fetched},
    state::{Shared, now},
};
use crate::checker::{Durable, Event};

/// The duration of each connection.
const STAY: Duration = Duration::from_secs(2);

/// The longest that reading over REST may take.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// A client that is a member of no chat.
pub(super) struct Stranger {
    shared: Shared,
    chats: Vec<ChatId>,
    rng: fastrand::Rng,
}

impl Stranger {
    pub(super) const fn new(shared: Shared, chats: Vec<ChatId>, rng: fastrand::Rng) -> Self {
        Self { shared, chats, rng }
    }

    pub(super) async fn run(mut self) {
        let mut is_scoped = false;
        while let Some(chat) = self.rng.choice(&self.chats).copied()
            && !self.shared.is(Phase::Stopped)
        {
            let _ = timeout(READ_TIMEOUT, self.read(chat)).await;
            let deadline = Instant::now() + STAY;
            // Alternates between a scoped socket, which must be refused, and an unscoped one, which is allowed.
            is_scoped = !is_scoped;
            let _ = timeout_at(deadline, self.listen(chat, is_scoped)).await;
            self.shared.state.close();
            tokio::time::sleep_until(deadline).await;
        }
    }

    /// Reads over REST. Logs everything that the server returns.
    async fn read(&mut self, chat: ChatId) -> anyhow::Result<()> {
        let (api, begun) = (self.shared.endpoints.api(&mut self.rng), now());
        let page = api.get(&format!("/api/v1/chats/{chat}/events?after=0"), &self.shared.user).await?;
        self.shared.state.fetched(fetched(begun, events(&page.body).unwrap_or_default()));
        let page = api.get(&format!("/api/v1/chats/{chat}/messages"), &self.shared.user).await?;
        let messages = history(&page.body).unwrap_or_default().into_iter().map(Durable::Message);
        self.shared.state.fetched(fetched(begun, messages.collect()));
        Ok(())
    }

    async fn listen(&mut self, chat: ChatId, is_scoped: bool) -> anyhow::Result<()> {
        let base = self.shared.endpoints.socket(&mut self.rng);
        let named = chat.to_string();
        let about = is_scoped.then_some(named.as_str());
        let mut socket = Socket::open(&base, &self.shared.user, about).await?;
        let state = &self.shared.state;
        state.open();
        let cursors: BTreeMap<_, _> = self.chats.iter().map(|chat| (*chat, 0)).collect();
        socket.send(&frames::sync("s", &cursors)).await?;
        let request_id = SendId::new();
        state.add_send(chat, request_id, format!("{request_id} from a stranger"));
        if let Some((chat, text)) = state.attempt(request_id) {
            state.log_event(Event::Sent { request_id });
            socket.send(&frames::send(chat, request_id, &text)).await?;
        }
        loop {
            let WsMessage::Text(text) = socket.receive().await? else { continue };
            match Frame::parse(&text)? {
                Frame::Event(event) => {
                    if let Event::Acked { request_id, ack } = event {
                        state.acked(request_id, ack);
                    }
                    state.log_event(event);
                }
                Frame::Synced(chats) => {
                    for synced in chats {
                        state.log_event(synced.into());
                    }
                }
                Frame::Error { request_id: Some(id), refusal } if id == request_id.to_string() => {
                    state.refused(request_id, &refusal);
                }
                _ => {}
            }
        }
    }
}
