//! What is expected after a step.

use serde_json::{Map, Value, json};

use super::runner::Runner;

impl Runner {
    pub(super) fn check(&mut self, expected: &Value) -> Result<(), String> {
        let out = self.network.take();
        let lists = [
            ("opened", out.opened),
            ("closed", out.closed),
            ("sent", out.sent),
            ("requests", out.requests),
            ("outbox", std::mem::take(&mut self.outbox)),
            ("events", std::mem::take(&mut self.events)),
        ];
        for (name, list) in lists {
            let wanted = expected.get(name).cloned().unwrap_or_else(|| json!([]));
            let wanted = if name == "events" { with_runs(&wanted) } else { wanted };
            self.names.check(&list.into(), &wanted, name)?;
        }
        for name in ["state", "session", "result", "pending", "chats"] {
            if let Some(wanted) = expected.get(name) {
                let actual = self.actual(name);
                let actual = if name == "state" && wanted.is_string() { actual["state"].clone() } else { actual };
                self.names.check(&actual, wanted, name)?;
            }
        }
        expected.get("store").map_or(Ok(()), |wanted| self.check_store(wanted))
    }

    pub(super) fn actual(&self, name: &str) -> Value {
        match name {
            "state" => serde_json::to_value(self.core.status()).expect("state"),
            "session" => serde_json::to_value(self.core.session()).expect("session"),
            "result" => self.result.clone(),
            "pending" => self.core.outbox().map(|row| json!(row.request_id)).collect(),
            _ => self.core.chats().map(|chat| (chat.id.to_string(), json!(chat))).collect::<Map<_, _>>().into(),
        }
    }

    pub(super) fn check_store(&mut self, wanted: &Value) -> Result<(), String> {
        let saved = self.storage.0.load().expect("a store in memory");
        let chats: Map<_, _> = saved.chats.iter().map(|row| (row.id.to_string(), json!(row))).collect();
        if let Some(wanted) = wanted.get("chats") {
            self.names.check(&chats.into(), wanted, "store.chats")?;
        }
        for (chat, wanted) in wanted["events"].as_object().into_iter().flatten() {
            let id = self.names.key(chat).parse().expect("chat");
            let rows = self.storage.0.events(id, 0..=u64::MAX, usize::MAX, false).expect("a store in memory");
            self.names.check(&json!(rows), wanted, &format!("store.events.{chat}"))?;
        }
        if let Some(wanted) = wanted.get("outbox") {
            let mut rows = saved.outbox;
            rows.sort_by_key(|row| row.created);
            let ids = rows.iter().map(|row| json!(row.request_id)).collect();
            self.names.check(&ids, wanted, "store.outbox")?;
        }
        if let Some(wanted) = wanted.get("session") {
            let session = saved.values.get("session").cloned().unwrap_or_default();
            self.names.check(&session, wanted, "store.session")?;
        }
        Ok(())
    }
}

/// `{"messages": {chat, from, to}}` is a run of messages.
fn with_runs(events: &Value) -> Value {
    let events = events.as_array().expect("list of events").iter();
    events
        .flat_map(|event| {
            let Some(run) = event.get("messages") else { return vec![event.clone()] };
            let (from, to) = (run["from"].as_u64().expect("from"), run["to"].as_u64().expect("to"));
            (from..=to)
                .map(|seq| json!({ "event": "message", "data": { "chat_id": run["chat"], "seq": seq } }))
                .collect()
        })
        .collect()
}
