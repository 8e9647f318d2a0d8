//! What the application asks for.

use serde_json::{Map, json};

use super::{Call, CallId, Core, Reply, requests::Then};
use crate::{ChatId, MessageId, Status};

impl Core {
    pub(super) fn call(&mut self, id: CallId, call: Call) {
        match call {
            Call::Login { login, cookie } => return self.login(id, &login, cookie),
            Call::Accept(answer) => return self.accept(id, Ok(answer), false),
            Call::Logout => return self.logout(id),
            Call::Page(chat, query) => return self.page(id, chat, query),
            Call::Request(request) => return self.request(request, Then::Call(id)),
            Call::Retry(request) => {
                let is_retried = self.retry(request);
                return self.reply(id, Ok(Reply::Flag(is_retried)));
            }
            Call::Cancel(request) => {
                let is_cancelled = self.cancel(request);
                return self.reply(id, Ok(Reply::Flag(is_cancelled)));
            }
            Call::Segments(chat) => {
                let segments = self.chats.row(chat).map(|row| row.segments.clone()).unwrap_or_default();
                return self.reply(id, Ok(Reply::Segments(segments)));
            }
            Call::Handled(chat) => {
                let position = self.handled(chat);
                return self.reply(id, Ok(Reply::Position(position)));
            }
            Call::Handle(chat, seq) => self.handle_up_to(chat, seq),
            Call::Start => self.start(),
            Call::Stop => self.stop(),
            Call::Send(entry) => {
                let added = self.add_pending(*entry);
                return self.reply(id, added.map(|()| Reply::Done));
            }
            Call::Read(chat, seq) => self.read(chat, seq),
            Call::Typing(chat, on) => self.typing(chat, on),
            Call::Presence(status) => self.presence(status),
            Call::Draft(chat, text, reply_to) => self.keep_draft(chat, &text, reply_to),
        }
        self.reply(id, Ok(Reply::Done));
    }

    fn start(&mut self) {
        if !std::mem::replace(&mut self.is_started, true) {
            self.begin();
        }
    }

    fn stop(&mut self) {
        if std::mem::take(&mut self.is_started) {
            self.halt(Status::Stopped { reason: None });
        }
    }

    fn typing(&mut self, chat: ChatId, on: bool) {
        if self.is_live {
            self.send(&json!({ "type": "typing", "chat_id": chat, "is_typing": on }));
        }
    }

    fn presence(&mut self, status: &str) {
        self.is_away = status == "away";
        if self.is_live {
            self.send(&json!({ "type": "presence", "status": status }));
        }
    }

    fn read(&mut self, chat: ChatId, seq: u64) {
        if self.mark(chat, seq) && self.is_live {
            self.send_receipt(chat, seq);
        }
    }

    pub(super) fn send_receipt(&mut self, chat: ChatId, read: u64) {
        let request_id = self.uuid();
        self.outbox.receipts.insert(request_id);
        self.send(&json!({ "type": "receipt", "chat_id": chat, "read": read, "request_id": request_id }));
    }

    fn keep_draft(&mut self, chat: ChatId, text: &str, reply_to: Option<MessageId>) {
        let Some(row) = self.chats.row_mut(chat) else { return };
        row.unsent = true;
        let draft = match reply_to {
            _ if text.is_empty() => json!(null),
            Some(reply_to) => json!({ "text": text, "reply_to": reply_to }),
            None => json!({ "text": text }),
        };
        self.change(chat, Map::from_iter([("draft".to_owned(), draft)]));
        self.send_draft(chat);
    }

    pub(super) fn send_draft(&mut self, chat: ChatId) {
        let Some(row) = self.chats.row_mut(chat).filter(|_| self.is_live) else { return };
        row.unsent = false;
        let mut frame = json!({ "type": "draft", "chat_id": chat, "text": "" });
        if let Some(draft) = row.item.get("draft") {
            for name in ["text", "reply_to"] {
                if let Some(value) = draft.get(name) {
                    frame[name] = value.clone();
                }
            }
        }
        self.send(&frame);
    }
}
