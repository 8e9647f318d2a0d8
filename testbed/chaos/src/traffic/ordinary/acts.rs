//! What the user of an ordinary client does: writes, looks at a chat, edits, deletes and reacts.

use neonchat_client::{ChatId, Error, Message, MessageId, Sending, Text};
use neonchat_common::ids::{self, SendId};
use tokio::time::sleep;

use super::Ordinary;
use crate::{
    checker::{Action, ChangeAnswer, Moment},
    traffic::{
        Load, Phase,
        changes::MAX_DELETED,
        compose::{compose, pause, text},
        reactions::EMOJI,
        state::{Shared, State, now},
    },
};

/// The pause between changes, as a multiple of the pause between messages. The other device of the user makes as many with two tasks.
const SLOWDOWN: u32 = 5;

/// The user does not go on while this many messages and changes are unanswered.
const BACKLOG: usize = 8;

/// The number of messages that the user looks at.
const SCREEN: usize = 20;

/// A user at an ordinary client.
pub(super) struct Actor {
    ordinary: Ordinary,
    load: Load,
    rng: fastrand::Rng,
}

impl Actor {
    pub(super) const fn new(ordinary: Ordinary, load: Load, rng: fastrand::Rng) -> Self {
        Self { ordinary, load, rng }
    }

    const fn shared(&self) -> &Shared {
        &self.ordinary.shared
    }

    fn state(&self) -> &State {
        &self.ordinary.shared.state
    }

    /// Sends messages. The SDK sends them again until they are answered.
    pub(super) async fn write(mut self) {
        while !self.shared().is(Phase::Stopped) {
            sleep(pause(self.load.pause, &mut self.rng)).await;
            if self.shared().is(Phase::Active)
                && self.state().unanswered() < BACKLOG
                && let Some(request_id) = compose(&self.ordinary.shared.state, self.load, &mut self.rng)
                && let Some((chat, text)) = self.state().attempt(request_id)
            {
                let sending = self.ordinary.client.send(ChatId(chat.0), Text::new(text).request_id(request_id.0));
                if let Err(error) = sending.await {
                    self.ordinary.breaks(format!("a message is not sent: {error}"));
                }
            }
        }
    }

    /// Changes messages, one after another.
    pub(super) async fn change(mut self) {
        while !self.shared().is(Phase::Stopped) {
            sleep(pause(self.load.pause * SLOWDOWN, &mut self.rng)).await;
            if self.shared().is(Phase::Active) {
                if self.rng.bool() {
                    self.react().await;
                } else {
                    self.look().await;
                }
            }
        }
    }

    /// Two of three changes are reactions, the others take one back.
    async fn react(&mut self) {
        let Some((chat, message)) = self.ordinary.shared.state.newest_message(&mut self.rng) else { return };
        let (emoji, on) = (EMOJI[self.rng.usize(..EMOJI.len())], self.rng.u8(..3) > 0);
        let begun = now();
        let sending = self.ordinary.client.react(ChatId(chat.0), MessageId(message.0), emoji, on).await;
        self.record(begun, chat, Action::React { message, emoji: emoji.to_owned(), on }, sending).await;
    }

    /// Reads the newest messages of a chat, and changes own ones: three of five changes are edits.
    async fn look(&mut self) {
        let (state, rng) = (&self.ordinary.shared.state, &mut self.rng);
        let Some(chat) = rng.choice(state.chats()) else { return };
        let client = self.ordinary.client.clone();
        // The server may be away, or the user no member.
        let Ok(page) = client.timeline(ChatId(chat.0)).latest(SCREEN).await else { return };
        if let Some(last) = page.messages.last()
            && let Err(error) = client.read(ChatId(chat.0), last.seq).await
        {
            self.ordinary.breaks(format!("a chat is not read: {error}"));
        }
        let me = client.session().map(|session| session.user_id());
        let mut own: Vec<&Message> =
            page.messages.iter().filter(|message| Some(message.sender_id) == me && !message.deleted).collect();
        rng.shuffle(&mut own);
        let Some(first) = own.first().copied() else { return };
        if rng.u8(..5) < 3 {
            let request = SendId::new();
            let text = text(state, chat, request, self.load, rng);
            let action = Action::Edit { message: ids::MessageId(first.id.0), text: text.clone() };
            let begun = now();
            let sending = client.edit(ChatId(chat.0), first, Text::new(text).request_id(request.0)).await;
            self.record(begun, chat, action, sending).await;
        } else {
            own.truncate(rng.usize(1..=MAX_DELETED));
            let action = Action::Delete { messages: own.iter().map(|message| ids::MessageId(message.id.0)).collect() };
            let begun = now();
            let sending = client.delete(ChatId(chat.0), own).await;
            self.record(begun, chat, action, sending).await;
        }
    }

    /// Waits for the answer to a change.
    async fn record(&self, begun: Moment, chat: ids::ChatId, action: Action, sending: Result<Sending, Error>) {
        let sending = match sending {
            Ok(sending) => sending,
            Err(error) => return self.ordinary.breaks(format!("a change is not sent: {error}")),
        };
        let (id, request) = (sending.request_id(), SendId(sending.request_id().0));
        let is_reaction = matches!(action, Action::React { .. });
        self.state().add_change_since(begun, chat, request, action);
        self.state().attempt_change(request);
        let answer = match sending.await {
            Ok(ack) => match ack.seq.map(i64::try_from) {
                Some(Ok(seq)) => ChangeAnswer::Applied { seq, duplicate: ack.duplicate },
                Some(Err(error)) => return self.ordinary.breaks(error.to_string()),
                None if is_reaction && ack.duplicate => ChangeAnswer::Gathered,
                None => ChangeAnswer::Unchanged,
            },
            Err(Error::Refused { .. }) => {
                // An error: it has ended.
                let _ = self.ordinary.client.cancel(id).await;
                ChangeAnswer::Refused
            }
            Err(error) => return self.ordinary.breaks(format!("a change without an answer: {error}")),
        };
        self.state().changed(request, answer);
    }
}
