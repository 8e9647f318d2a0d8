//! Start and end of the process.

use std::{
    fs,
    time::{Duration, Instant},
};

use chat_service::db::MIGRATIONS;
use diesel_async::{AsyncConnection as _, AsyncMigrationHarness, AsyncPgConnection};
use diesel_migrations::MigrationHarness as _;
use neonchat_testbed::{
    exec::Servers,
    harness::{self, until},
    postgres::Postgres,
    process::Process,
};
use serde_json::json;
use tokio::process::Command;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::support::{TestApp, folder, sql};

async fn ready(app: &TestApp) -> (u16, String) {
    let answer = app.api.call("GET", "/ready", None, None).await.expect("call API");
    (answer.status, answer.body["status"].as_str().expect("status as string").to_owned())
}

async fn is_serving(app: &TestApp) -> bool {
    let answer = HealthClient::new(app.grpc.channel()).check(HealthCheckRequest::default()).await;
    answer.expect("get answer").into_inner().status() == ServingStatus::Serving
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_started_together_on_an_empty_database_become_ready() {
    let database = harness::test_database().await;
    let apps = futures_util::future::join_all((0..3).map(|_| TestApp::launch(&database, &[]))).await;
    for app in &apps {
        app.api.until_ready().await.expect("become ready");
        until("grpc.health.v1 reports the same", async || is_serving(app).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_before_postgres() {
    let port = neonchat_testbed::port::reserve().expect("reserve port");
    let app = TestApp::launch(&format!("postgres://neon@127.0.0.1:{port}/postgres"), &[]).await;
    assert_eq!(ready(&app).await, (503, "starting".to_owned()));
    assert!(!is_serving(&app).await);
    assert_eq!(app.api.call("GET", "/live", None, None).await.expect("call API").status, 200);

    let folder = folder();
    let _postgres = Postgres::start(folder.path(), Some(port)).await.expect("start Postgres");
    app.api.until_ready().await.expect("become ready");
    app.user().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn is_not_ready_if_commits_may_be_lost() {
    // For one database, set before the start.
    let database = harness::test_database().await;
    let name = database.rsplit('/').next().expect("URL has a database name");
    let off = format!("ALTER DATABASE {name} SET synchronous_commit = off");
    sql(&database).await.batch_execute(&off).await.expect("change setting");
    let app = TestApp::launch(&database, &[]).await;
    until("it is not ready", async || ready(&app).await == (503, "not ready".to_owned())).await;
    assert!(!is_serving(&app).await);

    // For a whole cluster, changed while the service runs, and back.
    let servers = Servers::start().await.expect("start servers");
    let app = TestApp::launch(&servers.postgres.url("postgres"), &[]).await;
    app.api.until_ready().await.expect("become ready");
    let sql = sql(&app.database).await;
    for setting in ["fsync", "full_page_writes"] {
        for (value, status) in [("off", 503), ("on", 200)] {
            sql.batch_execute(&format!("ALTER SYSTEM SET {setting} = {value}")).await.expect("change setting");
            sql.batch_execute("SELECT pg_reload_conf()").await.expect("reload configuration");
            until("readiness follows the setting", async || ready(&app).await.0 == status).await;
        }
    }
    servers.stop().await.expect("stop server");
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_an_unmet_requirement_once() {
    let database = harness::test_database().await;
    let name = database.rsplit('/').next().expect("URL has a database name");
    let sql = sql(&database).await;
    let set = |value: &str| format!("ALTER DATABASE {name} SET synchronous_commit = {value}");
    sql.batch_execute(&set("off")).await.expect("change setting");
    let folder = folder();
    let log = folder.path().join("chat-service.log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat-service"));
    command.current_dir(folder.path()).env("DATABASE_URL", &database).env("CHAT_SERVICE_HOST", "127.0.0.1");
    command.env("CHAT_SERVICE_PORT", "0").env("CHAT_GRPC_PORT", "0").kill_on_drop(true);
    let mut service = Process::spawn("chat-service", &mut command, &log).expect("run process");
    let lines = |text: &str| fs::read_to_string(&log).map_or(0, |log| log.lines().filter(|l| l.contains(text)).count());
    let timeout = Duration::from_secs(30);
    service.ready_when(timeout, async || lines("synchronous_commit") > 0).await.expect("log the cause");

    sql.batch_execute(&set("on")).await.expect("change setting");
    service.ready_when(timeout, async || lines("ready") > 1).await.expect("become ready");
    assert_eq!(lines("synchronous_commit"), 1, "{}", service.tail());
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_revert_and_apply_again() {
    let app = TestApp::start().await;
    let connection = AsyncPgConnection::establish(&app.database).await.expect("connect");
    let down_and_up = move || {
        let mut harness = AsyncMigrationHarness::new(connection);
        let down = harness.revert_all_migrations(MIGRATIONS).expect("revert migrations").len();
        let up = harness.run_pending_migrations(MIGRATIONS).expect("apply migrations").len();
        (down, up)
    };
    let (down, up) = tokio::task::spawn_blocking(down_and_up).await.expect("finish");
    assert_eq!(down, up);
    app.pair().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_on_a_database_migrated_by_a_later_release() {
    let app = TestApp::start().await;
    let later = "INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231000001')";
    sql(&app.database).await.batch_execute(later).await.expect("record request");
    let restarted = TestApp::launch(&app.database, &[]).await;
    restarted.api.until_ready().await.expect("become ready");
    restarted.pair().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reverting_all_migrations_leaves_nothing() {
    let database = harness::test_database().await;
    let connection = AsyncPgConnection::establish(&database).await.expect("connect");
    let up_and_down = move || {
        let mut harness = AsyncMigrationHarness::new(connection);
        harness.run_pending_migrations(MIGRATIONS).expect("apply migrations");
        harness.revert_all_migrations(MIGRATIONS).expect("revert migrations");
    };
    tokio::task::spawn_blocking(up_and_down).await.expect("finish");
    let tables = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    let left: Vec<String> =
        sql(&database).await.query(tables, &[]).await.expect("query rows").iter().map(|row| row.get(0)).collect();
    assert!(left.iter().all(|name| name.starts_with("__diesel")), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stops_immediately_when_idle() {
    let app = TestApp::start().await;
    app.pair().await;
    let began = Instant::now();
    app.stop().await.expect("join task").expect("stop app");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn drain_answers_requests_under_way() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    let (api, grpc, database) = (app.api.clone(), app.grpc.clone(), app.database.clone());

    // The requests wait for this lock.
    let mut locking = sql(&database).await;
    let lock = locking.transaction().await.expect("begin transaction");
    lock.batch_execute("LOCK TABLE chat_members IN ACCESS EXCLUSIVE MODE").await.expect("take lock");
    let reading = tokio::spawn({
        let alice = alice.clone();
        async move { api.get("/api/v1/chats", &alice).await }
    });
    let sending = tokio::spawn(async move {
        let message = neonchat_proto::chat::v1::ValidateAndStoreMessageRequest {
            chat_id: chat,
            sender_id: bob.id,
            text: "the last one".to_owned(),
            request_id: uuid::Uuid::new_v4().to_string(),
            traceparent: None,
            extra_json: String::new(),
        };
        let mut client = neonchat_proto::chat::v1::chat_service_client::ChatServiceClient::new(grpc.channel());
        client.validate_and_store_message(grpc.request(message)).await
    });
    let observing = sql(&database).await;
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until("both requests wait", async || {
        observing.query_one(waiting, &[]).await.expect("count rows").get::<_, i64>(0) == 2
    })
    .await;

    let stopped = app.stop();
    lock.commit().await.expect("commit");
    assert_eq!(reading.await.expect("join task").expect("get answer").status, 200);
    assert_eq!(sending.await.expect("join task").expect("get answer").into_inner().seq, 1);
    stopped.await.expect("join task").expect("stop app");
}

#[tokio::test(flavor = "multi_thread")]
async fn error_names_the_taken_port() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bind port");
    let port = taken.local_addr().expect("get address").port().to_string();
    let values = [("CHAT_SERVICE_HOST", "127.0.0.1"), ("CHAT_SERVICE_PORT", "0"), ("CHAT_GRPC_PORT", &*port)];
    let settings = chat_service::config::Settings::from_values(values).expect("read settings");
    let error = chat_service::app::App::build(settings).await.err().expect("refuse taken port");
    assert_eq!(error.to_string(), format!("CHAT_GRPC_PORT: cannot listen on 127.0.0.1:{port}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_body_does_not_delay_the_drain() {
    use tokio::io::AsyncWriteExt as _;

    let app = TestApp::start().await;
    let address = app.base.trim_start_matches("http://").to_owned();
    let mut socket = tokio::net::TcpStream::connect(address).await.expect("connect");
    let head =
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{";
    socket.write_all(head.as_bytes()).await.expect("write file");
    assert_eq!(app.api.call("POST", "/api/v1/auth/login", None, Some(&json!({}))).await.expect("call API").status, 422);
    let began = Instant::now();
    app.stop().await.expect("join task").expect("stop app");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
