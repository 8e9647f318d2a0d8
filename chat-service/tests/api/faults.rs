//! Answers while Postgres is unavailable, slow or hanging.

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

/// The one-way delay of a link on which connecting takes longer than a request waits, but a query does not.
const FAR: Duration = Duration::from_millis(120);

/// The longest time until a client learns that Postgres is unavailable.
const UNAVAILABLE_TIMEOUT: Duration = Duration::from_secs(2);

async fn in_time<T>(asking: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let answer = asking.await;
    assert!(began.elapsed() < UNAVAILABLE_TIMEOUT, "{:?}", began.elapsed());
    answer
}

async fn refused(app: &TestApp, user: &User, chat: &str) {
    for path in ["/users/me", "/users?q=a", "/chats", &format!("/chats/{chat}"), &format!("/chats/{chat}/messages")] {
        let answer = in_time(app.get(&format!("/api/v1{path}"), user)).await;
        assert_problem(&answer, 503, "unavailable", &[]);
    }
    let credentials = json!({ "username": user.name, "password": PASSWORD });
    for path in ["/api/v1/auth/login", "/api/v1/auth/register"] {
        let answer: Answer = in_time(app.api.call("POST", path, None, Some(&credentials))).await.expect("call API");
        assert_problem(&answer, 503, "unavailable", &[]);
    }
    let sent = in_time(app.send_again(chat, user, "hello", Uuid::new_v4())).await.expect_err("refuse request");
    assert_eq!(sent.code, ErrorCode::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn works_again_after_an_outage_of_postgres() {
    let folder = folder();
    let postgres = Postgres::start(folder.path(), None).await.expect("start Postgres");
    let port = postgres.port();
    let app = TestApp::launch(&postgres.url("postgres"), &[]).await;
    app.api.until_ready().await.expect("become ready");
    let (alice, _, chat) = app.pair().await;

    postgres.stop().await.expect("stop server");
    refused(&app, &alice, &chat).await;
    let retry_after = reqwest::Client::new().get(format!("{}/api/v1/users/me", app.base)).bearer_auth(&alice.token);
    assert_eq!(retry_after.send().await.expect("send request").headers()["retry-after"], "1");
    until("it is not ready", async || app.api.call("GET", "/ready", None, None).await.expect("call API").status == 503)
        .await;
    let health = app.api.call("GET", "/health", None, None).await.expect("call API");
    assert_eq!((health.status, &health.body["database"]), (503, &json!("unhealthy")));
    assert_eq!(app.api.call("GET", "/live", None, None).await.expect("call API").status, 200);

    let _postgres = Postgres::start(folder.path(), Some(port)).await.expect("start Postgres");
    app.api.until_ready().await.expect("become ready again");
    assert_eq!(app.send(&chat, &alice, "hello").await.seq, 1);
    assert_eq!(app.get("/api/v1/chats", &alice).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn does_not_wait_for_a_hanging_postgres() {
    // The operating system accepts connections for the listener, which never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("bind port");
    let address = silent.local_addr().expect("get address");
    let with_users = TestApp::start().await;
    let alice = with_users.user().await;
    let app = TestApp::launch(&format!("postgres://neon@{address}/neondb"), &[]).await;
    refused(&app, &alice, &Uuid::now_v7().to_string()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_nothing_after_a_lock_timeout() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    let mut locking = sql(&app.database).await;
    let lock = locking.transaction().await.expect("begin transaction");
    lock.batch_execute("SELECT FROM chats FOR UPDATE").await.expect("take lock");
    let request = Uuid::new_v4();
    let sent = in_time(app.send_again(&chat, &alice, "hello", request)).await.expect_err("refuse request");
    assert_eq!(sent.code, ErrorCode::Unavailable);
    drop(lock);

    // The refused message was not stored, so the same request can be sent again.
    assert_eq!(app.send(&chat, &bob, "first").await.seq, 1);
    let again = app.send_again(&chat, &alice, "hello", request).await.expect("send message");
    assert_eq!((again.seq, again.duplicate), (2, false));
}

/// Makes every insert into a table fail at its commit.
async fn fail_at_commit(app: &TestApp, table: &str) {
    let trigger = format!(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE disk_full; END $$;
         CREATE CONSTRAINT TRIGGER fail AFTER INSERT OR UPDATE ON {table} DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION fail()"
    );
    app.sql().await.batch_execute(&trigger).await.expect("create trigger");
}

#[tokio::test(flavor = "multi_thread")]
async fn does_not_acknowledge_message_whose_commit_fails() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.pair().await;
    fail_at_commit(&app, "messages").await;
    let sent = app.send_again(&chat, &alice, "hello", Uuid::new_v4()).await.expect_err("refuse request");
    assert_eq!(sent.code, ErrorCode::Unavailable);
    let history = app.get(&format!("/api/v1/chats/{chat}/messages"), &alice).await;
    assert_eq!(history.body["messages"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn does_not_register_user_whose_commit_fails() {
    let app = TestApp::start().await;
    fail_at_commit(&app, "users").await;
    let credentials = json!({ "username": "alice", "password": PASSWORD });
    let answer = app.api.call("POST", "/api/v1/auth/register", None, Some(&credentials)).await.expect("call API");
    assert_problem(&answer, 503, "unavailable", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_receipt_whose_commit_fails() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    app.send(&chat, &alice, "hello").await;
    fail_at_commit(&app, "chat_members").await;
    let answer = app.put(&format!("/api/v1/chats/{chat}/receipt"), &bob, &json!({ "read": 1 })).await;
    assert_problem(&answer, 503, "unavailable", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn connects_although_it_takes_longer_than_a_request_waits() {
    let url = harness::test_database().await;
    let port = url.parse::<tokio_postgres::Config>().expect("parse URL").get_ports()[0];
    let proxy = Proxy::start(port).expect("start proxy");
    let app = TestApp::launch(&url.replace(&format!(":{port}/"), &format!(":{}/", proxy.port())), &[]).await;
    app.api.until_ready().await.expect("become ready");
    let user = app.user().await;
    // All connections are closed, and new ones take long.
    proxy.disturb(Disturbance::Reset);
    let me = async || app.get("/api/v1/users/me", &user).await.status;
    until("the connections have ended", async || me().await == 503).await;
    proxy.disturb(Disturbance::Delay(FAR));
    until("a request finds a connection", async || me().await == 200).await;
}
