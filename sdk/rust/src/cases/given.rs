//! What a case writes in short: what the store has, messages, answers.

use serde_json::{Value, json};

use super::runner::{Runner, TIME};
use crate::store::{ChatRow, Op};

impl Runner {
    /// What the case says that the store has.
    pub(super) fn fill_store(&mut self) {
        let given = self.given.clone();
        let mut ops = Vec::new();
        if !given.get("session").is_some_and(Value::is_null) {
            let mut session = json!({
                "access": "access-1", "access_expires_at": self.time.wall + 86_400_000, "lifetime": 86_400_000,
                "refresh": "refresh-1", "user": { "id": self.id("$me"), "username": "me" }, "device_id": self.id("$device"),
            });
            if let Some(members) = self.names.resolve(&given["session"]).as_object() {
                session.as_object_mut().expect("object").extend(members.clone());
            }
            ops.push(Op::set("session", session));
            ops.push(Op::set("owner", self.names.resolve(given.get("owner").unwrap_or(&"$me".into()))));
        }
        if given.get("chats").is_some() {
            ops.push(Op::set("primed", true));
        }
        for (id, applied, item) in self.items() {
            let row = json!({ "id": id, "applied": applied, "segments": [[applied + 1, applied]], "item": item });
            ops.push(Op::Chat { row: serde_json::from_value::<ChatRow>(row).expect("row of a chat") });
        }
        for (n, entry) in given["outbox"].as_array().into_iter().flatten().enumerate() {
            let entry = self.names.resolve(entry);
            let frame = json!({ "type": "message", "chat_id": entry["chat_id"], "text": entry["text"],
                "request_id": entry["request_id"] });
            let row = json!({ "request_id": entry["request_id"], "chat_id": entry["chat_id"], "created": n + 1,
                "state": "pending", "frame": frame });
            ops.push(Op::Pending { row: serde_json::from_value(row).expect("row of the outbox") });
        }
        self.storage.write(&ops).expect("a store in memory");
    }

    /// The chats of the case: id, cursor, item.
    pub(super) fn items(&self) -> Vec<(String, u64, Value)> {
        let chats = self.names.resolve(&self.given["chats"]);
        let chats = chats.as_object().cloned().unwrap_or_default().into_iter();
        chats
            .map(|(id, mut item)| {
                let applied = item.as_object_mut().and_then(|item| item.remove("applied")).and_then(|seq| seq.as_u64());
                let applied = applied.expect("applied");
                let item = full_item(&json!({ "id": id, "last_seq": applied }), &item);
                (id, applied, item)
            })
            .collect()
    }

    pub(super) fn message(&self, given: &Value) -> Value {
        let seq = given["seq"].as_u64().expect("seq");
        let mut message = json!({
            "id": self.id(&format!("$m{seq}")), "chat_id": given["chat"], "sender_id": self.id("$bob"),
            "text": seq.to_string(), "created_at": TIME, "updated_at": TIME, "seq": seq,
        });
        for (name, value) in given.as_object().expect("object") {
            match name.as_str() {
                "chat" => {}
                "from" => message["sender_id"] = value.clone(),
                name => message[name] = value.clone(),
            }
        }
        message
    }

    pub(super) fn messages(&self, run: &Value) -> Vec<Value> {
        let (from, to) = (run["from"].as_u64().expect("from"), run["to"].as_u64().expect("to"));
        (from..=to).map(|seq| self.message(&json!({ "chat": run["chat"], "seq": seq }))).collect()
    }

    /// The body, which a case may write in short.
    pub(super) fn body(&self, answer: &Value) -> Value {
        let or = |value: &Value, default: Value| if value.is_null() { default } else { value.clone() };
        if let Some(run) = answer.get("events") {
            let event = |message: Value| json!({ "type": "message", "seq": message["seq"], "message": message });
            let events: Vec<_> = self.messages(run).into_iter().map(event).collect();
            return json!({ "events": events, "head_seq": run["head"], "first_seq": or(&run["first"], 1.into()),
                "has_more": or(&run["more"], false.into()) });
        }
        if let Some(run) = answer.get("messages") {
            let messages: Vec<_> = self.messages(run).into_iter().rev().collect();
            return json!({ "messages": messages, "head_seq": run["head"], "first_seq": or(&run["first"], 1.into()),
                "has_previous": run["previous"], "has_next": run["next"] });
        }
        if let Some(items) = answer.get("items") {
            let items: Vec<_> =
                items.as_array().expect("items").iter().map(|item| full_item(&json!({}), item)).collect();
            return json!({ "chats": items, "next": answer["next"] });
        }
        answer["body"].clone()
    }
}

fn full_item(item: &Value, more: &Value) -> Value {
    let mut full = json!({ "type": "direct", "first_seq": 1, "last_seq": 0, "read_seq": 0, "unread_count": 0, "updated_at": TIME });
    for members in [item, more] {
        full.as_object_mut().expect("object").extend(members.as_object().cloned().unwrap_or_default());
    }
    full
}
