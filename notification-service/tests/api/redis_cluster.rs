//! On a Redis Cluster, where each channel and each key has its node, and behind Sentinel. What is not stored, such as
//! typing, goes by Pub/Sub alone, and so shows that it works.

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

/// So many chats that their channels are on all nodes, all but certainly.
const CHATS: usize = 12;

/// The longest that it takes until another node has taken over and everybody knows.
const TAKEOVER_LIMIT: Duration = Duration::from_mins(1);

/// Two instances, a chat, and a member of it on each.
struct Stage {
    app: TestApp,
    other: Notification,
    alices: Socket,
    bobs: Socket,
    bob: User,
    chat: String,
}

impl Stage {
    async fn set(redis_url: &str) -> Self {
        let app = TestApp::start_with(redis_url, &[]).await;
        let other = app.another().await;
        let (alice, bob, chat) = app.two_users().await;
        let alices = app.socket(&alice).await;
        let bobs = Socket::open(&other.websocket, &bob, None).await.expect("a socket");
        let mut stage = Self { app, other, alices, bobs, bob, chat };
        stage.until_seen().await;
        stage
    }

    /// Lets Alice type until Bob sees it. Returns the messages that he got before.
    async fn until_seen(&mut self) -> Vec<Value> {
        let typing = json!({ "type": "typing", "chat_id": self.chat, "is_typing": true });
        let mut messages = Vec::new();
        let seen = async {
            loop {
                self.alices.send(&typing).await.expect("sent");
                while let Ok(received) = timeout(Duration::from_millis(200), self.bobs.receive()).await {
                    let Message::Text(frame) = received.expect("a frame") else { continue };
                    let frame: Value = serde_json::from_str(&frame).expect("JSON");
                    match frame["type"].as_str() {
                        Some("typing") if frame["is_typing"] == true => return,
                        Some("new_message") => messages.push(frame),
                        _ => {}
                    }
                }
            }
        };
        timeout(TAKEOVER_LIMIT, seen).await.expect("typing is seen");
        messages
    }

    /// The next frame of this type that Bob gets, beside what may come at any time.
    async fn bob_gets(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.bobs.next().await.expect("a frame");
            if frame["type"] == kind {
                return frame;
            }
            assert!(frame["type"] == "typing" || frame["type"] == "presence", "{kind} was expected, and {frame} came");
        }
    }

    /// Sends messages while a master is away, and shows that all of them come, in order, when there is another one.
    async fn survives(mut self, takeover: impl AsyncFnOnce()) {
        for seq in 1..=3 {
            let ack = self.alices.send_message(&self.chat, "before").await.expect("an ack");
            assert_eq!((&ack["status"], &ack["seq"]), (&json!("delivered"), &json!(seq)));
        }
        takeover().await;
        for seq in 4..=6 {
            let ack = self.alices.send_message(&self.chat, "meanwhile").await.expect("an ack");
            assert_eq!(ack["seq"], seq);
        }
        let mut messages = self.until_seen().await;
        let ack = self.alices.send_message(&self.chat, "after").await.expect("an ack");
        assert_eq!((&ack["status"], &ack["seq"]), (&json!("delivered"), &json!(7)));
        while messages.len() < 7 {
            messages.push(self.bob_gets("new_message").await);
        }
        let seqs: Vec<_> = messages.iter().map(|message| message["seq"].as_u64().expect("a number")).collect();
        assert_eq!(seqs, [1, 2, 3, 4, 5, 6, 7]);

        // The keys are there too, and what chat-service publishes.
        self.alices.send(&json!({ "type": "presence", "status": "away" })).await.expect("sent");
        while self.bob_gets("presence").await["event"] != "user_away" {}
        let carol = self.app.api.any_user().await.expect("a user");
        self.app.api.chat(&carol, &self.bob).await.expect("a chat");
        self.bob_gets("chat_created").await;
    }
}

async fn cluster() -> (RedisCluster, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = RedisCluster::start(folder.path()).await.expect("a cluster");
    (cluster, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_carries_messages_typing_presence_new_chats_and_logouts() {
    let (cluster, _folder) = cluster().await;
    let mut stage = Stage::set(&cluster.url()).await;
    for _ in 0..CHATS {
        let user = stage.app.api.any_user().await.expect("a user");
        let chat = stage.app.api.chat(&user, &stage.bob).await.expect("a chat");
        assert_eq!(stage.bob_gets("chat_created").await["chat"]["id"], *chat);
        let mut socket = stage.app.socket(&user).await;
        let presence = stage.bob_gets("presence").await;
        assert_eq!((&presence["event"], &presence["user_id"]), (&json!("user_online"), &json!(user.id)));

        let ack = socket.send_message(&chat, "x").await.expect("an ack");
        assert_eq!(ack["status"], "delivered");
        assert_eq!(stage.bob_gets("new_message").await["chat_id"], *chat);
        socket.send(&json!({ "type": "typing", "chat_id": chat, "is_typing": true })).await.expect("sent");
        while stage.bob_gets("typing").await["chat_id"] != *chat {}

        socket.close().await.expect("closed");
        let presence = stage.bob_gets("presence").await;
        assert_eq!((&presence["event"], &presence["user_id"]), (&json!("user_offline"), &json!(user.id)));
    }
    // Each master has its share of the channels, and plain Pub/Sub none.
    let counts = cluster.subscriptions().await.expect("counts");
    assert!(counts.sharded.iter().all(|count| *count > 0), "{counts:?}");
    assert_eq!(counts.plain, 0, "{counts:?}");

    let token = Some(stage.bob.token.as_str());
    assert_eq!(stage.app.api.call("POST", "/api/v1/auth/logout", token, None).await.expect("an answer").status, 204);
    assert_eq!(stage.bobs.closed().await.expect("a close frame").1, 4004);
    stage.other.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_of_a_cluster_that_is_killed_loses_nothing() {
    let (mut cluster, _folder) = cluster().await;
    let stage = Stage::set(&cluster.url()).await;
    let channel = format!("chat:{}", stage.chat);
    let before = cluster.master_of(&channel).await.expect("a master");
    stage.survives(async || cluster.kill_master_of(&channel).await.expect("killed")).await;
    assert_ne!(cluster.master_of(&channel).await.expect("a master"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_moves_and_a_master_that_steps_down_take_their_subscriptions_along() {
    let (cluster, _folder) = cluster().await;
    let mut stage = Stage::set(&cluster.url()).await;
    let channel = format!("chat:{}", stage.chat);
    cluster.move_slot_of(&channel).await.expect("moved");
    assert!(stage.until_seen().await.is_empty());
    stage.survives(async || cluster.fail_over(&channel).await.expect("another master")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_sentinel_a_master_that_steps_down_or_is_killed_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut watched = Watched::start(folder.path()).await.expect("sentinels");
    let mut stage = Stage::set(&watched.url()).await;
    watched.fail_over().await.expect("another master");
    assert!(stage.until_seen().await.is_empty());
    watched.until_replica().await.expect("a replica");
    stage.survives(async || watched.kill_master().await.expect("another master")).await;
}
