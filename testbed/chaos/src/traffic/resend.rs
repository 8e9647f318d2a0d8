//! The same message, sent several times at once.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use futures_util::future::join_all;
use neonchat_common::ids::{ChatId, SendId};
use neonchat_testbed::client::{Socket, User, insist};
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

/// The longest that the answers are waited for.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// One of the sockets that send the same.
struct Twin {
    state: Arc<State>,
    socket: Socket,
}

impl Traffic {
    /// Sends messages for a while, each over several sockets to all instances at once. Returns how many.
    ///
    /// # Errors
    /// No socket can be opened.
    pub async fn resend_at_once(&self, duration: Duration, rng: &mut fastrand::Rng) -> anyhow::Result<usize> {
        let (chat, members) = rng.choice(&self.chats).context("no chat")?;
        let user = members.first().and_then(|user| self.users.get(user)).context("an empty chat")?;
        let mut twins = Vec::new();
        for base in self.endpoints.sockets().iter().cycle().take(TIMES) {
            twins.push(self.twin(base, user).await?);
        }
        let deadline = Instant::now() + duration;
        let mut count = 0;
        while Instant::now() < deadline {
            let request = SendId::new();
            let text = format!("{request} many times");
            join_all(twins.iter_mut().map(|twin| timeout(ANSWER_LIMIT, twin.send(*chat, request, &text)))).await;
            count += 1;
        }
        for twin in twins {
            twin.state.close();
        }
        Ok(count)
    }

    async fn twin(&self, base: &str, user: &User) -> anyhow::Result<Twin> {
        let socket = insist(async || Socket::open(base, user, None).await).await?;
        let state = self.witness(user.id.parse()?);
        state.open();
        Ok(Twin { state, socket })
    }
}

impl Twin {
    /// Sends a message and waits for its answer. What comes in between is logged.
    async fn send(&mut self, chat: ChatId, request: SendId, text: &str) -> anyhow::Result<()> {
        let state = &self.state;
        state.write(chat, request, text.to_owned());
        state.attempt(request);
        state.note(Event::Sent { request });
        self.socket.send(&frames::send(chat, request, text)).await?;
        loop {
            let WsMessage::Text(frame) = self.socket.receive().await? else { continue };
            match Frame::parse(&frame)? {
                Frame::Event(event) => {
                    let answered = match event {
                        Event::Acked { request: acked, ack } if acked == request => {
                            state.acked(request, ack);
                            true
                        }
                        _ => false,
                    };
                    state.note(event);
                    if answered {
                        return Ok(());
                    }
                }
                Frame::Error { request: Some(refused), refusal } if refused == request.to_string() => {
                    state.refused(request, &refusal);
                    return Ok(());
                }
                _ => {}
            }
        }
    }
}
