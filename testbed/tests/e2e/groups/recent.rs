//! Catch-up from the memory of an instance.

use neonchat_testbed::{
    client::{Api, Socket, User},
    harness,
    redis::{Persistence, Redis},
    system::{Ports, System},
};
use serde_json::{Value, json};

use super::event;
use crate::helpers::{QUICK, metric};

/// Sends a cursor, and returns the frames of events up to `synced`.
async fn sync(socket: &mut Socket, chat: &str, cursor: i64) -> Vec<Value> {
    socket.send(&json!({ "type": "sync", "cursors": { chat: cursor } })).await.expect("send");
    let mut frames = Vec::new();
    loop {
        let frame = socket.next_beside_presence().await.expect("receive frame");
        if frame["type"] == "synced" {
            assert_eq!(frame["chats"][0]["complete"], true, "{frame}");
            return frames;
        }
        frames.push(frame);
    }
}

async fn send(api: &Api, chat: &str, user: &User, message: &str) -> Value {
    let body = json!({ "text": message });
    let sent = api.post(&format!("/api/v1/chats/{chat}/messages"), user, &body).await.expect("receive answer");
    assert_eq!(sent.status, 201, "{sent:?}");
    sent.body["id"].clone()
}

/// The instance has the messages in memory. It does not learn of the deletion, because Redis is away.
#[tokio::test(flavor = "multi_thread")]
async fn memory_answers_but_never_with_what_was_deleted() {
    let folder = tempfile::tempdir().expect("create directory");
    let redis = Redis::start(&folder.path().join("redis"), None, Persistence::None).await.expect("start Redis");
    let (database, url) = (harness::test_database().await, redis.url());
    let mut settings = vec![("DATABASE_URL", &*database), ("REDIS_URL", &*url)];
    settings.extend(QUICK);
    let ports = Ports::reserve().expect("reserve ports");
    let system = System::start(folder.path(), ports, &settings).await.expect("start both services");
    let api = system.api();
    let user = async || api.any_user().await.expect("register user");
    let (owner, member) = (user().await, user().await);
    let body = json!({ "type": "group", "title": "Team", "member_ids": [member.id] });
    let created = api.post("/api/v1/chats", &owner, &body).await.expect("receive answer");
    let chat = created.body["id"].as_str().expect("find ID");
    let open = async |user| Socket::open(&system.websocket(), user, None).await.expect("open socket");

    let mut owners = open(&owner).await;
    let mut messages = Vec::new();
    for seq in 1..=3 {
        messages.push(send(&api, chat, &member, &format!("text {seq}")).await);
        event(&mut owners, "new_message", seq).await;
    }
    let (mut away, mut late) = (open(&owner).await, open(&owner).await);
    let texts = |frames: &[Value]| frames.iter().map(|frame| frame["message"]["text"].clone()).collect::<Vec<_>>();
    assert_eq!(texts(&sync(&mut away, chat, 1).await), ["text 2", "text 3"]);
    let from_memory = async || metric(&system, r#"catch_up_pages_total{source="memory"}"#).await;
    assert_eq!(from_memory().await.to_string(), "1");

    redis.stop().await.expect("stop Redis");
    let path = format!("/api/v1/chats/{chat}/messages/{}", messages[1].as_str().expect("find ID"));
    let deleted = api.call("DELETE", &path, Some(&member.token), None).await.expect("receive answer");
    assert_eq!(deleted.body["seq"], 4, "{deleted:?}");
    let frames = sync(&mut late, chat, 1).await;
    assert_eq!(texts(&frames)[..2], ["", "text 3"], "{frames:?}");
    assert_eq!(frames[0]["message"]["deleted"], true, "{frames:?}");
}
