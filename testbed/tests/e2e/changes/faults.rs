//! Changes while a part of the system is down.

use neonchat_testbed::{
    client::text,
    harness::until,
    redis::{Persistence, Redis},
};
use serde_json::json;
use tokio_postgres::{Client, NoTls};

use super::{Change, Stage, event, next};

impl Stage {
    pub(super) async fn sql(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.database, NoTls).await.expect("connect to Postgres");
        tokio::spawn(connection);
        client
    }
}

/// Statements of this database that wait for a lock.
const WAITING: &str = "FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";

async fn count(sql: &Client, what: &str) -> i64 {
    sql.query_one(&format!("SELECT count(*) {what}"), &[]).await.expect("query row").get(0)
}

/// The statement waits for the lock of the chat when chat-service is killed. Postgres executes it all the same when it gets the
/// lock, or not at all if the connection is terminated.
#[tokio::test(flavor = "multi_thread")]
async fn repeated_change_of_a_killed_chat_service_is_made_once() {
    for is_stored in [true, false] {
        let mut stage = Stage::start(&[]).await;
        let (alice, bob, chat) = (stage.alice.clone(), stage.bob.clone(), stage.chat.clone());
        let (mut phone, mut bobs) = (stage.open(0, &alice).await, stage.open(1, &bob).await);
        let ack = phone.send_message(&chat, "sent").await.expect("receive ack");
        let message = text(&ack["message_id"]).expect("find ID");
        event(&mut bobs, "new_message", 1).await;

        let (lock, sql) = (stage.sql().await, stage.sql().await);
        lock.batch_execute(&format!("BEGIN; SELECT FROM chats WHERE id = '{chat}' FOR UPDATE"))
            .await
            .expect("lock chat");
        let change = Change::edit(&message, "edited");
        phone.send(&change.frame(&chat)).await.expect("send");
        until("the statement waits for the lock", async || count(&sql, WAITING).await == 1).await;
        stage.running.system.kill_chat_service().await.expect("kill chat-service");
        if !is_stored {
            sql.batch_execute(&format!("SELECT pg_terminate_backend(pid) {WAITING}")).await.expect("end connection");
        }
        lock.batch_execute("COMMIT").await.expect("unlock chat");
        until("the statement has ended", async || count(&sql, WAITING).await == 0).await;
        let stored = i64::from(is_stored);
        until("the change is stored", async || count(&sql, "FROM chat_events").await == stored).await;
        let error = next(&mut phone).await;
        assert_eq!((&error["code"], &error["retryable"]), (&json!("unavailable"), &json!(true)), "{error}");

        stage.running.system.kill_and_restart_chat_service().await.expect("restart chat-service");
        let (mut acked, mut events) = (None, 0);
        phone.send(&change.frame(&chat)).await.expect("send");
        while acked.is_none() || events < stored {
            let frame = next(&mut phone).await;
            match frame["type"].as_str() {
                // The circuit breaker may still be open.
                Some("error") => phone.send(&change.frame(&chat)).await.expect("send"),
                Some("ack") => acked = Some(frame),
                Some("lagged") => {
                    assert_eq!((&frame["from_seq"], &frame["head_seq"]), (&json!(2), &json!(2)));
                    events += 1;
                }
                _ => {
                    assert_eq!((&frame["type"], &frame["seq"]), (&json!("message_edited"), &json!(2)));
                    events += 1;
                }
            }
        }
        // Each number arrives once: as the ack of the first request, or as an event.
        assert_eq!(acked, Some(change.ack(&chat, Some(2), is_stored)));
        assert_eq!(event(&mut bobs, "message_edited", 2).await["message"]["text"], "edited");
        assert_eq!(bobs.send_message(&chat, "next").await.expect("receive ack")["seq"], 3);
        event(&mut phone, "new_message", 3).await;
        let events = stage.get("/events", &bob).await;
        let kinds: Vec<_> = events["events"].as_array().expect("events").iter().map(|event| &event["type"]).collect();
        assert_eq!(kinds, ["message", "message_edited", "message"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_without_redis_arrive_in_order_after_resync() {
    let folder = tempfile::tempdir().expect("create directory");
    let redis = Redis::start(folder.path(), None, Persistence::None).await.expect("start Redis");
    let (url, port) = (redis.url(), redis.port());
    let stage = Stage::start(&[("REDIS_URL", &url)]).await;
    let Stage { alice, bob, chat, .. } = &stage;
    let (mut phone, mut laptop, mut bobs) =
        (stage.open(0, alice).await, stage.open(1, alice).await, stage.open(1, bob).await);
    let mut ids = Vec::new();
    for seq in [1, 2] {
        let ack = phone.send_message(chat, "sent").await.expect("receive ack");
        ids.push(text(&ack["message_id"]).expect("find ID"));
        for socket in [&mut laptop, &mut bobs] {
            event(socket, "new_message", seq).await;
        }
    }

    redis.stop().await.expect("stop Redis");
    for (change, seq) in [(Change::edit(&ids[0], "edited"), 3), (Change::delete(&[&ids[1]]), 4)] {
        assert_eq!(stage.change_over(&mut phone, &change).await, change.ack(chat, Some(seq), false));
    }
    let ack = phone.send_message(chat, "sent").await.expect("receive ack");
    assert_eq!((&ack["status"], &ack["seq"]), (&json!("stored"), &json!(5)));
    let third = text(&ack["message_id"]).expect("find ID");
    let change = Change::edit(&third, "edited");
    assert_eq!(stage.change_over(&mut phone, &change).await, change.ack(chat, Some(6), false));
    // chat-service itself publishes this one, so both instances miss it.
    assert_eq!(stage.change(alice, &Change::edit(&ids[0], "edited again")).await.body["event_seq"], 7);

    let _redis = Redis::start(folder.path(), Some(port), Persistence::None).await.expect("start Redis");
    for (seq, kind) in
        (3..).zip(["message_edited", "messages_deleted", "new_message", "message_edited", "message_edited"])
    {
        for socket in [&mut laptop, &mut bobs] {
            event(socket, kind, seq).await;
        }
    }
    assert_eq!(event(&mut phone, "message_edited", 7).await["message"]["text"], "edited again");
    assert_eq!(bobs.send_message(chat, "again").await.expect("receive ack")["seq"], 8);
    for socket in [&mut phone, &mut laptop] {
        event(socket, "new_message", 8).await;
    }
}
