//! `chat-service migrate`, which a job runs before an upgrade.

use std::{collections::BTreeSet, path::Path, process::Output, time::Duration};

use chat_service::db::MIGRATIONS;
use diesel::{migration::MigrationSource, pg::Pg};
use neonchat_testbed::{
    harness::{self, until},
    port,
    postgres::Postgres,
    process::Process,
};
use tempfile::tempdir;
use tokio::process::Command;

use crate::support::{TestApp, folder, sql};

fn command(folder: &Path, database: &str, wait: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat-service"));
    command.args(["migrate", "--wait", wait]).current_dir(folder).env("DATABASE_URL", database).kill_on_drop(true);
    command
}

async fn migrate(database: &str, wait: &str) -> (Option<i32>, String) {
    let folder = tempdir().expect("create folder");
    let Output { status, stdout, stderr } = command(folder.path(), database, wait).output().await.expect("run process");
    (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

async fn applied(database: &str) -> usize {
    let sql = sql(database).await;
    sql.query("SELECT version FROM __diesel_schema_migrations", &[]).await.expect("query rows").len()
}

fn known() -> usize {
    MigrationSource::<Pg>::migrations(&MIGRATIONS).expect("run migrations").len()
}

#[test]
fn migrations_have_unique_versions() {
    let migrations = MigrationSource::<Pg>::migrations(&MIGRATIONS).expect("run migrations");
    let versions: BTreeSet<_> = migrations.iter().map(|migration| migration.name().version().to_string()).collect();
    assert_eq!(versions.len(), migrations.len(), "{versions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn migrates_an_empty_database_once() {
    let database = harness::test_database().await;
    let (code, said) = migrate(&database, "1m").await;
    assert_eq!((code, said.matches("migration applied").count()), (Some(0), known()), "{said}");
    assert_eq!(migrate(&database, "1m").await, (Some(0), String::new()));
    assert_eq!(applied(&database).await, known());

    let app = TestApp::launch(&database, &[]).await;
    app.api.until_ready().await.expect("become ready");
    app.pair().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_for_a_database_that_starts_later() {
    let port = port::reserve().expect("reserve port");
    let database = format!("postgres://neon@127.0.0.1:{port}/postgres");
    let folder = folder();
    let log = folder.path().join("migrate.log");
    let mut migrating =
        Process::spawn("migrate", &mut command(folder.path(), &database, "1m"), &log).expect("run process");
    let waits = async || std::fs::read_to_string(&log).is_ok_and(|said| said.contains("retrying"));
    migrating.ready_when(Duration::from_secs(30), waits).await.expect("wait for the database");

    let _postgres = Postgres::start(folder.path(), Some(port)).await.expect("start Postgres");
    assert!(migrating.wait().await.expect("wait for the process").success(), "{}", migrating.tail());
    assert_eq!(applied(&database).await, known());
}

#[tokio::test(flavor = "multi_thread")]
async fn fails_if_the_database_does_not_start() {
    let (code, said) = migrate("postgres://neon@127.0.0.1:1/neondb", "0s").await;
    assert!(code == Some(1) && said.contains("the database did not answer within 0s"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fails_if_a_migration_fails() {
    let database = harness::test_database().await;
    sql(&database).await.batch_execute("CREATE TABLE users (name text)").await.expect("create conflicting table");
    let (code, said) = migrate(&database, "1m").await;
    assert!(code == Some(1) && said.contains("\"users\" already exists"), "{said}");
    assert_eq!(applied(&database).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn replaces_indexes_whose_creation_was_interrupted() {
    let indexes = ["messages_gone", "chat_members_admins", "chats_closed", "chat_members_groups"];
    let migrations = MigrationSource::<Pg>::migrations(&MIGRATIONS).expect("read migrations");
    let of_indexes = migrations.iter().filter(|migration| !migration.metadata().run_in_transaction());
    let versions: Vec<_> = of_indexes.map(|migration| migration.name().version().to_string()).collect();
    assert_eq!(versions.len(), indexes.len(), "{versions:?}");
    let database = harness::test_database().await;
    assert_eq!(migrate(&database, "1m").await.0, Some(0));
    let sql = sql(&database).await;
    let forget = "DELETE FROM __diesel_schema_migrations WHERE version = ANY ($1)";
    let names = indexes.map(|index| format!("'{index}'::regclass")).join(", ");
    // Interrupted before the index was complete, or before the migration was recorded.
    for is_valid in [false, true] {
        sql.execute(forget, &[&versions]).await.expect("delete versions");
        let invalidate = format!("UPDATE pg_index SET indisvalid = {is_valid} WHERE indexrelid IN ({names})");
        assert_eq!(sql.execute(&invalidate, &[]).await.expect("change catalog"), 4);

        let (code, said) = migrate(&database, "1m").await;
        assert_eq!((code, said.matches("migration applied").count()), (Some(0), versions.len()), "{said}");
        let valid = format!("SELECT FROM pg_index WHERE indexrelid IN ({names}) AND indisvalid");
        assert_eq!(sql.query(&valid, &[]).await.expect("query rows").len(), indexes.len());
        assert_eq!(applied(&database).await, known());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn completes_an_index_after_a_failed_attempt() {
    let database = harness::test_database().await;
    assert_eq!(migrate(&database, "1m").await.0, Some(0));
    let (sql, blocker) = (sql(&database).await, sql(&database).await);
    let revert = "DELETE FROM __diesel_schema_migrations WHERE version = '20261126000007';
                  DROP INDEX chat_members_groups";
    sql.batch_execute(revert).await.expect("revert migration");
    // The attempt waits for this transaction.
    blocker.batch_execute("BEGIN; LOCK TABLE chat_members IN ROW EXCLUSIVE MODE").await.expect("take lock");
    let name = database.rsplit('/').next().expect("URL has a database name");
    let (attempt, ended) = tokio::join!(migrate(&database, "1m"), async {
        let waits = "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND query LIKE '%CREATE INDEX CONCURRENTLY%'
                        AND wait_event_type = 'Lock'";
        until("the index waits", async || sql.query(waits, &[&name]).await.is_ok_and(|rows| rows.len() == 1)).await;
        let pid: i32 = sql.query_one(waits, &[&name]).await.expect("find session").get(0);
        sql.query_one("SELECT pg_terminate_backend($1)", &[&pid]).await.map(|row| row.get::<_, bool>(0))
    });
    assert_eq!((attempt.0, ended.expect("end session")), (Some(1), true), "{}", attempt.1);
    blocker.batch_execute("COMMIT").await.expect("commit");
    let is_valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'chat_members_groups'::regclass";
    let is_valid = async || sql.query_one(is_valid, &[]).await.expect("find index").get::<_, bool>(0);
    assert!(!is_valid().await, "the attempt leaves an invalid index");

    assert_eq!(migrate(&database, "1m").await.0, Some(0));
    assert!(is_valid().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn restart_does_not_scan_the_users() {
    let database = harness::test_database().await;
    assert_eq!(migrate(&database, "1m").await.0, Some(0));
    let sql = sql(&database).await;
    let fill = "INSERT INTO users (id, username, username_key, username_skeleton, password_hash)
        SELECT gen_random_uuid(), 'u' || n, 'u' || n, 'u' || n, '' FROM generate_series(1, 10000) AS n;
        ANALYZE users";
    sql.batch_execute(fill).await.expect("insert users");
    let scans = async || {
        let scans =
            "SELECT t.seq_scan, i.idx_scan FROM pg_stat_user_tables AS t JOIN pg_stat_user_indexes AS i USING (relid)
            WHERE i.indexrelname = 'idx_users_username_skeleton'";
        let row = sql.query_one(scans, &[]).await.expect("find index");
        (row.get::<_, i64>(0), row.get::<_, i64>(1))
    };
    let (of_table, of_index) = scans().await;
    assert_eq!(migrate(&database, "1m").await.0, Some(0));
    // A session reports its scans when it ends.
    until("the index was read", async || scans().await.1 > of_index).await;
    assert_eq!(scans().await.0, of_table);
}
