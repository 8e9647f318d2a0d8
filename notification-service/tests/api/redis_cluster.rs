//! Redis Cluster, where each channel and each key belongs to a node, and Sentinel. Typing shows that Pub/Sub works,
//! because it is not stored.

use std::time::Duration;

use neonchat_testbed::{
    client::{Socket, User},
    redis::{cluster::RedisCluster, sentinel::Watched},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::helpers::{Notification, TestApp};

/// Enough chats that their channels are almost certainly on all nodes.
const CHATS: usize = 12;

/// How long a failover may take until all clients know the new master.
const FAILOVER_TIMEOUT: Duration = Duration::from_mins(1);

/// Two instances with one member of a chat on each.
struct Fixture {
    app: TestApp,
    other: Notification,
    alices: Socket,
    bobs: Socket,
    bob: User,
    chat: String,
}

impl Fixture {
    async fn start(redis_url: &str) -> Self {
        let app = TestApp::start_with(redis_url, &[]).await;
        let other = app.another().await;
        let (alice, bob, chat) = app.two_users().await;
        let alices = app.socket(&alice).await;
        let bobs = Socket::open(&other.websocket, &bob, None).await.expect("open socket");
        let mut fixture = Self { app, other, alices, bobs, bob, chat };
        fixture.until_typing_arrives().await;
        fixture
    }

    /// Sends typing as Alice until Bob receives it. Returns the messages that Bob received before.
    async fn until_typing_arrives(&mut self) -> Vec<Value> {
        let typing = json!({ "type": "typing", "chat_id": self.chat, "is_typing": true });
        let mut messages = Vec::new();
        let seen = async {
            loop {
                self.alices.send(&typing).await.expect("send");
                while let Ok(received) = timeout(Duration::from_millis(200), self.bobs.receive()).await {
                    let Message::Text(frame) = received.expect("receive frame") else { continue };
                    let frame: Value = serde_json::from_str(&frame).expect("convert JSON");
                    match frame["type"].as_str() {
                        Some("typing") if frame["is_typing"] == true => return,
                        Some("new_message") => messages.push(frame),
                        _ => {}
                    }
                }
            }
        };
        timeout(FAILOVER_TIMEOUT, seen).await.expect("see typing");
        messages
    }

    /// Returns Bob's next frame of this type. Skips typing and presence.
    async fn receive_as_bob(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.bobs.next().await.expect("receive frame");
            if frame["type"] == kind {
                return frame;
            }
            assert!(frame["type"] == "typing" || frame["type"] == "presence", "{kind} was expected, and {frame} came");
        }
    }

    /// Sends messages during a failover and checks that all of them arrive in order afterwards.
    async fn survives_failover(mut self, failover: impl AsyncFnOnce()) {
        for seq in 1..=3 {
            let ack = self.alices.send_message(&self.chat, "before").await.expect("receive ack");
            assert_eq!((&ack["status"], &ack["seq"]), (&json!("delivered"), &json!(seq)));
        }
        failover().await;
        for seq in 4..=6 {
            let ack = self.alices.send_message(&self.chat, "meanwhile").await.expect("receive ack");
            assert_eq!(ack["seq"], seq);
        }
        let mut messages = self.until_typing_arrives().await;
        let ack = self.alices.send_message(&self.chat, "after").await.expect("receive ack");
        assert_eq!((&ack["status"], &ack["seq"]), (&json!("delivered"), &json!(7)));
        while messages.len() < 7 {
            messages.push(self.receive_as_bob("new_message").await);
        }
        let seqs: Vec<_> = messages.iter().map(|message| message["seq"].as_u64().expect("read seq")).collect();
        assert_eq!(seqs, [1, 2, 3, 4, 5, 6, 7]);

        // Presence keys and the publications of chat-service work as well.
        self.alices.send(&json!({ "type": "presence", "status": "away" })).await.expect("send");
        while self.receive_as_bob("presence").await["event"] != "user_away" {}
        let carol = self.app.api.any_user().await.expect("register user");
        self.app.api.chat(&carol, &self.bob).await.expect("create chat");
        self.receive_as_bob("chat_created").await;
    }
}

async fn cluster() -> (RedisCluster, TempDir) {
    let folder = tempfile::tempdir().expect("create directory");
    let cluster = RedisCluster::start(folder.path()).await.expect("start cluster");
    (cluster, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_carries_messages_typing_presence_new_chats_and_logouts() {
    let (cluster, _folder) = cluster().await;
    let mut fixture = Fixture::start(&cluster.url()).await;
    for _ in 0..CHATS {
        let user = fixture.app.api.any_user().await.expect("register user");
        let chat = fixture.app.api.chat(&user, &fixture.bob).await.expect("create chat");
        assert_eq!(fixture.receive_as_bob("chat_created").await["chat"]["id"], *chat);
        let mut socket = fixture.app.socket(&user).await;
        let presence = fixture.receive_as_bob("presence").await;
        assert_eq!((&presence["event"], &presence["user_id"]), (&json!("user_online"), &json!(user.id)));

        let ack = socket.send_message(&chat, "x").await.expect("receive ack");
        assert_eq!(ack["status"], "delivered");
        assert_eq!(fixture.receive_as_bob("new_message").await["chat_id"], *chat);
        socket.send(&json!({ "type": "typing", "chat_id": chat, "is_typing": true })).await.expect("send");
        while fixture.receive_as_bob("typing").await["chat_id"] != *chat {}

        socket.close().await.expect("close socket");
        let presence = fixture.receive_as_bob("presence").await;
        assert_eq!((&presence["event"], &presence["user_id"]), (&json!("user_offline"), &json!(user.id)));
    }
    // Each master has some of the channels, and plain Pub/Sub has none.
    let counts = cluster.subscriptions().await.expect("count subscriptions");
    assert!(counts.sharded.iter().all(|count| *count > 0), "{counts:?}");
    assert_eq!(counts.plain, 0, "{counts:?}");

    let token = Some(fixture.bob.token.as_str());
    assert_eq!(fixture.app.api.call("POST", "/api/v1/auth/logout", token, None).await.expect("call API").status, 204);
    assert_eq!(fixture.bobs.closed().await.expect("receive close frame").1, 4004);
    fixture.other.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_when_cluster_master_is_killed() {
    let (mut cluster, _folder) = cluster().await;
    let fixture = Fixture::start(&cluster.url()).await;
    let channel = format!("chat:{}", fixture.chat);
    let before = cluster.master_of(&channel).await.expect("find master");
    fixture.survives_failover(async || cluster.kill_master_of(&channel).await.expect("kill process")).await;
    assert_ne!(cluster.master_of(&channel).await.expect("find master"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_when_slot_moves_or_master_fails_over() {
    let (cluster, _folder) = cluster().await;
    let mut fixture = Fixture::start(&cluster.url()).await;
    let channel = format!("chat:{}", fixture.chat);
    cluster.move_slot_of(&channel).await.expect("move slot");
    assert!(fixture.until_typing_arrives().await.is_empty());
    fixture.survives_failover(async || cluster.fail_over(&channel).await.expect("fail over")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_when_sentinel_replaces_master() {
    let folder = tempfile::tempdir().expect("create directory");
    let mut watched = Watched::start(folder.path()).await.expect("start Sentinels");
    let mut fixture = Fixture::start(&watched.url()).await;
    watched.fail_over().await.expect("fail over");
    assert!(fixture.until_typing_arrives().await.is_empty());
    watched.until_replica().await.expect("find replica");
    fixture.survives_failover(async || watched.kill_master().await.expect("fail over")).await;
}
