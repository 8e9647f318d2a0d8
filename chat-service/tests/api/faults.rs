//! What a client sees while Postgres is away, slow, or silent.

use std::time::{Duration, Instant};

use neonchat_common::error::ErrorCode;
use neonchat_testbed::{
    client::{Answer, PASSWORD, User},
    harness::{self, until},
    postgres::Postgres,
    proxy::{Disturbance, Proxy},
};
use serde_json::json;
use uuid::Uuid;

use crate::support::{TestApp, assert_problem, folder, sql};

/// One way over a link on which connecting takes longer than a request waits for a connection, and a query does not.
const FAR: Duration = Duration::from_millis(120);

/// The longest that a client waits to be told that Postgres is away (guarantee G11).
const PATIENCE: Duration = Duration::from_secs(2);

async fn in_time<T>(asking: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let answer = asking.await;
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    answer
}

async fn refused(app: &TestApp, user: &User, chat: &str) {
    for path in ["/users/me", "/users?q=a", "/chats", &format!("/chats/{chat}"), &format!("/chats/{chat}/messages")] {
        let answer = in_time(app.get(&format!("/api/v1{path}"), user)).await;
        assert_problem(&answer, 503, "unavailable", &[]);
    }
    let credentials = json!({ "username": user.name, "password": PASSWORD });
    for path in ["/api/v1/auth/login", "/api/v1/auth/register"] {
        let answer: Answer = in_time(app.api.call("POST", path, None, Some(&credentials))).await.expect("an answer");
        assert_problem(&answer, 503, "unavailable", &[]);
    }
    let sent = in_time(app.send_again(chat, user, "hello", Uuid::new_v4())).await.expect_err("refused");
    assert_eq!(sent.code, ErrorCode::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_outlives_postgres() {
    let folder = folder();
    let postgres = Postgres::start(folder.path(), None).await.expect("Postgres");
    let port = postgres.port();
    let app = TestApp::launch(&postgres.url("postgres"), &[]).await;
    app.api.until_ready().await.expect("ready");
    let (alice, _, chat) = app.pair().await;

    postgres.stop().await.expect("stopped");
    refused(&app, &alice, &chat).await;
    let retry_after = reqwest::Client::new().get(format!("{}/api/v1/users/me", app.base)).bearer_auth(&alice.token);
    assert_eq!(retry_after.send().await.expect("an answer").headers()["retry-after"], "1");
    until("it is not ready", async || {
        app.api.call("GET", "/ready", None, None).await.expect("an answer").status == 503
    })
    .await;
    let health = app.api.call("GET", "/health", None, None).await.expect("an answer");
    assert_eq!((health.status, &health.body["database"]), (503, &json!("unhealthy")));
    assert_eq!(app.api.call("GET", "/live", None, None).await.expect("an answer").status, 200);

    let _postgres = Postgres::start(folder.path(), Some(port)).await.expect("Postgres");
    app.api.until_ready().await.expect("ready again");
    assert_eq!(app.send(&chat, &alice, "hello").await.seq, 1);
    assert_eq!(app.get("/api/v1/chats", &alice).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_postgres_is_not_waited_for() {
    // The system accepts connections for whoever listens, and nobody ever answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    let with_users = TestApp::start().await;
    let alice = with_users.user().await;
    let app = TestApp::launch(&format!("postgres://neon@{address}/neondb"), &[]).await;
    refused(&app, &alice, &Uuid::now_v7().to_string()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_waited_for_only_so_long_and_nothing_is_stored() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    let mut locking = sql(&app.database).await;
    let lock = locking.transaction().await.expect("a transaction");
    lock.batch_execute("SELECT FROM chats FOR UPDATE").await.expect("locked");
    let request = Uuid::new_v4();
    let sent = in_time(app.send_again(&chat, &alice, "hello", request)).await.expect_err("refused");
    assert_eq!(sent.code, ErrorCode::Unavailable);
    drop(lock);

    // Refused was not stored; the same request may be sent again.
    assert_eq!(app.send(&chat, &bob, "first").await.seq, 1);
    let again = app.send_again(&chat, &alice, "hello", request).await.expect("a message");
    assert_eq!((again.seq, again.duplicate), (2, false));
}

/// Makes every insert into a table fail, not at once, but when it is committed.
async fn fail_at_commit(app: &TestApp, table: &str) {
    let trigger = format!(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE disk_full; END $$;
         CREATE CONSTRAINT TRIGGER fail AFTER INSERT OR UPDATE ON {table} DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION fail()"
    );
    app.sql().await.batch_execute(&trigger).await.expect("a trigger");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_commit_fails_is_not_acked() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.pair().await;
    fail_at_commit(&app, "messages").await;
    let sent = app.send_again(&chat, &alice, "hello", Uuid::new_v4()).await.expect_err("refused");
    assert_eq!(sent.code, ErrorCode::Unavailable);
    let history = app.get(&format!("/api/v1/chats/{chat}/messages"), &alice).await;
    assert_eq!(history.body["messages"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_whose_commit_fails_is_not_registered() {
    let app = TestApp::start().await;
    fail_at_commit(&app, "users").await;
    let credentials = json!({ "username": "alice", "password": PASSWORD });
    let answer = app.api.call("POST", "/api/v1/auth/register", None, Some(&credentials)).await.expect("an answer");
    assert_problem(&answer, 503, "unavailable", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_whose_commit_fails_is_refused() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    app.send(&chat, &alice, "hello").await;
    fail_at_commit(&app, "chat_members").await;
    let answer = app.put(&format!("/api/v1/chats/{chat}/receipt"), &bob, &json!({ "read": 1 })).await;
    assert_problem(&answer, 503, "unavailable", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn connecting_may_take_longer_than_a_request_waits() {
    let url = harness::test_database().await;
    let port = url.parse::<tokio_postgres::Config>().expect("a URL").get_ports()[0];
    let proxy = Proxy::start(port).expect("a proxy");
    let app = TestApp::launch(&url.replace(&format!(":{port}/"), &format!(":{}/", proxy.port())), &[]).await;
    app.api.until_ready().await.expect("ready");
    let user = app.user().await;
    // All that there were end, and new ones are far away.
    proxy.disturb(Disturbance::Reset);
    let me = async || app.get("/api/v1/users/me", &user).await.status;
    until("the connections have ended", async || me().await == 503).await;
    proxy.disturb(Disturbance::Delay(FAR));
    until("a request finds a connection", async || me().await == 200).await;
}
