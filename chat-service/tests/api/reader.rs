//! A reader of Postgres: what it is asked for, and that nobody gets less than Postgres itself has.

use neonchat_testbed::{
    client::User,
    harness::until,
    postgres::{Postgres, create_database},
};
use serde_json::Value;
use tokio_postgres::Client;

use crate::support::{TestApp, folder, sql};

const DATABASE: &str = "chat";

/// How many reads came to this. Only the one test counts them.
async fn count(app: &TestApp, outcome: &str) -> u64 {
    let line = app.api.metric(&format!(r#"db_reader_reads_total{{outcome="{outcome}"}}"#)).await.unwrap_or_default();
    line.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or_default()
}

/// The `seq`s of a page of history.
async fn page(app: &TestApp, user: &User, chat: &str, query: &str) -> Vec<i64> {
    let answer = app.get(&format!("/api/v1/chats/{chat}/messages?{query}"), user).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let messages = answer.body["messages"].as_array().expect("messages").iter();
    messages.map(|message: &Value| message["seq"].as_i64().expect("a seq")).collect()
}

/// Waits until the reader has all that Postgres has.
async fn until_in_step(primary: &Client, reader: &Client) {
    let position = "SELECT pg_current_wal_lsn()::text";
    let position: String = primary.query_one(position, &[]).await.expect("a position").get(0);
    let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{position}'");
    until("the reader is in step", async || reader.query_one(&replayed, &[]).await.expect("an answer").get(0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn older_pages_come_from_the_reader_and_are_whole_however_far_it_is_behind() {
    let folder = folder();
    let primary = Postgres::start(&folder.path().join("primary"), None).await.expect("Postgres");
    create_database(&primary.url("postgres"), DATABASE).await.expect("a database");
    let reader = primary.replica(&folder.path().join("reader")).await.expect("a replica");
    let (database, read_url) = (primary.url(DATABASE), reader.url(DATABASE));
    let app = TestApp::launch(&database, &[("DATABASE_READ_URL", &read_url)]).await;
    app.api.until_ready().await.expect("ready");
    let (on_primary, on_reader) = (sql(&database).await, sql(&read_url).await);

    let (alice, _, chat) = app.pair().await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(app.send(&chat, &alice, "x").await.message_id);
    }
    until_in_step(&on_primary, &on_reader).await;
    assert_eq!(page(&app, &alice, &chat, &format!("before_id={}", ids[3])).await, [3, 2, 1]);
    assert_eq!((count(&app, "answered").await, count(&app, "behind").await), (1, 0));

    on_reader.execute("SELECT pg_wal_replay_pause()", &[]).await.expect("paused");
    let paused = "SELECT pg_get_wal_replay_pause_state() = 'paused'";
    until("it is paused", async || on_reader.query_one(paused, &[]).await.expect("an answer").get(0)).await;
    for _ in 0..3 {
        ids.push(app.send(&chat, &alice, "x").await.message_id);
    }
    let (carol, _, newer_chat) = app.pair().await;
    let in_newer_chat = app.send(&newer_chat, &carol, "x").await.message_id;
    // What is new is there at once: by the newest page, after a message, before a new one, and in a new chat.
    assert_eq!(page(&app, &alice, &chat, "").await, [7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(page(&app, &alice, &chat, &format!("after_id={}", ids[3])).await, [7, 6, 5]);
    let events = app.get(&format!("/api/v1/chats/{chat}/events?after=4"), &alice).await;
    assert_eq!((&events.body["head_seq"], events.body["events"].as_array().map(Vec::len)), (&7.into(), Some(3)));
    assert_eq!((count(&app, "answered").await, count(&app, "behind").await), (1, 0));
    assert_eq!(page(&app, &alice, &chat, &format!("before_id={}", ids[6])).await, [6, 5, 4, 3, 2, 1]);
    assert!(page(&app, &carol, &newer_chat, &format!("before_id={in_newer_chat}")).await.is_empty());
    assert_eq!((count(&app, "answered").await, count(&app, "behind").await), (1, 2));
    // What the reader has, it still tells.
    assert_eq!(page(&app, &alice, &chat, &format!("before_id={}", ids[2])).await, [2, 1]);
    assert_eq!(count(&app, "answered").await, 2);
    let stranger = app.get(&format!("/api/v1/chats/{chat}/messages?before_id={}", ids[2]), &carol).await;
    assert_eq!(stranger.status, 404);

    on_reader.execute("SELECT pg_wal_replay_resume()", &[]).await.expect("resumed");
    until_in_step(&on_primary, &on_reader).await;
    assert_eq!(page(&app, &alice, &chat, &format!("before_id={}", ids[6])).await, [6, 5, 4, 3, 2, 1]);
    assert_eq!(count(&app, "answered").await, 3);

    let port = reader.port();
    drop(on_reader);
    reader.stop().await.expect("stopped");
    assert_eq!(page(&app, &alice, &chat, &format!("before_id={}", ids[6])).await, [6, 5, 4, 3, 2, 1]);
    assert_eq!((count(&app, "answered").await, count(&app, "away").await), (3, 1));
    let reader = Postgres::start(&folder.path().join("reader"), Some(port)).await.expect("a replica");
    until("the reader is asked again", async || {
        assert_eq!(page(&app, &alice, &chat, &format!("before_id={}", ids[1])).await, [1]);
        count(&app, "answered").await == 4
    })
    .await;
    app.stop().await.expect("no panic").expect("a clean end");
    reader.stop().await.expect("stopped");
    primary.stop().await.expect("stopped");
}
