//! What happens before a chat is locked, and with which indexes.

use neonchat_testbed::harness::until;
use serde_json::json;

use super::Group;
use crate::support::assert_problem;

#[tokio::test(flavor = "multi_thread")]
async fn stranger_does_not_wait_for_a_locked_chat() {
    let group = Group::start("group").await;
    let (alice, _, direct) = group.app.pair().await;
    let sql = group.app.sql().await;
    sql.batch_execute("BEGIN; SELECT FROM chats FOR UPDATE").await.expect("lock chats");
    let user = json!({ "user_ids": [group.member.id] });
    for (method, rest, body) in [
        ("POST", "/members", Some(user.clone())),
        ("POST", "/members/remove", Some(user)),
        ("POST", "/join", None),
        ("DELETE", "/members/me", None),
        ("DELETE", "", None),
        ("PATCH", "", Some(json!({ "title": "x" }))),
        ("POST", "/invites", Some(json!({}))),
    ] {
        let answer = group.call(method, &group.stranger, rest, body.clone()).await;
        assert_problem(&answer, 404, "not_found", &[]);
        let path = format!("/api/v1/chats/{direct}{rest}");
        let answer = group.app.api.call(method, &path, Some(&alice.token), body.as_ref()).await.expect("call API");
        assert_problem(&answer, 409, "conflict", &[]);
    }
    let answer = group.call("DELETE", &group.member, "/members/me", None).await;
    assert_problem(&answer, 503, "unavailable", &[]);
}

/// Adds many users: each is in the chat and in others.
const FILL: &str = "
    INSERT INTO users (id, username, username_key, username_skeleton, password_hash)
        SELECT gen_random_uuid(), 'many' || n, 'many' || n, 'many' || n, '' FROM generate_series(1, 3000) AS n;
    INSERT INTO chat_members (chat_id, user_id, is_group)
        SELECT 'CHAT', id, TRUE FROM users WHERE username LIKE 'many%';
    ANALYZE users, chats, chat_members";

#[tokio::test(flavor = "multi_thread")]
async fn generic_plans_use_the_indexes_of_some_members() {
    let group = Group::start("group").await;
    group.execute(FILL).await;
    let sql = group.app.sql().await;
    let scans = async |index: &str| {
        let query = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = $1";
        sql.query_one(query, &[&index]).await.expect("query statistics").get::<_, i64>(0)
    };
    let before = (scans("chat_members_admins").await, scans("chat_members_groups").await);
    assert_eq!(group.call("GET", &group.member, "/members", None).await.status, 200);
    until("the index of admins is used", async || scans("chat_members_admins").await > before.0).await;
    assert_eq!(group.add(&group.owner, &group.stranger).await.status, 200);
    until("the index of groups is used", async || scans("chat_members_groups").await > before.1).await;
    let before = scans("chat_members_admins").await;
    assert_eq!(group.change_member(&group.owner, &group.other, json!({ "role": "admin" })).await.status, 200);
    until("the index of admins is used", async || scans("chat_members_admins").await > before).await;
}
