//! What happens in a step.

use serde_json::Value;

use super::runner::{Full, Runner};
use crate::{
    ChatId, Login, MemoryStore, MessageId, RequestId, Store,
    client::outgoing::{self, Target, Text},
    core::{Answer, Call, Change, Input, PageQuery, Request},
};

impl Runner {
    /// What happens.
    pub(super) fn act(&mut self, action: &Value) {
        let action = self.names.resolve(action);
        let (input, value) = action
            .as_object()
            .and_then(|action| {
                let names = [
                    "call",
                    "socket",
                    "frame",
                    "text",
                    "message",
                    "messages",
                    "answer",
                    "advance",
                    "sleep",
                    "environment",
                    "restart",
                    "store",
                ];
                names.into_iter().find_map(|name| Some((name, action.get(name)?)))
            })
            .unwrap_or_else(|| panic!("unknown input: {action}"));
        match input {
            "call" => self.act_call(value.as_str().expect("name of a call"), &action["args"]),
            "socket" if value == "open" => self.socket(Input::Opened),
            "socket" => {
                let code = action["code"].as_u64().unwrap_or(1006).try_into().expect("close code");
                let reason = action["reason"].as_str().unwrap_or_default().to_owned();
                self.socket(|attempt| Input::Closed(attempt, code, reason));
            }
            "frame" => self.frame(value),
            "text" => {
                let text = value.as_str().expect("text").to_owned();
                self.socket(|attempt| Input::Text(attempt, text));
            }
            "message" => self.new_message(&self.message(value)),
            "messages" => self.messages(value).iter().for_each(|message| self.new_message(message)),
            "answer" => self.answer(value),
            "advance" => self.advance(value.as_u64().expect("milliseconds")),
            "sleep" => self.time.wall += value.as_u64().expect("milliseconds"),
            "environment" => {
                let change = match value.as_str() {
                    Some("online") => Change::Online,
                    Some("offline") => Change::Offline,
                    Some("visible") => Change::Visible,
                    Some("hidden") => Change::Hidden,
                    _ => panic!("unknown environment: {value}"),
                };
                self.handle(Input::Change(change));
            }
            "restart" => {
                self.call(Call::Stop);
                self.drop_outputs();
                self.restart();
            }
            _ => {
                let empty: Box<dyn Store> = Box::new(MemoryStore::new());
                self.storage.0 = Box::new(Full(std::mem::replace(&mut self.storage.0, empty)));
            }
        }
    }

    pub(super) fn act_call(&mut self, name: &str, args: &Value) {
        self.result = Value::Null;
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let chat = || serde_json::from_value::<ChatId>(args[0].clone()).expect("chat");
        let request_of =
            |value: &Value| serde_json::from_value::<Option<RequestId>>(value["request_id"].clone()).expect("id");
        let content = |value: &Value| serde_json::from_value::<Text>(value.clone()).expect("content of a message");
        let pending = match name {
            "send" => outgoing::message(chat(), &content(&args[1])),
            "edit" => outgoing::edit(chat(), target(&args[1]), &content(&args[2])),
            "delete" => {
                let targets: Vec<_> = args[1].as_array().expect("messages").iter().map(target).collect();
                outgoing::delete(chat(), &targets, request_of(&args[2]))
            }
            "react" => {
                let emoji = text(&args[2]);
                outgoing::react(chat(), target(&args[1]).id, &emoji, true, request_of(&args[3]))
            }
            _ => return self.act_other_call(name, args),
        };
        self.sends.insert(self.calls + 1);
        self.call(Call::Send(Box::new(pending.expect("small enough"))));
    }

    pub(super) fn act_other_call(&mut self, name: &str, args: &Value) {
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let chat = || serde_json::from_value::<ChatId>(args[0].clone()).expect("chat");
        let request = || serde_json::from_value::<RequestId>(args[0].clone()).expect("request id");
        match name {
            "start" => drop(self.call(Call::Start)),
            "stop" => drop(self.call(Call::Stop)),
            "login" => {
                let mut login = Login::new(text(&args[0]["username"]), text(&args[0]["password"]));
                if let Some(name) = args[0]["device_name"].as_str() {
                    login = login.device_name(name);
                }
                self.call_for_result(Call::Login { login, cookie: args[0]["cookie"] == true });
            }
            "logout" => self.call_for_result(Call::Logout),
            "read" => drop(self.call(Call::Read(chat(), args[1].as_u64().expect("seq")))),
            "typing" => drop(self.call(Call::Typing(chat(), args[1] == true))),
            "presence" => drop(self.call(Call::Presence(if args[0] == "away" { "away" } else { "online" }))),
            "draft" => drop(self.call(Call::Draft(chat(), text(&args[1]), None))),
            "page" => {
                let number = |name: &str| args[1][name].as_u64();
                let limit = number("limit").unwrap_or(50).try_into().expect("limit");
                let (before, after, around) = (number("before"), number("after"), number("around"));
                self.call_for_result(Call::Page(chat(), PageQuery { before, after, around, limit }));
            }
            "retry" => self.call_for_result(Call::Retry(request())),
            "cancel" => self.call_for_result(Call::Cancel(request())),
            "get" => self.call_for_result(Call::Request(Request::new("GET", text(&args[0])))),
            _ => panic!("unknown call: {name}"),
        }
    }

    /// Answers the oldest request that waits.
    pub(super) fn answer(&mut self, answer: &Value) {
        let id = self.network.waiting.pop_front().expect("a request that waits");
        if answer == "network_error" {
            return self.handle(Input::Answer(id, Err("fetch failed".to_owned())));
        }
        let status = answer["status"].as_u64().unwrap_or(200).try_into().expect("status");
        let retry_after =
            answer["headers"]["Retry-After"].as_str().map(|seconds| seconds.parse::<u64>().expect("seconds"));
        let body = self.body(answer);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let retry_after_ms = retry_after.map(|seconds| seconds * 1000);
        self.handle(Input::Answer(id, Ok(Answer { status, retry_after_ms, body })));
    }

    pub(super) fn advance(&mut self, ms: u64) {
        let end = self.time.elapsed + ms;
        while let Some(due) = self.core.next_timer().filter(|due| *due <= end) {
            let passed = due.saturating_sub(self.time.elapsed);
            self.time.elapsed += passed;
            self.time.wall += passed;
            self.handle(Input::Tick);
        }
        self.time.wall += end - self.time.elapsed;
        self.time.elapsed = end;
    }
}

fn target(message: &Value) -> Target {
    let id: MessageId = serde_json::from_value(message["id"].clone()).expect("message id");
    Target { id, seq: message["seq"].as_u64() }
}
