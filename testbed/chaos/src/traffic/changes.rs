//! A device edits and deletes its user's messages, one after another. Any change is repeated until its outcome is known.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use neonchat_common::ids::{ChatId, SendId};
use neonchat_testbed::client::Answer;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    Load, Phase,
    compose::{pause, text},
    evidence::history,
    frames::Refusal,
    rest::{ANSWER_TIMEOUT, RETRY_PAUSE, events, fetched},
    state::{GIVE_UP_PER_256, Shared, now},
};
use crate::checker::{Action, ChangeAnswer, Durable};

/// The pause between changes, as a multiple of the pause between the messages on the socket. About every tenth message is
/// changed.
const SLOWDOWN: u32 = 8;

/// The maximum number of messages that one deletion names.
pub(super) const MAX_DELETED: usize = 3;

/// How many messages and events are read after a change.
const LOOK_BACK: i64 = 20;

/// Edits and deletes messages.
pub(super) struct Changer {
    shared: Shared,
    load: Load,
    rng: fastrand::Rng,
}

impl Changer {
    pub(super) const fn new(shared: Shared, load: Load, rng: fastrand::Rng) -> Self {
        Self { shared, load, rng }
    }

    pub(super) async fn run(mut self) {
        while !self.shared.is(Phase::Stopped) {
            tokio::time::sleep(pause(self.load.pause * SLOWDOWN, &mut self.rng)).await;
            if self.shared.is(Phase::Active)
                && let Some(request) = self.compose()
                && let Some((chat, ChangeAnswer::Applied { .. })) = self.make(request).await
            {
                let _ = timeout(ANSWER_TIMEOUT, self.look(chat)).await;
            }
        }
    }

    /// Creates a change of messages that are stored: three of five are edits.
    fn compose(&mut self) -> Option<SendId> {
        let (state, rng) = (&self.shared.state, &mut self.rng);
        let (chat, message) = state.own_message(rng)?;
        let request = SendId::new();
        let action = if rng.u8(..5) < 3 {
            Action::Edit { message, text: text(state, chat, request, self.load, rng) }
        } else {
            let others = (1..rng.usize(1..=MAX_DELETED)).filter_map(|_| state.own_message(rng));
            let others = others.filter(|(of, _)| *of == chat).map(|(_, message)| message);
            Action::Delete { messages: others.chain([message]).collect() }
        };
        state.add_change(chat, request, action);
        Some(request)
    }

    /// Tries a change until its outcome is known, or the client gives up. Returns the chat and the last answer.
    pub(super) async fn make(&mut self, request: SendId) -> Option<(ChatId, ChangeAnswer)> {
        let mut last = None;
        while !self.shared.is(Phase::Stopped) {
            let Some((chat, action)) = self.shared.state.attempt_change(request) else { break };
            let again = match self.call(chat, request, &action).await {
                Ok((answer, again)) => {
                    self.shared.state.change_answered(request, answer);
                    last = Some((chat, answer));
                    again.filter(|_| self.rng.u8(..) >= GIVE_UP_PER_256)
                }
                Err(_) => Some(RETRY_PAUSE),
            };
            let Some(again) = again else { break };
            tokio::time::sleep(again).await;
        }
        self.shared.state.end_change(request);
        last
    }

    /// Makes one attempt over REST. Returns the answer, and when to try again.
    async fn call(
        &mut self,
        chat: ChatId,
        request: SendId,
        action: &Action,
    ) -> anyhow::Result<(ChangeAnswer, Option<Duration>)> {
        let (method, path, body) = rest(chat, request, action);
        let api = self.shared.endpoints.api(&mut self.rng);
        let called = api.call(method, &path, Some(&self.shared.user.token), body.as_ref());
        read(&timeout(ANSWER_TIMEOUT, called).await.context("no answer")??, action)
    }

    /// Reads the newest messages and events from any instance. None of them may have a text that was replaced before.
    async fn look(&mut self, chat: ChatId) -> anyhow::Result<()> {
        let (user, state) = (&self.shared.user, &self.shared.state);
        let after = (state.cursor(chat) - LOOK_BACK).max(0);
        let (api, begun) = (self.shared.endpoints.api(&mut self.rng), now());
        let page = api.get(&format!("/api/v1/chats/{chat}/messages?limit={LOOK_BACK}"), user).await?;
        state.has_looked(fetched(begun, history(&page.body)?.into_iter().map(Durable::Message).collect()));
        let begun = now();
        let page = api.get(&format!("/api/v1/chats/{chat}/events?after={after}&limit={LOOK_BACK}"), user).await?;
        state.has_looked(fetched(begun, events(&page.body)?));
        Ok(())
    }
}

/// Returns the call of REST for a change. A single message is deleted by the call that takes no body.
fn rest(chat: ChatId, request: SendId, action: &Action) -> (&'static str, String, Option<Value>) {
    let chat = format!("/api/v1/chats/{chat}");
    match action {
        Action::Edit { message, text } => {
            ("PATCH", format!("{chat}/messages/{message}"), Some(json!({ "text": text, "request_id": request })))
        }
        Action::Delete { messages: ids } => match ids.first() {
            Some(id) if ids.len() == 1 => ("DELETE", format!("{chat}/messages/{id}?request_id={request}"), None),
            _ => ("POST", format!("{chat}/messages/delete"), Some(json!({ "ids": ids, "request_id": request }))),
        },
        Action::Add { users } => {
            ("POST", format!("{chat}/members"), Some(json!({ "user_ids": users, "request_id": request })))
        }
        Action::Remove { users } => {
            ("POST", format!("{chat}/members/remove"), Some(json!({ "user_ids": users, "request_id": request })))
        }
        Action::SetRole { user, admin } => {
            let role = if *admin { "admin" } else { "member" };
            ("PATCH", format!("{chat}/members/{user}"), Some(json!({ "role": role, "request_id": request })))
        }
        Action::React { message, emoji, on } => {
            let method = if *on { "PUT" } else { "DELETE" };
            (method, format!("{chat}/messages/{message}/reactions/{emoji}?request_id={request}"), None)
        }
        Action::Rename { title } => ("PATCH", chat, Some(json!({ "title": title, "request_id": request }))),
    }
}

/// Parses an answer.
fn read(answer: &Answer, action: &Action) -> anyhow::Result<(ChangeAnswer, Option<Duration>)> {
    let Answer { status, body } = answer;
    if *status != 200 {
        let refusal = Refusal::of(body)?;
        let answer = if refusal.is_indefinite { ChangeAnswer::Indefinite } else { ChangeAnswer::Refused };
        return Ok((answer, refusal.retry_after));
    }
    let seq = match action {
        Action::Rename { .. } => return Ok((ChangeAnswer::Done, None)),
        Action::Edit { .. } => &body["event_seq"],
        _ => &body["seq"],
    };
    let answer = if let Some(seq) = seq.as_i64() {
        ChangeAnswer::Applied { seq, duplicate: body["duplicate"].as_bool().context("no duplicate")? }
    } else {
        ensure!(seq.is_null(), "{seq} is not a number");
        let is_gathered = matches!(action, Action::React { .. }) && body["duplicate"] == true;
        if is_gathered { ChangeAnswer::Gathered } else { ChangeAnswer::Unchanged }
    };
    Ok((answer, None))
}
