//! Edits and deletions over both services, with two instances of notification-service.

mod delivery;
mod faults;
mod late_readers;
mod old_client;
mod reactions;
mod refusals;
mod rich;
mod timed;
mod unread;

use neonchat_testbed::{
    client::{Answer, Socket, User, text},
    harness,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::helpers::Running;

/// A chat of two users. Alice edits and deletes.
struct Stage {
    running: Running,
    database: String,
    alice: User,
    bob: User,
    chat: String,
}

impl Stage {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let database = harness::test_database().await;
        let mut running = Running::start_on(&database, settings).await;
        running.system.add_notification_service().await.expect("start second instance");
        let api = running.system.api();
        let (alice, bob) = (api.any_user().await.expect("register user"), api.any_user().await.expect("register user"));
        let chat = api.chat(&alice, &bob).await.expect("create chat");
        Self { running, database, alice, bob, chat }
    }

    /// Opens a socket on one of the two instances.
    async fn open(&self, instance: usize, user: &User) -> Socket {
        self.running.open(instance, user).await
    }

    async fn call(&self, method: &str, path: &str, user: &User, body: Option<&Value>) -> Answer {
        let path = format!("/api/v1/chats/{}{path}", self.chat);
        self.running.system.api().call(method, &path, Some(&user.token), body).await.expect("receive answer")
    }

    async fn get(&self, path: &str, user: &User) -> Value {
        let answer = self.call("GET", path, user, None).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// Returns the chat as an item of the user's list.
    async fn item(&self, user: &User) -> Value {
        let list = self.running.system.api().get("/api/v1/chats", user).await.expect("receive answer");
        list.body["chats"][0].clone()
    }

    /// Sends a message over REST. Returns its ID.
    async fn send(&self, user: &User, message: &str) -> String {
        let sent = self.call("POST", "/messages", user, Some(&json!({ "text": message }))).await;
        assert_eq!(sent.status, 201, "{sent:?}");
        text(&sent.body["id"]).expect("find ID")
    }

    /// Makes a change over REST.
    async fn change(&self, user: &User, change: &Change) -> Answer {
        let Change { kind, request_id } = change;
        match kind {
            Kind::Edit { message, text } => {
                let body = json!({ "text": text, "request_id": request_id });
                self.call("PATCH", &format!("/messages/{message}"), user, Some(&body)).await
            }
            Kind::Delete { messages } => {
                let body = json!({ "ids": messages, "request_id": request_id });
                self.call("POST", "/messages/delete", user, Some(&body)).await
            }
        }
    }

    /// Makes a change over a socket. Returns its answer. No other frame may arrive before it.
    async fn change_over(&self, socket: &mut Socket, change: &Change) -> Value {
        socket.send(&change.frame(&self.chat)).await.expect("send");
        answer_to(socket, change).await
    }
}

/// Returns the next frame but presence, which must answer the change.
async fn answer_to(socket: &mut Socket, change: &Change) -> Value {
    let answer = next(socket).await;
    assert!(answer["type"] == "ack" || answer["type"] == "error", "{answer}");
    assert_eq!(answer["request_id"], json!(change.request_id), "{answer}");
    answer
}

/// Returns the next frame but presence.
async fn next(socket: &mut Socket) -> Value {
    socket.next_beside_presence().await.expect("receive frame")
}

/// Returns the next frame but presence, which must have this type and `seq`.
async fn event(socket: &mut Socket, kind: &str, seq: i64) -> Value {
    let frame = next(socket).await;
    assert_eq!((&frame["type"], &frame["seq"]), (&json!(kind), &json!(seq)), "{frame}");
    frame
}

/// A change, with its idempotency key.
#[derive(Clone)]
struct Change {
    kind: Kind,
    request_id: Uuid,
}

#[derive(Clone)]
enum Kind {
    Edit { message: String, text: String },
    Delete { messages: Vec<String> },
}

impl Change {
    fn edit(message: &str, text: &str) -> Self {
        Self { kind: Kind::Edit { message: message.to_owned(), text: text.to_owned() }, request_id: Uuid::new_v4() }
    }

    fn delete(messages: &[&str]) -> Self {
        let messages = messages.iter().map(|message| (*message).to_owned()).collect();
        Self { kind: Kind::Delete { messages }, request_id: Uuid::new_v4() }
    }

    fn frame(&self, chat: &str) -> Value {
        match &self.kind {
            Kind::Edit { message, text } => json!({
                "type": "edit", "chat_id": chat, "message_id": message, "text": text, "request_id": self.request_id
            }),
            Kind::Delete { messages } => {
                json!({ "type": "delete", "chat_id": chat, "message_ids": messages, "request_id": self.request_id })
            }
        }
    }

    /// Returns the ack of the change.
    fn ack(&self, chat: &str, seq: Option<i64>, is_duplicate: bool) -> Value {
        json!({
            "type": "ack", "request_id": self.request_id, "chat_id": chat, "seq": seq, "duplicate": is_duplicate
        })
    }
}
