//! Members of groups and channels who are added, removed and leave while they are connected.

use neonchat_testbed::{
    client::{Api, Socket, User},
    harness::until,
    redis::{Persistence, Redis},
};
use serde_json::{Value, json};

use crate::helpers::TestApp;

/// A group or channel of alice, who owns it, and bob.
struct Group {
    alice: User,
    bob: User,
    chat: String,
}

impl Group {
    async fn new(api: &Api, kind: &str) -> Self {
        let (alice, bob) = (api.any_user().await.expect("register user"), api.any_user().await.expect("register user"));
        let body = json!({ "type": kind, "title": "Team", "member_ids": [bob.id] });
        let created = api.post("/api/v1/chats", &alice, &body).await.expect("call API");
        assert_eq!(created.status, 201, "{created:?}");
        let chat = created.body["id"].as_str().expect("read id").to_owned();
        Self { alice, bob, chat }
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/v1/chats/{}{rest}", self.chat)
    }

    /// Calls the API as the owner. Returns the `seq` of the event.
    async fn change(&self, api: &Api, path: &str, body: Value) -> i64 {
        let answer = api.post(&self.path(path), &self.alice, &body).await.expect("call API");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["seq"].as_i64().expect("read seq")
    }

    async fn kick(&self, api: &Api) -> i64 {
        self.change(api, "/members/remove", json!({ "user_ids": [self.bob.id] })).await
    }

    async fn add(&self, api: &Api, user: &User) -> i64 {
        self.change(api, "/members", json!({ "user_ids": [user.id] })).await
    }

