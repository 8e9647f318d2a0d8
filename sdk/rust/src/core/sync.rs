//! `sync`: what a connection asks for first.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Core, Timer};
use crate::{ChatId, Frame, RequestId, store::ChatRow};

/// The chats of the first `sync`.
const SYNC_CHATS: usize = 200;
/// How long the answer may take.
const SYNC: u64 = 10_000;
/// The pause after a refusal that does not name one.
const RETRY: u64 = 2_000;

/// A `sync` without an answer.
#[derive(Debug)]
pub(super) struct Asked {
    cursors: BTreeMap<ChatId, u64>,
    /// It is sent again when its timer fires.
    is_refused: bool,
}

impl Core {
    /// The socket is open.
    pub(super) fn sync_first(&mut self) {
        self.chats.synced.clear();
        let mut rows: Vec<_> = self.chats.rows().collect();
        let active = |row: &ChatRow| row.item.get("updated_at").and_then(Value::as_str).unwrap_or_default().to_owned();
        rows.sort_by_cached_key(|row| std::cmp::Reverse(active(row)));
        let cursors = rows.into_iter().take(SYNC_CHATS).map(|row| (row.id, row.applied)).collect();
        self.sync(cursors);
        self.list();
    }

    pub(super) fn sync(&mut self, cursors: BTreeMap<ChatId, u64>) {
        let request_id = self.uuid();
        self.chats.synced.extend(cursors.keys());
        self.send(&json!({ "type": "sync", "request_id": request_id, "cursors": cursors }));
        self.set_timer(Timer::Sync(request_id), SYNC);
        self.chats.syncs.insert(request_id, Asked { cursors, is_refused: false });
    }

    pub(super) fn synced(&mut self, frame: &Frame) {
        if let Some(request) = frame.id("request_id") {
            self.timers.clear(Timer::Sync(request));
            self.chats.syncs.remove(&request);
        }
        let chats = frame.list("chats").iter().filter_map(Value::as_object).cloned().map(Frame);
        for answer in chats {
            let (Some(chat), Some(head)) = (answer.chat_id(), answer.number("head_seq")) else { continue };
            self.begin_at(chat, answer.number("first_seq").unwrap_or(1));
            let state = self.chats.entry(chat);
            state.head = state.head.max(head);
            if state.row.as_ref().is_some_and(|row| !answer.is("complete") || head > row.applied) {
                self.fetch(chat);
            }
        }
    }

    /// Takes an `error`. Returns whether it answers a `sync`.
    pub(super) fn sync_refused(&mut self, request: RequestId, retry_after_ms: Option<u64>) -> bool {
        let Some(asked) = self.chats.syncs.get_mut(&request) else { return false };
        asked.is_refused = true;
        self.set_timer(Timer::Sync(request), retry_after_ms.unwrap_or(RETRY));
        true
    }

    /// The timer of a `sync`: it was refused and is sent again, or the connection does not answer.
    pub(super) fn sync_again(&mut self, request: RequestId) {
        match self.chats.syncs.remove(&request) {
            Some(asked) if asked.is_refused => self.sync(asked.cursors),
            _ => self.fail(),
        }
    }
}
