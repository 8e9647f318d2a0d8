//! Databases that do not meet the requirements, and lost connections.

use std::{fmt::Write as _, path::Path};

use neonchat_testbed::{
    client::{Answer, Api},
    harness::{self, until},
    postgres::{self, Postgres},
    process::{Process, Signal},
};
use serde_json::json;
use tokio_postgres::Config;

use crate::support::{TestApp, folder, sql};

async fn ask(app: &TestApp, path: &str) -> Answer {
    app.api.call("GET", path, None, None).await.expect("call API")
}

/// Waits until the service reports this problem and is not ready.
async fn until_problem(app: &TestApp, problem: &str) {
    until(problem, async || {
        let health = ask(app, "/health").await;
        let is_reported = health.body["database_problem"].as_str().is_some_and(|reported| reported.contains(problem));
        is_reported && health.body["database"] == "unhealthy" && ask(app, "/ready").await.status == 503
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_database_with_another_encoding() {
    let url = harness::test_database().await;
    let original = url.rsplit('/').next().expect("URL has a database name");
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let name = format!("{original}_{}", encoding.to_lowercase());
        let create = format!("CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0");
        sql(&url).await.batch_execute(&create).await.expect("create database");
        let app = TestApp::launch(&postgres::with_database(&url, &name), &[]).await;
        until_problem(&app, &format!("the encoding of the database is {encoding}; UTF8 is required")).await;
        let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
        let made: i64 = app.sql().await.query_one(tables, &[]).await.expect("count rows").get(0);
        assert_eq!(made, 0, "it is not migrated");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_database_user_without_privileges() {
    let app = TestApp::start().await;
    let name = app.database.rsplit('/').next().expect("URL has a database name");
    let user = format!("{name}_guest");
    let create = format!(
        "CREATE USER {user}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user};
         GRANT INSERT, UPDATE, DELETE ON users, chats, chat_members TO {user};"
    );
    app.sql().await.batch_execute(&create).await.expect("find user");
    let guest = TestApp::launch(&app.database.replace("neon@", &format!("{user}@")), &[]).await;
    until_problem(&guest, "the database user lacks INSERT on messages").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn is_not_ready_while_postgres_is_read_only() {
    let folder = folder();
    let primary = Postgres::start(&folder.path().join("primary"), None).await.expect("start Postgres");
    let app = TestApp::launch(&primary.url("postgres"), &[]).await;
    app.api.until_ready().await.expect("become ready");
    let (alice, _, chat) = app.pair().await;
    let admin = app.sql().await;
    for (value, status) in [("on", 503), ("off", 200)] {
        admin
            .batch_execute(&format!("ALTER SYSTEM SET default_transaction_read_only = {value}"))
            .await
            .expect("change setting");
        admin.batch_execute("SELECT pg_reload_conf()").await.expect("reload configuration");
        if status == 503 {
            until_problem(&app, "Postgres is read-only").await;
        }
        until("readiness follows", async || ask(&app, "/ready").await.status == status).await;
    }
    app.send(&chat, &alice, "hello").await;

    let standby = primary.replica(&folder.path().join("standby")).await.expect("start replica");
    let on_standby = TestApp::launch(&standby.url("postgres"), &[]).await;
    until_problem(&on_standby, "Postgres is a standby").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn finds_the_new_primary_after_a_failover() {
    let folder = folder();
    let old = Postgres::start(&folder.path().join("old"), None).await.expect("start Postgres");
    let new = old.replica(&folder.path().join("new")).await.expect("start replica");
    let url = format!(
        "postgres://neon@127.0.0.1:{},127.0.0.1:{}/postgres?target_session_attrs=read-write",
        old.port(),
        new.port()
    );
    let app = TestApp::launch(&url, &[]).await;
    app.api.until_ready().await.expect("become ready");
    let (alice, _, chat) = app.pair().await;
    app.send(&chat, &alice, "first").await;
    let (on_old, on_new) = (sql(&old.url("postgres")).await, sql(&new.url("postgres")).await);
    until("the replica has replayed everything", async || {
        on_new.query("SELECT FROM messages", &[]).await.is_ok_and(|rows| rows.len() == 1)
    })
    .await;

    // The old primary stays up, but becomes read-only.
    on_old.batch_execute("ALTER SYSTEM SET default_transaction_read_only = on").await.expect("change setting");
    on_old.batch_execute("SELECT pg_reload_conf()").await.expect("reload configuration");
    on_new.batch_execute("SELECT pg_promote()").await.expect("promote replica");
    until("a send is stored", async || app.send_again(&chat, &alice, "second", uuid::Uuid::new_v4()).await.is_ok())
        .await;
    let messages = on_new.query("SELECT FROM messages", &[]).await.expect("query rows").len();
    assert!(messages >= 2, "{messages} messages on the new primary");
    until("it is ready", async || ask(&app, "/ready").await.status == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn survives_closed_connections_within_the_pool_size() {
    const MAX: i64 = 4;

    let max = MAX.to_string();
    let database = harness::test_database().await;
    let app = TestApp::launch(&database, &[("DB_MAX_CONNS", &max)]).await;
    app.api.until_ready().await.expect("become ready");
    let (alice, _, chat) = app.pair().await;
    let admin = app.sql().await;
    let open = "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name = 'neonchat-chat-service'";
    let end = "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for round in 0..10 {
        let ended = admin.query(end, &[]).await.expect("end session");
        // Postgres ends some connections while requests use them.
        let requests = (0..40).map(|_| app.get("/api/v1/users/me", &alice));
        let statuses: Vec<u16> =
            futures_util::future::join_all(requests).await.iter().map(|answer| answer.status).collect();
        assert!(statuses.iter().all(|status| *status == 200), "round {round}: {statuses:?}");
        app.send(&chat, &alice, "hello").await;

        let ended: Vec<i32> = ended.iter().map(|row| row.get(0)).collect();
        let left = "SELECT FROM pg_stat_activity WHERE pid = ANY ($1)";
        until("their processes have ended", async || admin.query(left, &[&ended]).await.expect("processes").is_empty())
            .await;
        let count: i64 = admin.query_one(open, &[]).await.expect("count rows").get(0);
        assert!(count <= MAX + 2, "{count} connections, up to two of which are readiness' own");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_waits_for_a_connection_that_timed_out() {
    let database = harness::test_database().await;
    let app = TestApp::launch(&database, &[("DB_MAX_CONNS", "1")]).await;
    app.api.until_ready().await.expect("become ready");
    let alice = app.user().await;
    let count = async || {
        let line = app.api.metric("db_pool_timeouts_total").await.expect("find metric from the start");
        line.rsplit(' ').next().and_then(|count| count.parse::<u64>().ok()).expect("parse number")
    };
    let before = count().await;
    let mut locking = sql(&database).await;
    let lock = locking.transaction().await.expect("begin transaction");
    lock.batch_execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE").await.expect("take lock");
    let both = futures_util::join!(app.get("/api/v1/users/me", &alice), app.get("/api/v1/users/me", &alice));
    assert_eq!((both.0.status, both.1.status), (503, 503));
    assert!(count().await > before);
}

/// Starts a `PgBouncer` in front of a database. It ends with the test.
async fn pgbouncer(folder: &Path, database: &str, pool_mode: &str) -> (Process, String) {
    let port = neonchat_testbed::port::reserve().expect("reserve port");
    let config: Config = database.parse().expect("parse URL");
    let (server, name) = (config.get_ports()[0], config.get_dbname().expect("URL has a database"));
    let mut text = String::from("[databases]\n");
    let _ = writeln!(text, "{name} = host=127.0.0.1 port={server}");
    let _ = writeln!(text, "[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =");
    let _ = writeln!(text, "auth_type = any\npool_mode = {pool_mode}\ndefault_pool_size = 20");
    // Every client connects as this user.
    let text = text.replace(&format!("port={server}\n"), &format!("port={server} user=neon\n"));
    let file = folder.join("pgbouncer.ini");
    std::fs::write(&file, text).expect("write file");
    let program = Path::new("/usr/sbin/pgbouncer");
    let mut command = Process::command(program, Signal::SIGTERM);
    command.arg("--user").arg("nobody").arg(&file);
    let mut process =
        Process::spawn("pgbouncer", &mut command, &folder.join("pgbouncer.log")).expect("start PgBouncer");
    let url = format!("postgres://neon@127.0.0.1:{port}/{name}");
    let answers = async || tokio_postgres::connect(&url, tokio_postgres::NoTls).await.is_ok();
    process.ready_when(std::time::Duration::from_secs(30), answers).await.expect("answer");
    (process, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn works_through_pgbouncer_with_session_pooling() {
    let folder = folder();
    let (_process, url) = pgbouncer(folder.path(), &harness::test_database().await, "session").await;
    let app = TestApp::launch(&url, &[]).await;
    app.api.until_ready().await.expect("become ready");
    let (alice, _, chat) = app.pair().await;
    assert_eq!(app.send(&chat, &alice, "hello").await.seq, 1);
    assert_eq!(app.get("/api/v1/chats", &alice).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn is_not_ready_behind_pgbouncer_with_transaction_pooling() {
    let database = harness::test_database().await;
    for mode in ["transaction", "statement"] {
        let folder = folder();
        let (_process, url) = pgbouncer(folder.path(), &database, mode).await;
        let app = TestApp::launch(&url, &[]).await;
        until_problem(&app, "PgBouncer needs pool_mode = session").await;
        let api: &Api = &app.api;
        assert_eq!(api.call("GET", "/live", None, None).await.expect("call API").body, json!({ "status": "live" }));
    }
}
