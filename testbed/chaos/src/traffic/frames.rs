//! The frames of the protocol (`docs/PROTOCOL.md`) for a client.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::Context as _;
use neonchat_common::ids::{ChatId, MessageId, SendId, Seq};
use serde_json::{Value, json};

use crate::checker::{Ack, Answer, Changed, Durable, Event, Message, Shown, Tally, What};

/// A frame of the server.
#[derive(Debug)]
pub(super) enum Frame {
    /// An event to log.
    Event(Event),
    /// The answer to a sync.
    Synced(Vec<Synced>),
    /// An error.
    Error { request_id: Option<String>, refusal: Refusal },
    /// The server is about to close the connection.
    Reconnect { after: Duration },
    /// A pong.
    Nothing,
}

/// A chat in the answer to a sync.
#[derive(Clone, Copy, Debug)]
pub(super) struct Synced {
    pub(super) chat: ChatId,
    pub(super) first: Seq,
    pub(super) head: Seq,
    pub(super) complete: bool,
}

impl From<Synced> for Event {
    fn from(Synced { chat, first, head, complete }: Synced) -> Self {
        Self::Synced { chat, first, head, complete }
    }
}

/// A refusal, and when to retry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) retry_after: Option<Duration>,
    /// Whether the request may have succeeded nevertheless.
    pub(super) is_indefinite: bool,
}

/// The shortest pause before a retry.
const MIN_PAUSE_MS: u64 = 100;

impl Frame {
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let value: Value = serde_json::from_str(text)?;
        parse(&value).with_context(|| format!("parse frame {}", value["type"]))
    }
}

fn parse(value: &Value) -> anyhow::Result<Frame> {
    if let Some(change) = changed(value)? {
        return Ok(Frame::Event(Event::Changed(change)));
    }
    let event = match value["type"].as_str().unwrap_or_default() {
        "message_sent" => Event::Acked { request_id: id(&value["request_id"])?, ack: ack(value, "message_id")? },
        "new_message" => Event::Message(message(&value["message"])?),
        "chat_created" => Event::Joined { chat: id(&value["chat"]["id"])?, head: number(&value["chat"]["last_seq"])? },
        "chat_removed" => Event::Left { chat: id(&value["chat_id"])? },
        "lagged" => Event::Lagged {
            chat: id(&value["chat_id"])?,
            from: number(&value["from_seq"])?,
            head: number(&value["head_seq"])?,
        },
        "synced" => {
            let chats = value["chats"].as_array().context("no chats")?.iter();
            let chat = |chat: &Value| {
                let complete = chat["complete"].as_bool().context("complete")?;
                Ok(Synced {
                    chat: id(&chat["chat_id"])?,
                    first: number(&chat["first_seq"])?,
                    head: number(&chat["head_seq"])?,
                    complete,
                })
            };
            return Ok(Frame::Synced(chats.map(chat).collect::<anyhow::Result<_>>()?));
        }
        "error" => {
            let request_id = value["request_id"].as_str().map(str::to_owned);
            return Ok(Frame::Error { request_id, refusal: Refusal::of(value)? });
        }
        "reconnect" => {
            let after = value["after_ms"].as_u64().context("after_ms")?;
            return Ok(Frame::Reconnect { after: Duration::from_millis(after) });
        }
        "pong" => return Ok(Frame::Nothing),
        kind => {
            Event::Seen { kind: kind.to_owned(), chat: optional(&value["chat_id"]), user: optional(&value["user_id"]) }
        }
    };
    Ok(Frame::Event(event))
}

/// Parses an ack. `message` is the field with the message ID, which differs between WebSocket and REST.
pub(super) fn ack(value: &Value, message: &str) -> anyhow::Result<Ack> {
    Ok(Ack {
        chat: id(&value["chat_id"])?,
        seq: number(&value["seq"])?,
        id: id(&value[message])?,
        duplicate: value["duplicate"].as_bool().unwrap_or(false),
    })
}

pub(super) fn message(value: &Value) -> anyhow::Result<Message> {
    Ok(Message {
        chat: id(&value["chat_id"])?,
        seq: number(&value["seq"])?,
        id: id(&value["id"])?,
        sender: id(&value["sender_id"])?,
        text: value["text"].as_str().context("no text")?.to_owned(),
        changed_seq: value["changed_seq"].as_i64(),
        is_deleted: value["deleted"] == true,
    })
}

