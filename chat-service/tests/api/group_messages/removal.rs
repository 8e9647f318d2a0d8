//! Messages of members who are removed.

use neonchat_testbed::harness::until;
use serde_json::json;
use tokio_postgres::Client;
use uuid::Uuid;

use super::{Group, insert_group};
use crate::support::{TestApp, assert_problem};

/// Waits until a statement that stores messages waits for a lock.
async fn until_blocked(sql: &Client) {
    let waiting = "SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'WITH request%'";
    let is_waiting = async || sql.query_one(waiting, &[]).await.expect("query").get::<_, i64>(0) > 0;
    until("the statement waits for the chat", is_waiting).await;
}

/// Commits a change while a message waits for the chat, and sends it.
async fn send_during(f: &Group, change: &str) -> (Vec<Option<String>>, i64) {
    let (blocker, observer) = (f.app.sql().await, f.app.sql().await);
    let change = change.replace("CHAT", &f.chat).replace("MEMBER", &f.member.id);
    blocker.batch_execute(&format!("BEGIN; {change}")).await.expect("begin change");
    let others = insert_group(&f.app, "group", &[(&f.other, 3)]).await;
    let send = async {
        // The messages of another chat in the same statement are stored.
        let (mine, theirs) = tokio::join!(f.send_batch(&f.member, &["a", "b"]), f.app.send(&others, &f.other, "c"));
        assert_eq!(theirs.seq, 1);
        mine
    };
    let commit = async {
        until_blocked(&observer).await;
        blocker.batch_execute("COMMIT").await.expect("commit change");
    };
    let (refusals, ()) = tokio::join!(send, commit);
    let head = "SELECT last_seq FROM chats WHERE id = $1";
    let head = observer.query_one(head, &[&f.chat.parse::<Uuid>().expect("id")]).await.expect("query").get(0);
    let name = |refusal: neonchat_proto::chat::v1::Refusal| refusal.reason.unwrap_or(refusal.code);
    (refusals.into_iter().map(|refusal| refusal.map(name)).collect(), head)
}

#[tokio::test(flavor = "multi_thread")]
async fn right_that_ends_while_a_message_waits_refuses_it() {
    let all = |reason: &str| vec![Some(reason.to_owned()), Some(reason.to_owned())];
    let version = "UPDATE chats SET access_version = access_version + 1, last_seq = last_seq + 1";
    let of_member = "WHERE chat_id = 'CHAT' AND user_id = 'MEMBER'";
    let cases = [
        (format!("{version} WHERE id = 'CHAT'; DELETE FROM chat_members {of_member}"), all("not_found")),
        (
            format!("{version} WHERE id = 'CHAT'; UPDATE chat_members SET restricted_until = 'infinity' {of_member}"),
            all("restricted"),
        ),
        (format!("{version}, send_role = 2 WHERE id = 'CHAT'"), all("role")),
        (format!("{version}, is_closed = TRUE WHERE id = 'CHAT'"), all("not_found")),
        // The member keeps the right: the messages are tried again.
        (format!("{version} WHERE id = 'CHAT'"), vec![None, None]),
    ];
    for (change, expected) in cases {
        let f = Group::start("group").await;
        let stored = expected.iter().filter(|refusal| refusal.is_none()).count();
        assert_eq!(send_during(&f, &change).await, (expected, 1 + i64::try_from(stored).expect("number")), "{change}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_of_a_kicked_member_follows_the_kick() {
    const ROUNDS: usize = 25;

    let f = Group::start("group").await;
    let second = TestApp::launch(&f.app.database, &[]).await;
    second.api.until_ready().await.expect("become ready");
    for _ in 0..ROUNDS {
        let kick = f.kick(&f.member);
        let flood =
            async |app: &TestApp| while app.send_again(&f.chat, &f.member, "x", Uuid::new_v4()).await.is_ok() {};
        let others = async {
            for _ in 0..5 {
                f.app.send(&f.chat, &f.other, "y").await;
            }
        };
        tokio::join!(flood(&f.app), flood(&f.app), flood(&second), flood(&second), others, kick);
        f.add(&f.member).await;
    }
    let sql = f.app.sql().await;
    let late = "SELECT count(*) FROM messages AS message WHERE sender_id::text = $1 AND 7 = (
                    SELECT kind FROM chat_events AS event
                     WHERE event.chat_id = message.chat_id AND event.seq < message.seq ORDER BY seq DESC LIMIT 1)";
    let late: i64 = sql.query_one(late, &[&f.member.id]).await.expect("query").get(0);
    assert_eq!(late, 0, "messages after the removal");
    let dense = "SELECT count(*), min(seq), max(seq), (SELECT last_seq FROM chats)
                   FROM (SELECT seq FROM messages UNION ALL SELECT seq FROM chat_events) AS event";
    let row = sql.query_one(dense, &[]).await.expect("query");
    let (count, first, last, head): (i64, i64, i64, i64) = (row.get(0), row.get(1), row.get(2), row.get(3));
    assert_eq!((first, last, head), (1, count, count), "a number is missing");
    assert!(count > i64::try_from(ROUNDS * 7).expect("number"));
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_message_of_a_removed_member_is_answered_without_content() {
    let f = Group::start("group").await;
    let body = json!({ "text": "x", "request_id": Uuid::new_v4() });
    let send = async |body: &serde_json::Value| f.call("POST", &f.member, "/messages", Some(body.clone())).await;
    let first = send(&body).await.body;
    let other_chat = insert_group(&f.app, "group", &[(&f.other, 3)]).await;
    f.kick(&f.member).await;
    let expected = json!({
        "id": first["id"], "chat_id": f.chat, "seq": 1, "created_at": first["created_at"], "duplicate": true,
    });
    let again = send(&body).await;
    assert_eq!((again.status, &again.body), (200, &expected));
    let request = body["request_id"].as_str().expect("id").parse().expect("UUID");
    let again = f.app.send_again(&f.chat, &f.member, "x", request).await.expect("answer");
    assert!(again.duplicate && again.changed && again.seq == 1, "{again:?}");

    for unknown in [json!({ "text": "x" }), json!({ "text": "y", "request_id": request })] {
        assert_problem(&send(&unknown).await, 404, "not_found", &[]);
    }
    let elsewhere = f.app.post(&format!("/api/v1/chats/{other_chat}/messages"), &f.member, &body).await;
    assert_problem(&elsewhere, 404, "not_found", &[]);

    // Also if the message was deleted since.
    assert_eq!(f.delete(&f.admin, &[first["id"].as_str().expect("id")]).await.status, 200);
    assert_eq!(send(&body).await.body, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_change_of_a_removed_member_is_refused() {
    let f = Group::start("group").await;
    let path = format!("/messages/{}", f.sent(&f.member, "x").await);
    let body = json!({ "text": "y", "request_id": Uuid::new_v4() });
    assert_eq!(f.call("PATCH", &f.member, &path, Some(body.clone())).await.status, 200);
    f.kick(&f.member).await;
    assert_problem(&f.call("PATCH", &f.member, &path, Some(body)).await, 404, "not_found", &[]);
}
