//! Up to where the program has handled the messages of each chat.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Core;
use crate::{ChatId, store::Op};

/// How the store names the values: as the SDK for JavaScript.
const PREFIX: &str = "handled:";

/// The last handled `seq` of each chat.
#[derive(Debug, Default)]
pub(super) struct Handled(BTreeMap<ChatId, u64>);

impl Handled {
    pub(super) fn new(values: &BTreeMap<String, Value>) -> Self {
        let entry = |(key, value): (&String, &Value)| Some((key.strip_prefix(PREFIX)?.parse().ok()?, value.as_u64()?));
        Self(values.iter().filter_map(entry).collect())
    }

    pub(super) fn saved(&self) -> impl Iterator<Item = Op> {
        self.0.iter().map(|(chat, seq)| op(*chat, *seq))
    }
}

fn op(chat: ChatId, seq: u64) -> Op {
    Op::set(&format!("{PREFIX}{chat}"), seq)
}

impl Core {
    /// Returns up to where a chat is handled. What is older than the beginning of its last segment was there before the chat
    /// became known, and is history.
    pub(super) fn handled(&mut self, chat: ChatId) -> Option<u64> {
        let (first, _) = *self.chats.row(chat)?.segments.last()?;
        if let Some(seq) = self.handled.0.get(&chat) {
            return Some(*seq);
        }
        let seq = first.saturating_sub(1);
        self.handle_up_to(chat, seq);
        Some(seq)
    }

    /// A chat that the store does not have is one of the former user.
    pub(super) fn handle_up_to(&mut self, chat: ChatId, seq: u64) {
        if self.chats.row(chat).is_some() {
            self.handled.0.insert(chat, seq);
            self.write(op(chat, seq));
        }
    }

    /// The history ends at `head`, for instance because the server was restored from a backup.
    pub(super) fn rewind_handled(&mut self, chat: ChatId, head: u64) {
        if self.handled.0.get(&chat).is_some_and(|seq| *seq > head) {
            self.handle_up_to(chat, head);
        }
    }
}
