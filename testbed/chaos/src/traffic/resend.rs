//! Sends the same message several times concurrently.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use futures_util::future::join_all;
use neonchat_common::ids::{ChatId, SendId};
use neonchat_testbed::client::{Socket, User, retry};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message as WsMessage;

use super::{
    Traffic,
    frames::{self, Frame},
    state::State,
};
use crate::checker::Event;

/// How often each message is sent.
const TIMES: usize = 5;

/// The longest wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// One of the sockets that send the same message.
struct Resender {
    state: Arc<State>,
    socket: Socket,
}

impl Traffic {
    /// Sends messages for `duration`, each concurrently over several sockets to all instances. Returns the number of messages.
    ///
    /// # Errors
    /// A socket cannot be opened.
    pub async fn resend_concurrently(&self, duration: Duration, rng: &mut fastrand::Rng) -> anyhow::Result<usize> {
        let (id, user) = rng.choice(&self.users).context("no users")?;
        let (chat, _) = self.direct_chat(*id, rng).context("no chat")?;
        let mut resenders = Vec::new();
        for base in self.endpoints.sockets().iter().cycle().take(TIMES) {
            resenders.push(self.resender(base, user).await?);
        }
        let deadline = Instant::now() + duration;
        let mut count = 0;
        while Instant::now() < deadline {
            let request_id = SendId::new();
            let text = format!("{request_id} many times");
            join_all(
                resenders.iter_mut().map(|resender| timeout(ANSWER_TIMEOUT, resender.send(chat, request_id, &text))),
            )
            .await;
            count += 1;
        }
        for resender in resenders {
            resender.state.close();
        }
        Ok(count)
    }

    async fn resender(&self, base: &str, user: &User) -> anyhow::Result<Resender> {
        let socket = retry(async || Socket::open(base, user, None).await).await?;
        let state = self.observer(user.id.parse()?);
        state.open();
        Ok(Resender { state, socket })
    }
}

impl Resender {
    /// Sends a message and waits for its answer. Logs the frames in between.
    async fn send(&mut self, chat: ChatId, request_id: SendId, text: &str) -> anyhow::Result<()> {
        let state = &self.state;
        state.add_send(chat, request_id, text.to_owned());
        state.attempt(request_id);
        state.log_event(Event::Sent { request_id });
        self.socket.send(&frames::send(chat, request_id, text)).await?;
        loop {
            let WsMessage::Text(frame) = self.socket.receive().await? else { continue };
            match Frame::parse(&frame)? {
                Frame::Event(event) => {
                    let answered = match event {
                        Event::Acked { request_id: acked, ack } if acked == request_id => {
                            state.acked(request_id, ack);
                            true
                        }
                        _ => false,
                    };
                    state.log_event(event);
                    if answered {
                        return Ok(());
                    }
                }
                Frame::Error { request_id: Some(refused), refusal } if refused == request_id.to_string() => {
                    state.refused(request_id, &refusal);
                    return Ok(());
                }
                _ => {}
            }
        }
    }
}
