//! Reads from a replica: which requests use it, and that its lag never hides data.

use neonchat_testbed::{
    client::User,
    harness::until,
    postgres::{Postgres, create_database},
};
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::support::{TestApp, folder, sql};

const DATABASE: &str = "chat";

/// Returns the number of replica reads with an outcome. Only one test uses this metric.
async fn count(app: &TestApp, outcome: &str) -> u64 {
    let line = app.api.metric(&format!(r#"db_reader_reads_total{{outcome="{outcome}"}}"#)).await.unwrap_or_default();
    line.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or_default()
}

/// Returns the `seq`s of a page of history.
async fn page(app: &TestApp, user: &User, chat: &str, query: &str) -> Vec<i64> {
    let answer = app.get(&format!("/api/v1/chats/{chat}/messages?{query}"), user).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let messages = answer.body["messages"].as_array().expect("array of messages").iter();
    messages.map(|message: &Value| message["seq"].as_i64().expect("seq as integer")).collect()
}

/// Waits until the replica has replayed everything.
async fn until_in_step(primary: &Client, replica: &Client) {
    let position = "SELECT pg_current_wal_lsn()::text";
    let position: String = primary.query_one(position, &[]).await.expect("read position").get(0);
    let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{position}'");
    until("the replica has replayed everything", async || {
        replica.query_one(&replayed, &[]).await.expect("query Postgres").get(0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replica_serves_older_pages_without_gaps_despite_lag() {
    let folder = folder();
    let primary = Postgres::start(&folder.path().join("primary"), None).await.expect("start Postgres");
    create_database(&primary.url("postgres"), DATABASE).await.expect("create database");
    let replica = primary.replica(&folder.path().join("replica")).await.expect("start replica");
    let (database, read_url) = (primary.url(DATABASE), replica.url(DATABASE));
    let app = TestApp::launch(&database, &[("DATABASE_READ_URL", &read_url)]).await;
    app.api.until_ready().await.expect("become ready");
    let (on_primary, on_replica) = (sql(&database).await, sql(&read_url).await);

    let (alice, _, chat) = app.pair().await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(app.send(&chat, &alice, "x").await.message_id);
    }
    until_in_step(&on_primary, &on_replica).await;
    assert_eq!(page(&app, &alice, &chat, &format!("before_id={}&min_seq=4", ids[3])).await, [3, 2, 1]);
    assert_eq!((count(&app, "answered").await, count(&app, "behind").await), (1, 0));

    on_replica.execute("SELECT pg_wal_replay_pause()", &[]).await.expect("pause replay");
    let paused = "SELECT pg_get_wal_replay_pause_state() = 'paused'";
    until("replay is paused", async || on_replica.query_one(paused, &[]).await.expect("query Postgres").get(0)).await;
    for _ in 0..3 {
        ids.push(app.send(&chat, &alice, "x").await.message_id);
    }
    let (carol, _, newer_chat) = app.pair().await;
    let in_newer_chat = app.send(&newer_chat, &carol, "x").await.message_id;
    // New messages are visible immediately: on the newest page, after a message, before a new one, and in a new chat.
    assert_eq!(page(&app, &alice, &chat, "").await, [7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(page(&app, &alice, &chat, &format!("after_id={}", ids[3])).await, [7, 6, 5]);
    let events = app.get(&format!("/api/v1/chats/{chat}/events?after=4"), &alice).await;
    assert_eq!((&events.body["head_seq"], events.body["events"].as_array().map(Vec::len)), (&7.into(), Some(3)));
    assert_eq!((count(&app, "answered").await, count(&app, "behind").await), (1, 0));
    assert_eq!(page(&app, &alice, &chat, &format!("before_id={}&min_seq=7", ids[6])).await, [6, 5, 4, 3, 2, 1]);
    assert!(page(&app, &carol, &newer_chat, &format!("before_id={in_newer_chat}&min_seq=1")).await.is_empty());
    assert_eq!((count(&app, "answered").await, count(&app, "behind").await), (1, 2));
    // Without `min_seq` the page is from the primary, since it might show a message as it was before an edit.
    let path = format!("/api/v1/chats/{chat}/messages/{}", ids[0]);
    let edit = json!({ "text": "edited" });
    let edited = app.api.call("PATCH", &path, Some(&alice.token), Some(&edit)).await.expect("call API");
    assert_eq!(edited.body["event_seq"], 8);
    let first = async |min_seq: &str| {
        let answer = app.get(&format!("/api/v1/chats/{chat}/messages?before_id={}{min_seq}", ids[1]), &alice).await;
        answer.body["messages"][0]["text"].clone()
    };
    assert_eq!(first("").await, "edited");
    assert_eq!((count(&app, "answered").await, count(&app, "behind").await), (1, 2));
    assert_eq!(first("&min_seq=8").await, "edited");
    assert_eq!((count(&app, "answered").await, count(&app, "behind").await), (1, 3));
    // The replica still serves what it has.
    assert_eq!(page(&app, &alice, &chat, &format!("before_id={}&min_seq=4", ids[2])).await, [2, 1]);
    assert_eq!(count(&app, "answered").await, 2);
    let stranger = app.get(&format!("/api/v1/chats/{chat}/messages?before_id={}&min_seq=4", ids[2]), &carol).await;
    assert_eq!(stranger.status, 404);

    on_replica.execute("SELECT pg_wal_replay_resume()", &[]).await.expect("resume replay");
    until_in_step(&on_primary, &on_replica).await;
    assert_eq!(page(&app, &alice, &chat, &format!("before_id={}&min_seq=7", ids[6])).await, [6, 5, 4, 3, 2, 1]);
    assert_eq!(count(&app, "answered").await, 3);

    let port = replica.port();
    drop(on_replica);
    replica.stop().await.expect("stop server");
    assert_eq!(page(&app, &alice, &chat, &format!("before_id={}&min_seq=7", ids[6])).await, [6, 5, 4, 3, 2, 1]);
    assert_eq!((count(&app, "answered").await, count(&app, "away").await), (3, 1));
    let replica = Postgres::start(&folder.path().join("replica"), Some(port)).await.expect("start replica");
    until("the replica is used again", async || {
        assert_eq!(page(&app, &alice, &chat, &format!("before_id={}&min_seq=2", ids[1])).await, [1]);
        count(&app, "answered").await == 4
    })
    .await;
    app.stop().await.expect("join task").expect("stop app");
    replica.stop().await.expect("stop server");
    primary.stop().await.expect("stop server");
}