    async fn patch(&self, api: &Api, path: &str, body: Value) {
        let answer = api.call("PATCH", &self.path(path), Some(&self.alice.token), Some(&body)).await.expect("call API");
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    async fn leave(&self, api: &Api) {
        let path = self.path("/members/me");
        let answer = api.call("DELETE", &path, Some(&self.bob.token), None).await.expect("call API");
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    fn removed(&self, reason: &str) -> Value {
        json!({ "type": "chat_removed", "chat_id": self.chat, "reason": reason })
    }

    /// Expects the event that removes bob, and then `chat_removed`.
    async fn expect_kick(&self, socket: &mut Socket, seq: i64) {
        let event = socket.expect_beside_presence("members_removed").await.expect("receive event");
        assert_eq!((&event["seq"], &event["user_ids"]), (&json!(seq), &json!([self.bob.id])), "{event}");
        let removed = socket.expect_beside_presence("chat_removed").await.expect("receive chat_removed");
        assert_eq!(removed, self.removed("kicked"));
    }
}

async fn open(websocket: &str, user: &User) -> Socket {
    Socket::open(websocket, user, None).await.expect("open socket")
}

#[tokio::test(flavor = "multi_thread")]
async fn kicked_member_gets_nothing_after_the_kick_on_any_instance() {
    let app = TestApp::start().await;
    let other = app.another().await;
    let group = Group::new(&app.api, "group").await;
    let mut alices = app.socket(&group.alice).await;
    let mut bobs = [app.socket(&group.bob).await, open(&other.websocket, &group.bob).await];
    let mut scoped = Socket::open(&other.websocket, &group.bob, Some(&group.chat)).await.expect("open socket");
    alices.send_message(&group.chat, "before").await.expect("receive ack");
    let seq = group.kick(&app.api).await;
    alices.expect_beside_presence("members_removed").await.expect("receive event");
    alices.send_message(&group.chat, "after").await.expect("receive ack");

    for socket in &mut bobs {
        socket.expect_beside_presence("new_message").await.expect("receive message");
        group.expect_kick(socket, seq).await;
        let message = json!({ "type": "message", "chat_id": group.chat, "text": "x" });
        socket.send(&message).await.expect("send");
        let error = socket.expect_beside_presence("error").await.expect("receive error");
        assert_eq!(error["code"], "not_found", "{error}");
        socket.expect_quiet().await.expect("receive pong");
    }
    let (frames, code) = scoped.closed().await.expect("receive close frame");
    assert_eq!((frames.last(), code), (Some(&group.removed("kicked")), 4003), "{frames:?}");
    let refused = Socket::open(&other.websocket, &group.bob, Some(&group.chat)).await;
    assert!(refused.is_err(), "the chat does not exist for bob");

    // Bob is added again, and gets what follows.
    let joined = group.add(&app.api, &group.bob).await;
    for socket in &mut bobs {
        let created = socket.expect_beside_presence("chat_created").await.expect("receive announcement");
        assert_eq!((&created["chat"]["id"], &created["chat"]["last_seq"]), (&json!(group.chat), &json!(joined)));
    }
    alices.expect_beside_presence("members_added").await.expect("receive event");
    alices.send_message(&group.chat, "again").await.expect("receive ack");
    for socket in &mut bobs {
        let message = socket.expect_beside_presence("new_message").await.expect("receive message");
        assert_eq!((&message["seq"], &message["message"]["text"]), (&json!(joined + 1), &json!("again")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kick_while_redis_is_away_is_applied_before_later_messages() {
    let folder = tempfile::tempdir().expect("create directory");
    let redis = Redis::start(folder.path(), None, Persistence::None).await.expect("start Redis");
    let (url, port) = (redis.url(), redis.port());
    let app = TestApp::start_with(&url, &[]).await;
    let other = app.another().await;
    let group = Group::new(&app.api, "group").await;
    let carol = app.api.any_user().await.expect("register user");
    group.add(&app.api, &carol).await;
    let mut alices = app.socket(&group.alice).await;
    let mut bobs = [app.socket(&group.bob).await, open(&other.websocket, &group.bob).await];
    let mut carols = open(&other.websocket, &carol).await;

    redis.stop().await.expect("stop process");
    let seq = group.kick(&app.api).await;
    // The same instance delivers the message at once, so it has to find the kick before it.
    alices.send_message(&group.chat, "after").await.expect("receive ack");
    group.expect_kick(&mut bobs[0], seq).await;
    bobs[0].expect_quiet().await.expect("receive pong");

    let _redis = Redis::start(folder.path(), Some(port), Persistence::None).await.expect("start Redis");
    group.expect_kick(&mut bobs[1], seq).await;
    for kind in ["members_removed", "new_message"] {
        carols.expect_beside_presence(kind).await.expect("receive event");
    }
    bobs[1].expect_quiet().await.expect("receive pong");
}

/// Sockets of three members. Alice may always send.
struct Typists {
    alices: Socket,
    bobs: Socket,
    carols: Socket,
}

impl Typists {
    /// Begins or ends typing on a socket and waits until its instance has handled the frame.
    async fn send(socket: &mut Socket, chat: &str, is_typing: bool) {
        let typing = json!({ "type": "typing", "chat_id": chat, "is_typing": is_typing });
        for frame in [typing, json!({ "type": "ping" })] {
            socket.send(&frame).await.expect("send");
        }
        while socket.next().await.expect("receive pong")["type"] != "pong" {}
    }

    /// Receives carol's frames until `user` begins or ends typing. Returns whether another user did before.
    async fn receive(&mut self, user: &User, is_typing: bool) -> bool {
        let mut is_other_seen = false;
        loop {
            let frame = self.carols.expect_beside_presence("typing").await.expect("receive typing");
            if (&frame["user_id"], &frame["is_typing"]) == (&json!(user.id), &json!(is_typing)) {
                return is_other_seen;
            }
            is_other_seen |= frame["user_id"] != *user.id;
        }
    }

    /// Returns whether typing of bob is forwarded to carol. Alice begins after bob, so what is forwarded of him precedes her end.
    async fn forwards_typing_of_bob(&mut self, group: &Group) -> bool {
        Self::send(&mut self.bobs, &group.chat, true).await;
        let mut is_forwarded = false;
        for is_typing in [true, false] {
            Self::send(&mut self.alices, &group.chat, is_typing).await;
            is_forwarded |= self.receive(&group.alice, is_typing).await;
        }
        Self::send(&mut self.bobs, &group.chat, false).await;
        if is_forwarded {
            self.receive(&group.bob, false).await;
        }
        is_forwarded
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_of_a_member_who_may_not_send_is_not_forwarded() {
    let app = TestApp::start().await;
    let other = app.another().await;
    let group = Group::new(&app.api, "group").await;
    let carol = app.api.any_user().await.expect("register user");
    group.add(&app.api, &carol).await;
    let (alices, bobs) = (app.socket(&group.alice).await, app.socket(&group.bob).await);
    let carols = open(&other.websocket, &carol).await;
    let mut typists = Typists { alices, bobs, carols };
    // After this message both instances are subscribed.
    typists.alices.send_message(&group.chat, "x").await.expect("receive ack");
    typists.carols.expect_beside_presence("new_message").await.expect("receive message");

    let restricted_until = |until: Value| json!({ "restricted_until": until });
    let send = |role: &str| json!({ "settings": { "send": role } });
    let member = format!("/members/{}", group.bob.id);
    for (path, body, event, is_forwarded) in [
        (&*member, restricted_until(json!("2999-01-01T00:00:00Z")), "member_changed", false),
        (&*member, restricted_until(json!(null)), "member_changed", true),
        ("", send("admin"), "chat_updated", false),
        ("", send("member"), "chat_updated", true),
    ] {
        group.patch(&app.api, path, body.clone()).await;
        typists.carols.expect_beside_presence(event).await.expect("receive event");
        // The instance of bob asks chat-service for his rights after the event.
        let what = format!("typing is forwarded: {is_forwarded}, after {body}");
        until(&what, async || typists.forwards_typing_of_bob(&group).await == is_forwarded).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_a_large_chat_makes_no_event() {
    let app = TestApp::start().await;
    let other = app.another().await;
    let group = Group::new(&app.api, "channel").await;
    let (mut alices, mut bobs) = (app.socket(&group.alice).await, open(&other.websocket, &group.bob).await);
    group.leave(&app.api).await;
    let removed = bobs.expect_beside_presence("chat_removed").await.expect("receive chat_removed");
    assert_eq!(removed, group.removed("left"));
    let ack = alices.send_message(&group.chat, "after").await.expect("receive ack");
    assert_eq!(ack["seq"], 1);
    bobs.expect_quiet().await.expect("receive pong");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_departure_from_a_large_chat_is_found() {
    let nowhere = format!("redis://127.0.0.1:{}/0", neonchat_testbed::port::reserve().expect("reserve port"));
    let app = TestApp::start_with(&nowhere, &[]).await;
    let group = Group::new(&app.api, "channel").await;
    let mut bobs = app.socket(&group.bob).await;
    group.leave(&app.api).await;
    let removed = bobs.expect_beside_presence("chat_removed").await.expect("resync");
    assert_eq!(removed, group.removed("gone"));
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_after_a_kick_tells_that_the_chat_is_gone() {
    let app = TestApp::start().await;
    let group = Group::new(&app.api, "group").await;
    let mut alices = app.socket(&group.alice).await;
    alices.send_message(&group.chat, "before").await.expect("receive ack");
    group.kick(&app.api).await;
    alices.expect_beside_presence("members_removed").await.expect("receive event");
    let mut bobs = app.socket(&group.bob).await;
    let sync = json!({ "type": "sync", "cursors": { &group.chat: 1 } });
    bobs.send(&sync).await.expect("send");
    let removed = bobs.expect_beside_presence("chat_removed").await.expect("receive chat_removed");
    assert_eq!(removed, group.removed("gone"));
    let synced = bobs.expect_beside_presence("synced").await.expect("receive synced");
    assert_eq!(synced["chats"], json!([]));

    // After joining again, what came before does not exist.
    let joined = group.add(&app.api, &group.bob).await;
    alices.expect_beside_presence("members_added").await.expect("receive event");
    alices.send_message(&group.chat, "again").await.expect("receive ack");
    let mut again = app.socket(&group.bob).await;
    again.send(&sync).await.expect("send");
    for (kind, seq) in [("members_added", joined), ("new_message", joined + 1)] {
        assert_eq!(again.expect_beside_presence(kind).await.expect("receive event")["seq"], seq);
    }
    let synced = again.expect_beside_presence("synced").await.expect("receive synced");
    let expected = json!([{ "chat_id": group.chat, "first_seq": joined, "head_seq": joined + 1, "complete": true }]);
    assert_eq!(synced["chats"], expected);
}
