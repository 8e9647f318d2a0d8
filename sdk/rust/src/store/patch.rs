//! Changes of stored messages.

use chrono::DateTime;
use serde_json::Value;

use super::{EventRow, Patch};
use crate::{ChatId, frame::Object};

/// Members of a message that a deletion keeps.
const KEPT: [&str; 7] = ["id", "chat_id", "sender_id", "created_at", "updated_at", "seq", "request_id"];

impl Patch {
    /// Changes a stored event. A change that is older than the last one does nothing.
    pub fn apply(&self, row: &mut EventRow) {
        let Some(message) = &mut row.message else { return };
        let last = message.get("changed_seq").and_then(Value::as_u64);
        let is_older = self.changed_seq.zip(last).is_some_and(|(change, last)| last > change);
        if message.get("deleted") == Some(&Value::Bool(true)) || is_older {
            return;
        }
        if self.erase {
            message.retain(|name, _| KEPT.contains(&name.as_str()));
            message.insert("text".to_owned(), "".into());
            message.insert("deleted".to_owned(), true.into());
            row.expires = None;
        } else {
            message.extend(self.set.clone());
        }
        if let Some(seq) = self.changed_seq {
            message.insert("changed_seq".to_owned(), seq.into());
        }
    }
}

impl EventRow {
    /// Deletes the content of the message if it has disappeared: `now` is in milliseconds since 1970.
    pub fn expire(&mut self, now: u64) {
        if self.expires.is_some_and(|end| end <= now) {
            let (chat_id, seq) = (self.chat_id, self.seq);
            Patch { chat_id, seq, changed_seq: None, erase: true, set: Object::new() }.apply(self);
        }
    }
}

/// Returns a message as it is stored.
pub(crate) fn message_row(chat_id: ChatId, seq: u64, message: Object) -> EventRow {
    let is_deleted = message.get("deleted") == Some(&Value::Bool(true));
    let expires_at = message.get("expires_at").and_then(Value::as_str).filter(|_| !is_deleted);
    let time = expires_at.and_then(|time| DateTime::parse_from_rfc3339(time).ok());
    let expires = time.and_then(|time| u64::try_from(time.timestamp_millis()).ok());
    EventRow { chat_id, seq, kind: "message".to_owned(), message: Some(message), expires, extra: Object::new() }
}