/// Parses a change, which is the same over WebSocket and REST. Returns `None` for another type.
pub(super) fn changed(value: &Value) -> anyhow::Result<Option<Changed>> {
    let members = || number(&value["member_count"]);
    let what = match value["type"].as_str().unwrap_or_default() {
        "message_edited" if value["superseded"] == true => What::Superseded(id(&value["message_id"])?),
        "message_edited" => What::Edited(message(&value["message"])?),
        "messages_deleted" => What::Deleted(ids(&value["messages"], |message| id(&message["id"]))?),
        "members_added" => What::Added { users: ids(&value["user_ids"], id)?, members: members()? },
        "members_removed" => What::Removed { users: ids(&value["user_ids"], id)?, members: members()? },
        "member_changed" => What::RoleSet { user: id(&value["user_id"])?, admin: value["role"] == "admin" },
        "reactions" => What::Reacted { message: id(&value["message_id"])?, tallies: tallies(&value["reactions"])? },
        "chat_updated" => What::Renamed(value["title"].as_str().context("no title")?.to_owned()),
        _ => return Ok(None),
    };
    Ok(Some(Changed { chat: id(&value["chat_id"])?, seq: number(&value["seq"])?, by: optional(&value["by"]), what }))
}

/// Parses the reactions to a message.
fn tallies(value: &Value) -> anyhow::Result<Vec<Tally>> {
    let tallies = value.as_array().map(Vec::as_slice).unwrap_or_default().iter();
    let tally = |tally: &Value| {
        Ok(Tally {
            emoji: tally["emoji"].as_str().context("no emoji")?.to_owned(),
            count: number(&tally["count"])?,
            recent: tally["recent"].as_array().context("no recent")?.iter().map(id).collect::<anyhow::Result<_>>()?,
        })
    };
    tallies.map(tally).collect()
}

/// Parses the reactions to a message of the history. Returns `None` if there are none.
pub(super) fn shown(message: &Value) -> anyhow::Result<Option<(MessageId, Shown)>> {
    let own = message["my_reactions"].as_array().map(Vec::as_slice).unwrap_or_default().iter();
    let own = own.filter_map(|emoji| emoji.as_str().map(str::to_owned)).collect();
    let shown = Shown { tallies: tallies(&message["reactions"])?, own };
    Ok((shown != Shown::default()).then_some((id(&message["id"])?, shown)))
}

fn ids<T: Ord>(values: &Value, id: impl Fn(&Value) -> anyhow::Result<T>) -> anyhow::Result<BTreeSet<T>> {
    values.as_array().context("no array")?.iter().map(id).collect()
}

/// Parses an event of a page of events.
pub(super) fn event(value: &Value) -> anyhow::Result<Durable> {
    match value["type"].as_str() {
        Some("message") => Ok(Durable::Message(message(&value["message"])?)),
        kind => Ok(Durable::Change(changed(value)?.with_context(|| format!("unknown event {kind:?}"))?)),
    }
}

fn number(value: &Value) -> anyhow::Result<Seq> {
    value.as_i64().with_context(|| format!("{value} is not a number"))
}

pub(super) fn id<T: From<uuid::Uuid>>(value: &Value) -> anyhow::Result<T> {
    optional(value).with_context(|| format!("{value} is not an ID"))
}

pub(super) fn optional<T: From<uuid::Uuid>>(value: &Value) -> Option<T> {
    value.as_str()?.parse::<uuid::Uuid>().ok().map(T::from)
}

impl Refusal {
    pub(super) const fn answer(&self) -> Answer {
        if self.is_indefinite { Answer::Indefinite } else { Answer::Refused }
    }

    /// Parses an `error` frame or a problem document.
    pub(super) fn of(value: &Value) -> anyhow::Result<Self> {
        let code = value["code"].as_str().context("no code")?.to_owned();
        let is_indefinite = matches!(code.as_str(), "unavailable" | "internal");
        let is_retryable = is_indefinite || code == "rate_limited";
        let pause = Duration::from_millis(value["retry_after_ms"].as_u64().unwrap_or(0).max(MIN_PAUSE_MS));
        Ok(Self { code, retry_after: is_retryable.then_some(pause), is_indefinite })
    }
}

/// Returns a `message` frame.
pub(super) fn send(chat: ChatId, request_id: SendId, text: &str) -> Value {
    json!({ "type": "message", "chat_id": chat, "text": text, "request_id": request_id })
}

pub(super) fn sync(request_id: &str, cursors: &BTreeMap<ChatId, Seq>) -> Value {
    let cursors: serde_json::Map<String, Value> =
        cursors.iter().map(|(chat, seq)| (chat.to_string(), json!(seq))).collect();
    json!({ "type": "sync", "request_id": request_id, "cursors": cursors })
}
