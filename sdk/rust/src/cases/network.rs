//! A server that only does what a case says, and what the client has done to it.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use crate::core::Request;

/// What the client did since the last look.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    pub(super) opened: Vec<Value>,
    pub(super) closed: Vec<Value>,
    pub(super) sent: Vec<Value>,
    pub(super) requests: Vec<Value>,
}

/// Sockets, and requests that wait for an answer.
#[derive(Debug, Default)]
pub(super) struct Network {
    out: Outputs,
    /// The attempts whose sockets are there.
    pub(super) sockets: Vec<u64>,
    pub(super) waiting: VecDeque<u64>,
}

impl Network {
    pub(super) fn open(&mut self, attempt: u64, token: &str) {
        let url = crate::driver::websocket_url("http://chat.test:8080");
        self.sockets.push(attempt);
        self.out.opened.push(json!({ "url": url, "protocol": crate::driver::PROTOCOL, "token": token }));
    }

    pub(super) fn close(&mut self, code: u16) {
        self.out.closed.push(code.into());
        self.sockets.pop();
    }

    pub(super) fn send(&mut self, text: &str) {
        self.out.sent.push(serde_json::from_str(text).expect("a frame is JSON"));
    }

    pub(super) fn request(&mut self, id: u64, request: &Request, token: Option<&str>, cookie: bool) {
        let query: Map<_, _> = request.query.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let mut output = json!({ "method": request.method, "path": request.path, "token": token, "cookie": cookie });
        if !query.is_empty() {
            output["query"] = query.into();
        }
        if let Some(body) = &request.body {
            output["body"] = body.clone();
        }
        self.out.requests.push(output);
        self.waiting.push_back(id);
    }

    pub(super) fn take(&mut self) -> Outputs {
        std::mem::take(&mut self.out)
    }
}
