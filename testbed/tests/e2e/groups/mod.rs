//! Groups and channels over both services, with two instances of notification-service.

mod audience;
mod faults;
mod membership;
mod presence;
mod reactions;
mod recent;
mod resends;

use neonchat_testbed::{
    client::{Answer, Socket, User, text},
    harness,
};
use serde_json::{Value, json};

use crate::helpers::Running;

/// A group or channel: its owner, a member, and a user who is not in it.
struct Stage {
    running: Running,
    owner: User,
    member: User,
    stranger: User,
    chat: String,
}

impl Stage {
    async fn start(kind: &str) -> Self {
        let mut running = Running::start_on(&harness::test_database().await, &[]).await;
        running.system.add_notification_service().await.expect("start second instance");
        let api = running.system.api();
        let user = async || api.any_user().await.expect("register user");
        let (owner, member, stranger) = (user().await, user().await, user().await);
        let body = json!({ "type": kind, "title": "Team", "member_ids": [member.id] });
        let created = api.post("/api/v1/chats", &owner, &body).await.expect("receive answer");
        assert_eq!(created.status, 201, "{created:?}");
        let chat = text(&created.body["id"]).expect("find ID");
        Self { running, owner, member, stranger, chat }
    }

    /// Opens a socket on one of the two instances.
    async fn open(&self, instance: usize, user: &User) -> Socket {
        self.running.open(instance, user).await
    }

    async fn call(&self, method: &str, path: &str, user: &User, body: Option<Value>) -> Answer {
        let path = format!("/api/v1/chats/{}{path}", self.chat);
        self.running.system.api().call(method, &path, Some(&user.token), body.as_ref()).await.expect("receive answer")
    }

    async fn add(&self, user: &User) -> Answer {
        let answer = self.call("POST", "/members", &self.owner, Some(json!({ "user_ids": [user.id] }))).await;
        assert_eq!(answer.body["added"], json!([user.id]), "{answer:?}");
        answer
    }

    async fn kick(&self, user: &User) -> Answer {
        let answer = self.call("POST", "/members/remove", &self.owner, Some(json!({ "user_ids": [user.id] }))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    async fn send(&self, user: &User, message: &str) -> String {
        let sent = self.call("POST", "/messages", user, Some(json!({ "text": message }))).await;
        assert_eq!(sent.status, 201, "{sent:?}");
        text(&sent.body["id"]).expect("find ID")
    }
}

/// Returns the next frame but presence.
async fn next(socket: &mut Socket) -> Value {
    loop {
        let frame = socket.next().await.expect("receive frame");
        if frame["type"] != "presence" {
            return frame;
        }
    }
}

/// Returns the next frame but presence, which must have this type and `seq`.
async fn event(socket: &mut Socket, kind: &str, seq: i64) -> Value {
    let frame = next(socket).await;
    assert_eq!((&frame["type"], &frame["seq"]), (&json!(kind), &json!(seq)), "{frame}");
    frame
}

/// Expects the end of a membership.
async fn removal(socket: &mut Socket, chat: &str, reason: &str) {
    let frame = next(socket).await;
    assert_eq!(frame, json!({ "type": "chat_removed", "chat_id": chat, "reason": reason }));
}

/// Checks that the socket gets nothing before the answer to a ping.
async fn is_silent(socket: &mut Socket) {
    socket.send(&json!({ "type": "ping" })).await.expect("send");
    let frame = next(socket).await;
    assert_eq!(frame["type"], "pong", "{frame}");
}
