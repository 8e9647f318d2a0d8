//! Receipts over both services, with two instances of notification-service.

mod direct;
mod groups;
mod load;
mod restarts;

use neonchat_testbed::{
    client::{Answer, Socket, User, text},
    harness,
};
use serde_json::{Value, json};
use tokio_postgres::NoTls;

use crate::helpers::Running;

/// A chat, whose first user sends the messages.
struct Stage {
    running: Running,
    database: String,
    users: Vec<User>,
    chat: String,
}

impl Stage {
    async fn start(users: usize) -> Self {
        let database = harness::test_database().await;
        let mut running = Running::start_on(&database, &[]).await;
        running.system.add_notification_service().await.expect("start second instance");
        let mut registered = Vec::new();
        for _ in 0..users {
            registered.push(running.system.api().any_user().await.expect("register user"));
        }
        Self { running, database, users: registered, chat: String::new() }
    }

    /// Starts with the chat of two users.
    async fn direct() -> Self {
        let mut stage = Self::start(2).await;
        let api = stage.running.system.api();
        stage.chat = api.chat(&stage.users[0], &stage.users[1]).await.expect("create chat");
        stage
    }

    /// Starts with a group of these many users, which is as large as one of `members`.
    async fn group(users: usize, members: i32) -> Self {
        let mut stage = Self::start(users).await;
        stage.chat = stage.add_group().await;
        let (client, connection) = tokio_postgres::connect(&stage.database, NoTls).await.expect("connect to Postgres");
        tokio::spawn(connection);
        let resize = "UPDATE chats SET member_count = $1 WHERE id::text = $2";
        client.execute(resize, &[&members, &stage.chat]).await.expect("resize chat");
        stage
    }

    /// Creates a group of all users. Returns its ID.
    async fn add_group(&self) -> String {
        let ids: Vec<_> = self.users[1..].iter().map(|user| &user.id).collect();
        let body = json!({ "type": "group", "title": "Team", "member_ids": ids });
        let created = self.running.system.api().post("/api/v1/chats", &self.users[0], &body).await;
        text(&created.expect("receive answer").body["id"]).expect("find ID")
    }

    /// Opens a socket on one of the two instances.
    async fn open(&self, instance: usize, user: &User) -> Socket {
        self.running.open(instance, user).await
    }

    async fn call(&self, method: &str, path: &str, user: &User, body: Option<Value>) -> Answer {
        let path = format!("/api/v1/chats/{}{path}", self.chat);
        self.running.system.api().call(method, &path, Some(&user.token), body.as_ref()).await.expect("receive answer")
    }

    async fn get(&self, path: &str, user: &User) -> Value {
        let answer = self.call("GET", path, user, None).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// Returns the chat as an item of the user's list.
    async fn item(&self, user: &User) -> Value {
        let list = self.running.system.api().get("/api/v1/chats", user).await.expect("receive answer").body;
        let items = list["chats"].as_array().expect("find list");
        items.iter().find(|item| item["id"] == *self.chat).expect("find chat").clone()
    }

    /// Sends messages to a chat by its first user. Returns their IDs.
    async fn send_to(&self, chat: &str, messages: usize) -> Vec<String> {
        let (path, mut ids) = (format!("/api/v1/chats/{chat}/messages"), Vec::new());
        for _ in 0..messages {
            let sent = self.running.system.api().post(&path, &self.users[0], &json!({ "text": "hello" })).await;
            ids.push(text(&sent.expect("receive answer").body["id"]).expect("find ID"));
        }
        ids
    }

    /// Returns who has read a message.
    async fn seen(&self, message: &str, user: &User) -> Vec<String> {
        let seen = self.get(&format!("/messages/{message}/seen"), user).await;
        seen["seen"].as_array().expect("find list").iter().map(|by| text(&by["user_id"]).expect("find ID")).collect()
    }
}

/// Returns a receipt of a client.
fn receipt(chat: &str, markers: &Value) -> Value {
    let mut frame = markers.clone();
    (frame["type"], frame["chat_id"]) = (json!("receipt"), json!(chat));
    frame
}

async fn send(socket: &mut Socket, chat: &str, markers: Value) {
    socket.send(&receipt(chat, &markers)).await.expect("send frame");
}

/// Returns the next frame but presence.
async fn next(socket: &mut Socket) -> Value {
    socket.next_beside_presence().await.expect("receive frame")
}

/// Receives these many messages.
async fn receive(socket: &mut Socket, messages: usize) {
    for _ in 0..messages {
        socket.expect_beside_presence("new_message").await.expect("receive message");
    }
}
