//! Reactions in chats that are not small.

use futures_util::future::join_all;
use neonchat_testbed::{client::User, harness::until};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{HEART, THUMB};
use crate::{
    group_messages::Group,
    support::{TestApp, assert_problem},
};

impl Group {
    /// Makes the chat one of medium size.
    async fn enlarge(&self) {
        self.execute("UPDATE chats SET class = 1, member_count = 500 WHERE id = 'CHAT'").await;
    }

    /// Waits until the gathered reactions are counted.
    async fn until_counted(&self) {
        let sql = self.app.sql().await;
        let is_counted = async || {
            let row = sql.query_one("SELECT count(*) FROM reactions_due", &[]).await.expect("count rows");
            row.get::<_, i64>(0) == 0
        };
        until("the reactions are counted", is_counted).await;
    }

    /// Inserts a reaction as an instance does that is killed afterwards.
    async fn insert_reaction(&self, user: &User, due: &str) {
        let sql = format!(
            "INSERT INTO reactions VALUES ('CHAT', 1, '{}', '{THUMB}', 1, now());
             INSERT INTO reactions_due (chat_id, message_seq, due_at) VALUES ('CHAT', 1, {due})",
            user.id
        );
        self.execute(&sql).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reactions_of_a_second_are_one_event() {
    let f = Group::start("group").await;
    f.enlarge().await;
    let message = f.sent(&f.owner, "x").await;
    let users = [&f.owner, &f.admin, &f.member, &f.other];
    // The window is longer than these requests take.
    f.insert_reaction(&f.owner, "now() + interval '1 hour'").await;
    let answers = join_all(users.iter().map(|user| f.react(user, &message, HEART))).await;
    for answer in answers {
        assert_eq!((answer.status, &answer.body["seq"]), (200, &Value::Null), "{answer:?}");
        assert!(answer.body["my_reactions"].as_array().expect("array").contains(&json!(HEART)), "{answer:?}");
    }
    let by_socket = f.react_by_socket(&f.member, &message, THUMB, Uuid::new_v4()).await;
    assert!(by_socket.event.is_none() && by_socket.personal_frame.is_some(), "{by_socket:?}");
    f.until_counted().await;
    let events = f.events_of_type(&f.other, "reactions").await;
    assert!((1..=2).contains(&events.len()), "{events:?}");
    let reactions = &events[0]["reactions"];
    assert_eq!(json!([reactions[0]["count"], reactions[1]["count"]]), json!([2, 4]), "{reactions}");
    assert_eq!(reactions[1]["recent"].as_array().map(Vec::len), Some(3));
    let last = f.get(&f.other, "").await.body["last_seq"].as_i64();
    assert_eq!(last, Some(1 + i64::try_from(events.len()).expect("number")), "the numbers have no gap");

    // What is undone within the window has no event.
    f.unreact(&f.other, &message, HEART).await;
    f.react(&f.other, &message, "🎉").await;
    f.unreact(&f.other, &message, "🎉").await;
    f.until_counted().await;
    let events = f.events_of_type(&f.other, "reactions").await;
    assert_eq!(events.last().expect("event")["reactions"][1]["count"], 3, "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_gathered_reaction_never_acts_again() {
    let f = Group::start("group").await;
    f.enlarge().await;
    let message = f.sent(&f.owner, "x").await;
    let path = |emoji: &str, request: Uuid| format!("/messages/{message}/reactions/{emoji}?request_id={request}");
    let request = Uuid::new_v4();
    f.call("PUT", &f.member, &path(THUMB, request), None).await;
    f.unreact(&f.member, &message, THUMB).await;
    let again = f.call("PUT", &f.member, &path(THUMB, request), None).await.body;
    assert_eq!(json!([again["my_reactions"], again["seq"], again["duplicate"]]), json!([[], null, true]));
    let other = f.call("PUT", &f.member, &path(HEART, request), None).await;
    assert_problem(&other, 422, "idempotency_mismatch", &[]);
    f.kick(&f.member).await;
    assert_eq!(f.call("PUT", &f.member, &path(THUMB, request), None).await.status, 200);
    assert_problem(&f.react(&f.member, &message, THUMB).await, 404, "not_found", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_requests_are_forgotten() {
    let f = Group::start("group").await;
    f.enlarge().await;
    let message = f.sent(&f.owner, "x").await;
    for (emoji, request) in [(THUMB, Uuid::from_u128(1)), (HEART, Uuid::from_u128(2))] {
        let path = format!("/messages/{message}/reactions/{emoji}?request_id={request}");
        assert_eq!(f.call("PUT", &f.member, &path, None).await.status, 200);
    }
    let sql = f.app.sql().await;
    let age = "UPDATE reaction_requests SET at = now() - interval '8 days' WHERE request_id = $1";
    assert_eq!(sql.execute(age, &[&Uuid::from_u128(1)]).await.expect("update request"), 1);
    // Another instance looks for old requests when it starts.
    let _other = TestApp::launch(&f.app.database, &[]).await;
    let rows = async || sql.query("SELECT request_id FROM reaction_requests", &[]).await.expect("query");
    until("the old request is forgotten", async || rows().await.len() == 1).await;
    assert_eq!(rows().await[0].get::<_, Uuid>(0), Uuid::from_u128(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_between_instances() {
    let f = Group::start("group").await;
    f.enlarge().await;
    let message = f.sent(&f.owner, "x").await;
    let second = TestApp::launch(&f.app.database, &[]).await;
    second.api.until_ready().await.expect("become ready");
    let emoji = ["😀", "😃", "😄", "😁", "😆", "😅", "😂", "🤣"];
    let calls = emoji.iter().enumerate().map(|(n, emoji)| {
        let api = if n.is_multiple_of(2) { &f.app.api } else { &second.api };
        let path = format!("/api/v1/chats/{}/messages/{message}/reactions/{emoji}", f.chat);
        let token = &f.member.token;
        async move { api.call("PUT", &path, Some(token), None).await.expect("call API").status }
    });
    let mut statuses = join_all(calls).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 409, 409, 409, 409, 409]);
    f.until_counted().await;
    let shown = f.get(&f.owner, &format!("/messages/{message}")).await.body["reactions"].clone();
    assert_eq!(shown.as_array().map(Vec::len), Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn reactions_of_a_killed_instance_are_counted_once() {
    let f = Group::start("group").await;
    f.enlarge().await;
    f.sent(&f.owner, "x").await;
    f.insert_reaction(&f.member, "now()").await;
    f.insert_reaction(&f.other, "now()").await;
    // Both look for it.
    let second = TestApp::launch(&f.app.database, &[]).await;
    second.api.until_ready().await.expect("become ready");
    f.until_counted().await;
    let events = f.events_of_type(&f.owner, "reactions").await;
    assert_eq!(events.last().expect("event")["reactions"][0]["count"], 2);
    assert!(events.len() <= 2, "{events:?}");
    assert_eq!(f.events_of_type(&f.owner, "message").await[0]["message"]["reactions"][0]["count"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn reaction_that_is_committed_while_others_are_counted_is_counted_next() {
    let f = Group::start("group").await;
    f.enlarge().await;
    f.sent(&f.owner, "x").await;
    let late = f.app.sql().await;
    let insert = format!(
        "BEGIN; INSERT INTO reactions VALUES ('{0}', 1, '{1}', '{THUMB}', 1, now());
         INSERT INTO reactions_due (chat_id, message_seq, due_at) VALUES ('{0}', 1, now())",
        f.chat, f.other.id
    );
    late.batch_execute(&insert).await.expect("insert reaction");
    f.insert_reaction(&f.member, "now()").await;
    f.until_counted().await;
    let count = async || {
        let events = f.events_of_type(&f.owner, "reactions").await;
        events.last().expect("event")["reactions"][0]["count"].clone()
    };
    assert_eq!(count().await, 1);
    late.batch_execute("COMMIT").await.expect("commit reaction");
    f.until_counted().await;
    assert_eq!((count().await, f.events_of_type(&f.owner, "reactions").await.len()), (json!(2), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn reaction_that_is_committed_after_the_deletion_is_removed() {
    let f = Group::start("group").await;
    f.enlarge().await;
    let message = f.sent(&f.owner, "x").await;
    f.react(&f.owner, &message, THUMB).await;
    f.delete(&f.owner, &[&message]).await;
    f.insert_reaction(&f.member, "now()").await;
    f.until_counted().await;
    let row = f.app.sql().await.query_one("SELECT count(*) FROM reactions", &[]).await.expect("count rows");
    assert_eq!((row.get::<_, i64>(0), f.events_of_type(&f.owner, "reactions").await.len()), (0, 0));
}
