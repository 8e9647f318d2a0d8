//! The frames of the server.

use serde_json::{Value, json};

use super::Core;
use crate::{ChatId, Event, Frame, event::Failure, frame::Object, store::Pending};

impl Core {
    pub(super) fn receive(&mut self, frame: Frame) {
        let chat = frame.chat_id();
        match frame.kind() {
            "message_sent" | "ack" => self.acknowledged(&frame),
            "error" => self.refused(&frame),
            "synced" => {
                self.synced(&frame);
                self.live();
            }
            "lagged" => {
                if let (Some(chat), Some(head)) = (chat, frame.number("head_seq")) {
                    self.missing(chat, head, true);
                }
            }
            "chat_created" => self.chat_created(&frame),
            "chat_removed" => {
                if let Some(chat) = chat {
                    self.removed(chat, frame.text("reason").unwrap_or("gone"));
                }
            }
            "receipt" | "receipts" => {
                self.receipt_of_user(&frame);
                self.emit(Event::from_frame(frame));
            }
            "draft" => self.draft_of_device(&frame),
            "pong" | "reconnect" | "auth_ok" => {}
            "presence" | "typing" | "system" => self.emit(Event::from_frame(frame)),
            // An event of a later version has its place in the stream; everything else that is unknown is passed on.
            _ => match (chat, frame.seq()) {
                (Some(chat), Some(seq)) => self.offer(chat, seq, frame),
                _ => self.passed_on(frame),
            },
        }
    }

    fn passed_on(&mut self, frame: Frame) {
        if frame.kind() == "chat_settings" {
            self.chat_settings(&frame);
        }
        self.emit(Event::Frame(frame));
    }

    fn draft_of_device(&mut self, frame: &Frame) {
        let Some(chat) = frame.chat_id() else { return };
        let mut draft = Value::Null;
        if frame.text("text").is_some_and(|text| !text.is_empty()) {
            let members = ["text", "reply_to", "updated_at"].into_iter();
            draft = members.filter_map(|name| Some((name.to_owned(), frame.get(name)?.clone()))).collect();
        }
        self.change(chat, Object::from_iter([("draft".to_owned(), draft)]));
    }

    /// The server accepts this connection, and everything that is pending is sent.
    fn live(&mut self) {
        self.connection_is_live();
        if std::mem::replace(&mut self.is_live, true) {
            return;
        }
        // Each connection starts as online.
        if self.is_away {
            self.send(&json!({ "type": "presence", "status": "away" }));
        }
        let open: Vec<_> = self.chats.rows().map(|row| (row.id, row.read_to, row.unsent)).collect();
        for (chat, read_to, unsent) in open {
            if let Some(read) = read_to {
                self.send_receipt(chat, read);
            }
            if unsent {
                self.send_draft(chat);
            }
        }
        self.pump();
    }

    /// The connection has ended.
    pub(super) fn lost(&mut self) {
        self.is_live = false;
        self.chats_closed();
        self.outbox_closed();
    }

    // --- acknowledgements ---

    /// Takes `message_sent` or `ack`.
    fn acknowledged(&mut self, frame: &Frame) {
        let Some(request) = frame.id("request_id") else { return };
        if self.outbox.receipts.remove(&request) {
            let of_user = |name: &str| frame.number(name);
            if let (Some(chat), Some(read)) = (frame.chat_id(), of_user("read_seq")) {
                self.own_receipt(chat, read, of_user("unread_count"));
            }
            return;
        }
        let pending = self.acked(request, &frame.0);
        let (Some(chat), Some(seq)) = (frame.chat_id(), frame.seq()) else { return };
        // The event of a repeated change comes as a frame; that of a repeated message does not.
        if frame.kind() == "ack" && frame.is("duplicate") {
            return;
        }
        match pending.and_then(|pending| self.own_event(&pending, frame, chat, seq)) {
            Some(event) => self.offer(chat, seq, Frame(event)),
            // What was sent does not tell how many reactions there are now, or where a message is that was named by its id alone.
            None => self.missing(chat, seq, true),
        }
    }

    /// Returns the event of an acknowledged message or change, if what was sent says all of it.
    fn own_event(&self, pending: &Pending, ack: &Frame, chat: ChatId, seq: u64) -> Option<Object> {
        let sent = &pending.frame;
        let content = match sent.kind() {
            "message" => json!({ "type": "new_message", "message": self.own_message(pending, ack, chat, seq) }),
            "edit" => {
                let mut message = json!({ "id": sent.get("message_id"), "chat_id": chat, "changed_seq": seq });
                for name in ["text", "entities"] {
                    if let Some(value) = sent.get(name) {
                        message[name] = value.clone();
                    }
                }
                message["seq"] = (*pending.seqs.first()?)?.into();
                json!({ "type": "message_edited", "message": message })
            }
            "delete" => {
                let ids = sent.list("message_ids").iter().enumerate();
                let messages = ids.map(|(n, id)| Some(json!({ "id": id, "seq": (*pending.seqs.get(n)?)? })));
                json!({ "type": "messages_deleted", "messages": messages.collect::<Option<Value>>()? })
            }
            _ => return None,
        };
        let mut event = json!({ "chat_id": chat, "seq": seq, "own": true, "by": self.me() }).as_object()?.clone();
        event.extend(content.as_object()?.clone());
        Some(event)
    }

    fn own_message(&self, pending: &Pending, ack: &Frame, chat: ChatId, seq: u64) -> Object {
        let mut message = Object::new();
        let mut set = |name: &str, value: Value| drop(message.insert(name.to_owned(), value));
        set("id", ack.get("message_id").cloned().unwrap_or_default());
        set("chat_id", json!(chat));
        set("sender_id", json!(self.me()));
        set("text", pending.frame.get("text").cloned().unwrap_or_default());
        set("created_at", ack.get("created_at").cloned().unwrap_or_default());
        set("updated_at", ack.get("created_at").cloned().unwrap_or_default());
        set("seq", seq.into());
        // The server sends the whole message if it has more than its text.
        message.extend(ack.object("message").cloned().unwrap_or_default());
        message.insert("request_id".to_owned(), json!(pending.request_id));
        message
    }

    /// Takes an `error`.
    fn refused(&mut self, error: &Frame) {
        let request = error.id("request_id");
        // A receipt is sent again with the next one of its chat, or by the next connection.
        let is_answer = request.is_some_and(|request| {
            self.outbox.receipts.remove(&request)
                || self.send_refused(request, error)
                || self.sync_refused(request, error.wait("retry_after_ms"))
        });
        // What may be sent again and is not pending is done, or not worth it: a message may come before its answer. What is not found may
        // be in a chat from which the user was just removed.
        let is_moot = error.is("retryable") || error.text("code") == Some("not_found");
        if !is_answer && !is_moot {
            self.emit(Event::Error(
                error.parse().unwrap_or_else(|_| Failure { extra: error.0.clone(), ..Failure::default() }),
            ));
        }
    }
}
