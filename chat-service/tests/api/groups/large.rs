//! Groups and channels with many members.

use futures_util::future::join_all;
use neonchat_common::error::ErrorCode;
use neonchat_proto::chat::v1::{ValidateAndStoreMessageRequest, store_message_result::Result as Outcome};
use neonchat_testbed::client::User;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Group, assert_forbidden};
use crate::support::TestApp;

/// At most three messages a second in a large chat.
const RATE: [(&str, &str); 3] = [
    ("RATE_LIMIT_PER_MINUTE", "1000000"),
    ("AUTH_RATE_LIMIT_PER_MINUTE", "0"),
    ("LARGE_CHAT_MESSAGES_PER_SECOND", "3"),
];

impl Group {
    pub(super) async fn execute(&self, sql: &str) {
        self.app.sql().await.batch_execute(&sql.replace("CHAT", &self.chat)).await.expect("execute SQL");
    }

    /// Pretends that the chat has this number of members.
    async fn resize(&self, members: i32) {
        self.execute(&format!("UPDATE chats SET member_count = {members} WHERE id = 'CHAT'")).await;
    }

    async fn slow_s(&self) -> Value {
        self.item(&self.owner).await["settings"]["slow_s"].clone()
    }

    /// Sends messages by one call. Returns the code of each refusal, and the time to wait.
    async fn send_batch(&self, sender: &User, count: usize) -> Vec<Option<(String, u32)>> {
        let message = |_| ValidateAndStoreMessageRequest {
            chat_id: self.chat.clone(),
            sender_id: sender.id.clone(),
            text: "x".to_owned(),
            request_id: Uuid::new_v4().to_string(),
            traceparent: None,
            extra_json: String::new(),
        };
        let results = self.app.store_messages((0..count).map(message).collect()).await.expect("store messages");
        let refusal = |outcome| match outcome {
            Some(Outcome::Refused(refusal)) => {
                Some((refusal.code, refusal.retry_after_ms.expect("wait").try_into().expect("number")))
            }
            Some(Outcome::Stored(_)) => None,
            None => panic!("no result"),
        };
        results.into_iter().map(|result| refusal(result.result)).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn group_is_slow_while_it_is_large() {
    let group = Group::start("group").await;
    group.resize(999).await;
    group.add(&group.owner, &group.stranger).await;
    assert_eq!(group.slow_s().await, 0, "1,000 members");
    let joined = group.add(&group.owner, &group.app.user().await).await;
    assert!(joined.body["seq"].is_i64(), "it was not large before: {joined:?}");
    assert_eq!(group.slow_s().await, 5, "1,001 members");
    let joined = group.add(&group.owner, &group.app.user().await).await;
    assert_eq!(joined.body["seq"], Value::Null, "joins of a large group have no event");

    group.execute("UPDATE chats SET slow_s = 3600 WHERE id = 'CHAT'").await;
    assert_eq!(group.send(&group.member, "x").await.status, 201);
    assert_forbidden(&group.send(&group.member, "y").await, "slow_mode");
    for _ in 0..3 {
        assert_eq!(group.send(&group.admin, "admins do not wait").await.status, 201);
    }

    group.resize(901).await;
    group.kick(&group.owner, &group.stranger).await;
    assert_eq!(group.slow_s().await, 5, "900 members");
    group.kick(&group.owner, &group.other).await;
    assert_eq!(group.slow_s().await, 0, "899 members");
    let left = group.call("DELETE", &group.member, "/members/me", None).await;
    assert!(left.body["seq"].is_i64(), "leaves have an event again: {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn chosen_slow_mode_of_a_large_group_stays() {
    let group = Group::start_with("group", &[("LARGE_GROUP_SLOW_S", "60")]).await;
    group.resize(1000).await;
    let head = group.item(&group.owner).await["last_seq"].clone();
    let set = async |slow_s: i32| {
        let answer = group.call("PATCH", &group.owner, "", Some(json!({ "settings": { "slow_s": slow_s } }))).await;
        answer.body["last_seq"].clone()
    };
    assert_eq!(set(0).await, head, "nobody sees a difference");
    group.add(&group.owner, &group.stranger).await;
    assert_eq!(group.slow_s().await, 0);
    assert_ne!(set(7).await, head);
    group.resize(100).await;
    group.kick(&group.owner, &group.stranger).await;
    assert_eq!(group.slow_s().await, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_chat_takes_some_messages_a_second_also_of_admins() {
    let channel = Group::start_with("channel", &RATE).await;
    let refusals = channel.send_batch(&channel.admin, 5).await;
    let codes = |refusals: &[Option<(String, u32)>]| -> Vec<_> {
        refusals.iter().map(|refusal| refusal.as_ref().map(|(code, _)| code.clone())).collect()
    };
    let refused = || Some("rate_limited".to_owned());
    assert_eq!(codes(&refusals), [None, None, None, refused(), refused()]);
    assert!(refusals.iter().flatten().all(|(_, wait)| (1..=1000).contains(wait)), "{refusals:?}");

    // Earlier statements count too. Their time is set, so that the result does not depend on the speed of the test.
    let age =
        "UPDATE messages SET created_at = now() + CASE WHEN seq = 2 THEN interval '-1 s' ELSE interval '1 hour' END";
    channel.execute(age).await;
    assert_eq!(codes(&channel.send_batch(&channel.owner, 3).await), [None, refused(), refused()]);
    channel.execute("UPDATE messages SET created_at = now() - interval '1 s'").await;
    assert_eq!(codes(&channel.send_batch(&channel.owner, 2).await), [None, None]);
    assert_eq!(channel.item(&channel.owner).await["last_seq"], 1 + 3 + 1 + 2, "refused messages have no number");

    let group = Group::start_with("group", &RATE).await;
    assert_eq!(codes(&group.send_batch(&group.member, 10).await), vec![None; 10], "small chats have no such limit");
}

#[tokio::test(flavor = "multi_thread")]
async fn rate_of_a_large_chat_holds_between_instances() {
    let channel = Group::start_with("channel", &RATE).await;
    let second = TestApp::launch(&channel.app.database, &RATE).await;
    second.api.until_ready().await.expect("become ready");
    for _ in 0..5 {
        let send = |n: usize| {
            let app = if n.is_multiple_of(2) { &channel.app } else { &second };
            app.send_again(&channel.chat, &channel.owner, "x", Uuid::new_v4())
        };
        let results = join_all((0..12).map(send)).await;
        let mut errors = results.iter().filter_map(|result| result.as_ref().err());
        assert!(errors.all(|error| error.code == ErrorCode::RateLimited), "{results:?}");
    }
    let sql = channel.app.sql().await;
    let beyond = "SELECT count(*) FROM messages AS last
                   WHERE (SELECT count(*) FROM messages AS other
                           WHERE other.seq <= last.seq AND other.created_at > last.created_at - interval '1 s') > 3";
    assert_eq!(sql.query_one(beyond, &[]).await.expect("query").get::<_, i64>(0), 0, "too many messages in a second");
}
