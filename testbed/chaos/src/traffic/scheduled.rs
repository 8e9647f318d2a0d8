//! A device schedules messages, and cancels some of them.

use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use neonchat_common::{
    ids::{ChatId, SendId},
    time::rfc3339,
};
use neonchat_testbed::client::Answer;
use serde_json::json;
use tokio::time::timeout;

use super::{
    Load, Phase,
    compose::{pause, text},
    frames::{self, Refusal},
    rest::{ANSWER_TIMEOUT, RETRY_PAUSE, read},
    state::{GIVE_UP_PER_256, Shared},
};
use crate::checker::CancelAnswer;

/// The pause between messages, as a multiple of the pause between those on the socket.
const SLOWDOWN: u32 = 14;

/// The time until a message is sent, in milliseconds.
const AHEAD_MS: std::ops::Range<u64> = 500..3500;

/// Of this number of messages, one is canceled, at the latest when it is just being sent.
const CANCELED: u8 = 4;

/// Of this number of messages, one is scheduled a second time, as by a client that crashed before it recorded the answer.
const REPEATED: u8 = 4;

/// A scheduled message.
type ScheduledId = uuid::Uuid;

/// Schedules messages.
pub(super) struct Scheduler {
    shared: Shared,
    load: Load,
    rng: fastrand::Rng,
}

impl Scheduler {
    pub(super) const fn new(shared: Shared, load: Load, rng: fastrand::Rng) -> Self {
        Self { shared, load, rng }
    }

    pub(super) async fn run(mut self) {
        while !self.shared.is(Phase::Stopped) {
            tokio::time::sleep(pause(self.load.pause * SLOWDOWN, &mut self.rng)).await;
            if self.shared.is(Phase::Active) {
                self.schedule_new().await;
            }
        }
    }

    /// Schedules a message in a chat of which the user stays a member, and cancels it or not.
    async fn schedule_new(&mut self) {
        let (state, rng) = (&self.shared.state, &mut self.rng);
        let Some(chat) = state.lasting_chat(rng) else { return };
        let (request, ahead) = (SendId::new(), Duration::from_millis(rng.u64(AHEAD_MS)));
        state.add_send(chat, request, text(state, chat, request, self.load, rng));
        let send_at = Utc::now() + ahead;
        let Some(id) = self.schedule(request, send_at).await else { return };
        if self.rng.u8(..CANCELED) == 0 {
            tokio::time::sleep(ahead.mul_f64(self.rng.f64())).await;
            if self.shared.is(Phase::Active) {
                self.cancel(chat, request, id).await;
            }
        } else if self.rng.u8(..REPEATED) == 0 {
            self.schedule(request, send_at).await;
        }
    }

    /// Tries to schedule a message until the outcome is known, or the client gives up. Returns its ID if it is to be sent later.
    async fn schedule(&mut self, request: SendId, send_at: DateTime<Utc>) -> Option<ScheduledId> {
        let mut scheduled = None;
        while !self.shared.is(Phase::Stopped)
            && let Some((chat, text)) = self.shared.state.attempt(request)
        {
            let body = json!({ "text": text, "request_id": request, "send_at": rfc3339(&send_at) });
            let answer = self.call("POST", &format!("/api/v1/chats/{chat}/messages"), Some(&body)).await;
            let Some(again) = self.handle(request, answer, &mut scheduled) else { break };
            tokio::time::sleep(again).await;
        }
        self.shared.state.end_send(request);
        scheduled
    }

    /// Handles an answer to an attempt to schedule a message. Returns when to try again.
    fn handle(
        &mut self,
        request: SendId,
        answer: anyhow::Result<Answer>,
        scheduled: &mut Option<ScheduledId>,
    ) -> Option<Duration> {
        let state = &self.shared.state;
        let Ok(answer) = answer else { return Some(RETRY_PAUSE) };
        if let Ok(id) = frames::id(&answer.body["scheduled_id"]) {
            *scheduled = Some(id);
            state.scheduled(request);
            return None;
        }
        match read(&answer) {
            Ok(Ok(ack)) => {
                state.acked(request, ack);
                None
            }
            Ok(Err(refusal)) => {
                state.not_scheduled(request, &refusal);
                refusal.retry_after.filter(|_| self.rng.u8(..) >= GIVE_UP_PER_256)
            }
            Err(_) => Some(RETRY_PAUSE),
        }
    }

    /// Tries to cancel a message until the outcome is known.
    async fn cancel(&mut self, chat: ChatId, request: SendId, id: ScheduledId) {
        while !self.shared.is(Phase::Stopped) {
            self.shared.state.attempt_cancel(request);
            let answer = self.call("DELETE", &format!("/api/v1/chats/{chat}/scheduled/{id}"), None).await;
            let again = match answer {
                Ok(Answer { status: 204, .. }) => Ok(CancelAnswer::Canceled),
                Ok(Answer { status: 404, .. }) => Ok(CancelAnswer::NotFound),
                Ok(Answer { body, .. }) => Refusal::of(&body).map(|_| CancelAnswer::Indefinite),
                Err(error) => Err(error),
            };
            if let Ok(answer) = again {
                self.shared.state.cancel_answered(request, answer);
                if answer != CancelAnswer::Indefinite {
                    break;
                }
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
        self.shared.state.end_send(request);
    }

    async fn call(&mut self, method: &str, path: &str, body: Option<&serde_json::Value>) -> anyhow::Result<Answer> {
        let api = self.shared.endpoints.api(&mut self.rng);
        timeout(ANSWER_TIMEOUT, api.call(method, path, Some(&self.shared.user.token), body))
            .await
            .context("no answer")?
    }
}
