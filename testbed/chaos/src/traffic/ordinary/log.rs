//! Logs what the SDK tells the application.

use std::collections::HashMap;

use anyhow::{Context as _, bail, ensure};
use neonchat_client::{self as sdk, ChatEvent, Events, OutboxEvent, OutboxKind, Status};
use neonchat_common::ids::{ChatId, MessageId, SendId, Seq, UserId};
use serde_json::Value;
use tokio::sync::mpsc;

use super::Ordinary;
use crate::{
    checker::{Ack, Answer, Changed, Event, Message, What},
    traffic::{frames, rest::Fetch},
};

/// The SDK fetches as many missing events of a chat, and skips more.
const LONGEST_GAP: u64 = 5000;

/// The reader of the events.
pub(super) struct Log {
    ordinary: Ordinary,
    fetches: mpsc::Sender<Fetch>,
    /// The last event of each chat.
    positions: HashMap<ChatId, Seq>,
}

impl Log {
    pub(super) fn new(ordinary: Ordinary, fetches: mpsc::Sender<Fetch>) -> Self {
        Self { ordinary, fetches, positions: HashMap::new() }
    }

    pub(super) async fn run(mut self, mut events: Events) {
        while let Some(event) = events.next().await {
            if let Err(error) = self.handle(event).await {
                self.ordinary.breaks(format!("{error:#}"));
            }
        }
    }

    async fn handle(&mut self, event: sdk::Event) -> anyhow::Result<()> {
        match event {
            sdk::Event::Message(new) => {
                let message = message(&new.message)?;
                let place = (ChatId(new.chat_id.0), seq(new.seq)?);
                ensure!(place == (message.chat, message.seq), "a message in the wrong place: {new:?}");
                self.durable(place, Event::Message(message)).await
            }
            sdk::Event::Frame(frame) if frame.seq().is_some() => {
                let change = change(frame)?;
                self.durable((change.chat, change.seq), Event::Changed(change)).await
            }
            sdk::Event::Chat(ChatEvent::Created { chat }) => {
                let (chat, head) = (ChatId(chat.id.0), seq(chat.last_seq)?);
                self.begin(chat, head, Event::Joined { chat, head }).await
            }
            sdk::Event::Gap(gap) if gap.skipped => {
                ensure!(!gap.restored && gap.to_seq - gap.from_seq >= LONGEST_GAP, "{gap:?}");
                let (chat, from, head) = (ChatId(gap.chat_id.0), seq(gap.from_seq)?, seq(gap.to_seq)?);
                self.begin(chat, head, Event::Lagged { chat, from, head }).await
            }
            sdk::Event::Chat(ChatEvent::Removed { chat_id, .. }) => {
                let chat = ChatId(chat_id.0);
                self.positions.remove(&chat);
                self.ordinary.state().log_event(Event::Left { chat });
                Ok(())
            }
            sdk::Event::Outbox(outbox) => self.answer(*outbox).await,
            sdk::Event::State(Status::SignedOut { .. } | Status::Stopped { .. })
            | sdk::Event::Error(_)
            | sdk::Event::Missed(_) => bail!("{event:?}"),
            sdk::Event::State(_) | sdk::Event::Chat(_) | sdk::Event::Gap(_) => Ok(()),
            other => self.seen(&other),
        }
    }

    /// Logs an event that has a place in a chat.
    async fn durable(&mut self, (chat, seq): (ChatId, Seq), event: Event) -> anyhow::Result<()> {
        let is_next = self.positions.insert(chat, seq).is_none_or(|last| last + 1 >= seq);
        self.ordinary.state().log_event(event);
        // The chat begins later than before, for a user who was removed and added meanwhile. The history tells where.
        if is_next { Ok(()) } else { self.fetch(chat, seq).await }
    }

    /// A chat goes on after `head`. What is before is history.
    async fn begin(&mut self, chat: ChatId, head: Seq, event: Event) -> anyhow::Result<()> {
        self.ordinary.state().log_event(event);
        self.positions.insert(chat, head);
        self.fetch(chat, head).await
    }

    async fn fetch(&self, chat: ChatId, head: Seq) -> anyhow::Result<()> {
        // An error: the run is over.
        let _ = self.fetches.send(Fetch { chat, head }).await;
        Ok(())
    }

    /// Logs what became of a message. Changes have their answers elsewhere.
    async fn answer(&self, outbox: OutboxEvent) -> anyhow::Result<()> {
        let entry = &outbox.entry;
        let request_id = SendId(entry.request_id.0);
        if entry.frame.kind() != "message" {
            return Ok(());
        }
        match outbox.kind {
            OutboxKind::Done => {
                let ack = outbox.ack.context("a message is done without an answer")?;
                let ack = Ack {
                    chat: ChatId(ack.chat_id.0),
                    seq: seq(ack.seq.context("a message without a seq")?)?,
                    id: MessageId(ack.message_id.context("a message without an ID")?.0),
                    duplicate: ack.duplicate,
                };
                self.ordinary.state().sent(request_id, Answer::Acked(ack));
            }
            OutboxKind::Failed => {
                // Else it would stay in the outbox.
                self.ordinary.client.cancel(entry.request_id).await?;
                self.ordinary.state().sent(request_id, Answer::Refused);
            }
            _ => {}
        }
        Ok(())
    }

    fn seen(&self, event: &sdk::Event) -> anyhow::Result<()> {
        let event = serde_json::to_value(event)?;
        let (kind, data) = (event["event"].as_str().context("an event without a name")?.to_owned(), &event["data"]);
        let (chat, user) = (frames::optional(&data["chat_id"]), frames::optional(&data["user_id"]));
        self.ordinary.state().log_event(Event::Seen { kind, chat, user });
        Ok(())
    }
}

fn seq(seq: u64) -> anyhow::Result<Seq> {
    Ok(seq.try_into()?)
}

pub(super) fn message(message: &sdk::Message) -> anyhow::Result<Message> {
    Ok(Message {
        chat: ChatId(message.chat_id.0),
        seq: seq(message.seq)?,
        id: MessageId(message.id.0),
        sender: UserId(message.sender_id.0),
        text: message.text.clone(),
        changed_seq: message.changed_seq.map(seq).transpose()?,
        is_deleted: message.deleted,
    })
}

/// Returns the change of a frame. That of this client itself has only what the client asked for.
fn change(frame: sdk::Frame) -> anyhow::Result<Changed> {
    let mut frame = Value::Object(frame.0);
    let is_own = frame["own"] == true;
    if is_own && frame["message"].is_object() {
        frame["message"]["sender_id"] = frame["by"].clone();
    }
    let mut change = frames::changed(&frame)?.with_context(|| format!("an unknown event: {frame}"))?;
    if is_own && let What::Deleted(messages) = change.what {
        change.what = What::Gone(messages);
    }
    Ok(change)
}
