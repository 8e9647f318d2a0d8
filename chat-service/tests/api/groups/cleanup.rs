//! Members who are removed together with their messages.

use neonchat_testbed::{
    client::{Answer, User},
    harness::until,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Group, assert_forbidden};
use crate::support::assert_problem;

impl Group {
    async fn remove_with_messages(&self, by: &User, target: &User, more: Value) -> Answer {
        let mut body = json!({ "user_ids": [target.id], "delete_messages": true });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        self.call("POST", by, "/members/remove", Some(body)).await
    }

    /// Stores messages of a user, as many as given, as if they had been sent.
    async fn store(&self, sender: &User, count: i64) {
        let statement = format!(
            "WITH before AS (UPDATE chats SET last_seq = last_seq + {count} WHERE id = '{chat}' RETURNING last_seq)
             INSERT INTO messages (id, chat_id, seq, sender_id, request_id, text, created_at, updated_at)
             SELECT gen_random_uuid(), '{chat}', last_seq - {count} + n, '{sender}', gen_random_uuid(), 'spam', now(), now()
               FROM before, generate_series(1, {count}) AS n",
            chat = self.chat,
            sender = sender.id
        );
        self.execute(&statement).await;
    }

    async fn left(&self, sender: &User) -> i64 {
        let sql = self.app.sql().await;
        let sender: Uuid = sender.id.parse().expect("parse id");
        let count = "SELECT count(*) FROM messages WHERE sender_id = $1 AND deleted_at IS NULL";
        sql.query_one(count, &[&sender]).await.expect("count messages").get(0)
    }

    async fn until_cleaned_up(&self) {
        let sql = self.app.sql().await;
        let is_done = async || {
            let rows = sql.query_one("SELECT count(*) FROM message_cleanups", &[]).await.expect("count cleanups");
            rows.get::<_, i64>(0) == 0
        };
        until("the messages are deleted", is_done).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn last_thousand_messages_go_with_their_sender() {
    let group = Group::start("group").await;
    group.store(&group.member, 30).await;
    group.store(&group.other, 6000).await;
    group.store(&group.member, 1040).await;
    let removed = group.remove_with_messages(&group.admin, &group.member, json!({ "ban": true })).await;
    assert_eq!(removed.status, 200, "{removed:?}");
    group.until_cleaned_up().await;
    assert_eq!((group.left(&group.member).await, group.left(&group.other).await), (70, 6000));
    let after = removed.body["seq"].as_i64().expect("read seq");
    let events = group.call("GET", &group.owner, &format!("/events?after={after}"), None).await;
    let events = events.body["events"].as_array().expect("array of events").clone();
    let deleted = |event: &Value| (event["by"].clone(), event["messages"].as_array().map_or(0, Vec::len));
    let expected = vec![(json!(group.admin.id), 100); 10];
    assert_eq!(events.iter().map(deleted).collect::<Vec<_>>(), expected);
    let oldest = events.last().and_then(|event| event["messages"][0]["seq"].as_i64());
    assert_eq!(oldest, Some(1 + 30 + 6000 + 41), "the last messages are deleted");

    // The same again deletes no older ones.
    let again = group.remove_with_messages(&group.admin, &group.member, json!({ "ban": true })).await;
    assert_eq!((again.status, &again.body["seq"]), (200, &Value::Null), "{again:?}");
    group.until_cleaned_up().await;
    assert_eq!(group.left(&group.member).await, 70);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_before_those_of_others_are_found() {
    let group = Group::start("group").await;
    group.store(&group.member, 3).await;
    group.store(&group.other, 11_000).await;
    let removed = group.remove_with_messages(&group.owner, &group.member, json!({})).await;
    assert_eq!(removed.status, 200, "{removed:?}");
    group.until_cleaned_up().await;
    assert_eq!((group.left(&group.member).await, group.left(&group.other).await), (0, 11_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_searched_within_bounds() {
    let group = Group::start("group").await;
    group.store(&group.member, 2).await;
    let hidden = format!("UPDATE chat_members SET from_seq = 2 WHERE user_id = '{}'", group.admin.id);
    group.execute(&hidden).await;
    let removed = group.remove_with_messages(&group.admin, &group.member, json!({})).await;
    assert_eq!(removed.status, 200, "{removed:?}");
    group.until_cleaned_up().await;
    assert_eq!(group.left(&group.member).await, 1, "the other one does not exist for the admin");

    group.add(&group.owner, &group.member).await;
    group.execute(&format!("UPDATE chats SET last_seq = last_seq + 100000 WHERE id = '{}'", group.chat)).await;
    let removed = group.remove_with_messages(&group.owner, &group.member, json!({})).await;
    assert_eq!(removed.status, 200, "{removed:?}");
    group.until_cleaned_up().await;
    assert_eq!(group.left(&group.member).await, 1, "the other one is too far back");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_before_is_banned_with_their_messages() {
    let group = Group::start("group").await;
    group.store(&group.member, 2).await;
    group.call("DELETE", &group.member, "/members/me", None).await;
    let removed = group.remove_with_messages(&group.admin, &group.member, json!({})).await;
    assert_eq!((removed.status, &removed.body["seq"]), (200, &Value::Null), "nobody is removed");
    group.until_cleaned_up().await;
    assert_eq!(group.left(&group.member).await, 2);
    let banned = group.remove_with_messages(&group.admin, &group.member, json!({ "ban": true })).await;
    assert_eq!(banned.status, 200, "{banned:?}");
    group.until_cleaned_up().await;
    assert_eq!(group.left(&group.member).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_needs_the_right_and_is_part_of_the_request() {
    let group = Group::start("group").await;
    group.store(&group.member, 2).await;
    let settings = json!({ "settings": { "delete": "owner" } });
    assert_eq!(group.call("PATCH", &group.owner, "", Some(settings)).await.status, 200);
    assert_forbidden(&group.remove_with_messages(&group.admin, &group.member, json!({})).await, "role");
    assert_forbidden(&group.remove_with_messages(&group.member, &group.other, json!({})).await, "role");
    assert_problem(&group.remove_with_messages(&group.stranger, &group.member, json!({})).await, 404, "not_found", &[]);

    let request_id = json!({ "request_id": Uuid::new_v4() });
    let removed = group.remove_with_messages(&group.owner, &group.member, request_id.clone()).await;
    let again = group.remove_with_messages(&group.owner, &group.member, request_id.clone()).await;
    assert_eq!((again.status, &again.body["seq"], &again.body["duplicate"]), (200, &removed.body["seq"], &json!(true)));
    let other = json!({ "user_ids": [group.member.id], "request_id": request_id["request_id"] });
    let other = group.call("POST", &group.owner, "/members/remove", Some(other)).await;
    assert_problem(&other, 422, "idempotency_mismatch", &[]);
    group.until_cleaned_up().await;
    assert_eq!(group.left(&group.member).await, 0);
}
