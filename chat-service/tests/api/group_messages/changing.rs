//! Edits and deletions in groups and channels.

use serde_json::json;

use super::{Group, assert_forbidden};
use crate::support::assert_problem;

#[tokio::test(flavor = "multi_thread")]
async fn members_delete_messages_of_lower_roles_only() {
    let f = Group::start("group").await;
    let (of_owner, of_admin) = (f.sent(&f.owner, "o").await, f.sent(&f.admin, "a").await);
    let (of_member, of_other) = (f.sent(&f.member, "m").await, f.sent(&f.other, "n").await);
    assert_forbidden(&f.delete(&f.member, &[&of_other]).await, "role");
    assert_forbidden(&f.delete(&f.admin, &[&of_owner]).await, "role");
    assert_forbidden(&f.delete(&f.admin, &[&of_member, &of_owner]).await, "role");
    assert_eq!(f.delete(&f.admin, &[&of_member, &of_admin]).await.body["seq"], 5);
    assert_eq!(f.delete(&f.owner, &[&of_admin]).await.body["seq"], json!(null), "it is deleted already");

    // Who left counts as a member, also a former admin.
    let of_leaver = f.sent(&f.admin, "late").await;
    f.kick(&f.admin).await;
    f.change_member(&f.owner, &f.other, json!({ "role": "admin" })).await;
    assert_eq!(f.delete(&f.other, &[&of_leaver]).await.status, 200);
    let events = f.get(&f.owner, "/events").await.body["events"].clone();
    let last = events.as_array().and_then(|events| events.last()).expect("an event").clone();
    assert_eq!(
        json!([last["type"], last["by"], last["messages"][0]["id"]]),
        json!(["messages_deleted", f.other.id, of_leaver])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn role_for_deletions_is_a_setting() {
    let f = Group::start("group").await;
    let message = f.sent(&f.member, "m").await;
    f.execute("UPDATE chats SET delete_role = 3 WHERE id = 'CHAT'").await;
    assert_forbidden(&f.delete(&f.admin, &[&message]).await, "role");
    assert_eq!(f.delete(&f.owner, &[&message]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn edit_needs_the_right_to_send() {
    let f = Group::start("channel").await;
    let message = f.sent(&f.admin, "news").await;
    assert_forbidden(&f.edit(&f.owner, &message, "x").await, "author");
    assert_eq!(f.edit(&f.admin, &message, "better news").await.status, 200);
    f.change_member(&f.owner, &f.admin, json!({ "role": "member" })).await;
    assert_forbidden(&f.edit(&f.admin, &message, "x").await, "role");
    assert_eq!(f.delete(&f.admin, &[&message]).await.status, 200, "one's own messages can be deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn change_is_refused_after_the_removal() {
    let f = Group::start("group").await;
    let message = f.sent(&f.member, "x").await;
    f.kick(&f.member).await;
    assert_problem(&f.edit(&f.member, &message, "y").await, 404, "not_found", &[]);
    assert_problem(&f.delete(&f.member, &[&message]).await, 404, "not_found", &[]);
    f.execute("UPDATE chats SET is_closed = TRUE WHERE id = 'CHAT'").await;
    assert_problem(&f.delete(&f.owner, &[&message]).await, 404, "not_found", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn right_that_ends_while_a_deletion_waits_refuses_it() {
    let f = Group::start("group").await;
    let message = f.sent(&f.other, "x").await;
    let (blocker, observer) = (f.app.sql().await, f.app.sql().await);
    // As in a large chat, whose members leave without an event.
    let leave = format!(
        "BEGIN; UPDATE chats SET access_version = access_version + 1 WHERE id = '{0}';
         DELETE FROM chat_members WHERE chat_id = '{0}' AND user_id = '{1}'",
        f.chat, f.admin.id
    );
    blocker.batch_execute(&leave).await.expect("begin leave");
    let messages = [message.as_str()];
    let commit = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'WITH change %'";
        let is_waiting = async || observer.query_one(waiting, &[]).await.expect("query").get::<_, i64>(0) > 0;
        neonchat_testbed::harness::until("the statement waits for the chat", is_waiting).await;
        blocker.batch_execute("COMMIT").await.expect("commit leave");
    };
    let (deleted, ()) = tokio::join!(f.delete(&f.admin, &messages), commit);
    assert_problem(&deleted, 404, "not_found", &[]);
}
