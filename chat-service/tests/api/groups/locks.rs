//! What happens before a chat is locked, with which indexes, and who gets its turn.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use neonchat_testbed::harness::until;
use serde_json::json;
use uuid::Uuid;

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

/// Somebody holds the chat longer than one attempt waits, and then the changes wait for each other.
#[tokio::test(flavor = "multi_thread")]
async fn changes_of_twenty_admins_at_once_all_get_their_turn() {
    let group = Group::start_with("group", &[("DB_MAX_CONNS", "25")]).await;
    let mut admins = Vec::new();
    for _ in 0..20 {
        let admin = group.app.user().await;
        group.add(&group.owner, &admin).await;
        assert_eq!(group.change_member(&group.owner, &admin, json!({ "role": "admin" })).await.status, 200);
        admins.push(admin);
    }
    let head = async || group.item(&group.owner).await["last_seq"].as_i64().expect("number");
    let before = head().await;
    let sql = group.app.sql().await;
    sql.batch_execute("BEGIN; SELECT FROM chats FOR UPDATE").await.expect("lock chats");
    let release = sql.batch_execute("SELECT pg_sleep(0.4); COMMIT");
    let update = async |(n, admin)| group.call("PATCH", admin, "", Some(json!({ "title": format!("Team {n}") }))).await;
    let (released, answers) = tokio::join!(release, join_all(admins.iter().enumerate().map(update)));
    released.expect("release chats");
    for answer in answers {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(head().await, before + 20);
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

/// A message that was allowed under rights that have changed since is tried again. It must get its turn.
#[tokio::test(flavor = "multi_thread")]
async fn messages_and_edits_get_their_turn_while_members_come_and_go() {
    let group = Group::start("group").await;
    let body = json!({ "handle": format!("h{}", &Uuid::new_v4().simple().to_string()[..16]) });
    assert_eq!(group.call("PATCH", &group.owner, "", Some(body)).await.status, 200);
    let mut passers = Vec::new();
    for _ in 0..10 {
        passers.push(group.app.user().await);
    }
    let are_sent = AtomicBool::new(false);
    let come_and_go = join_all(passers.iter().map(async |user| {
        while !are_sent.load(Ordering::Relaxed) {
            group.call("POST", user, "/join", None).await;
            group.call("DELETE", user, "/members/me", None).await;
        }
    }));
    let send = async {
        for n in 0..10 {
            let sent = group.send(&group.member, &format!("text {n}")).await;
            assert_eq!(sent.status, 201, "{sent:?}");
            let path = format!("/messages/{}", sent.body["id"].as_str().expect("read id"));
            let edited =
                group.call("PATCH", &group.member, &path, Some(json!({ "text": format!("edited {n}") }))).await;
            assert_eq!(edited.status, 200, "{edited:?}");
        }
        are_sent.store(true, Ordering::Relaxed);
    };
    tokio::join!(come_and_go, send);
}
