//! The private Postgres and Redis servers.

use neonchat_testbed::{
    postgres::{self, Postgres},
    process::Signal,
    redis::{Persistence, Redis},
};
use tokio_postgres::NoTls;

use crate::helpers::folder;

async fn query(url: &str, sql: &str) -> Vec<String> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("connect");
    let connection = tokio::spawn(connection);
    let rows = client.query(sql, &[]).await.expect("query rows");
    drop(client);
    connection.await.expect("join task").expect("close connection");
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_its_data_after_a_stop_and_a_crash() {
    let folder = folder();
    let postgres = Postgres::start(folder.path(), None).await.expect("start Postgres");
    postgres::create_database(&postgres.url("postgres"), "kept").await.expect("create database");
    postgres::create_database(&postgres.url("postgres"), "kept").await.expect("accept existing database");
    assert_eq!(query(&postgres.url("kept"), "SHOW fsync").await, ["on"]);
    assert_eq!(query(&postgres.url("kept"), "SHOW server_encoding").await, ["UTF8"]);
    query(&postgres.url("kept"), "CREATE TABLE t AS SELECT 'a'::text AS a").await;
    let port = postgres.port();
    postgres.stop().await.expect("stop server");

    let mut postgres = Postgres::start(folder.path(), Some(port)).await.expect("start Postgres");
    assert_eq!(postgres.port(), port);
    assert_eq!(query(&postgres.url("kept"), "SELECT a FROM t").await, ["a"]);
    postgres.process().signal(Signal::SIGKILL).expect("kill process");
    postgres.process().wait().await.expect("wait for end");
    drop(postgres);

    let postgres = Postgres::start(folder.path(), None).await.expect("restart Postgres after a crash");
    assert_eq!(query(&postgres.url("kept"), "SELECT a FROM t").await, ["a"]);
    postgres.stop().await.expect("stop server");
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_runs_in_a_directory_its_user_cannot_enter() {
    use std::os::unix::fs::PermissionsExt as _;
    let outer = folder();
    std::fs::set_permissions(outer.path(), std::fs::Permissions::from_mode(0o700)).expect("set permissions");
    let inner = outer.path().join("checkout");
    for _ in 0..2 {
        let postgres = Postgres::start(&inner, None).await.expect("start Postgres");
        postgres::create_database(&postgres.url("postgres"), "found").await.expect("create database");
        postgres.stop().await.expect("stop server");
    }
    let real = std::fs::canonicalize(inner.join("data")).expect("resolve data directory");
    std::fs::remove_dir_all(real).expect("remove files");
}

#[tokio::test(flavor = "multi_thread")]
async fn append_only_redis_keeps_its_data() {
    let folder = folder();
    let set = |redis: &Redis, value: &'static str| {
        let url = redis.url();
        async move {
            use fred::interfaces::{ClientLike as _, KeysInterface as _};
            let client = neonchat_common::redis::client(&url.into()).expect("create client");
            client.wait_for_connect().await.expect("connect");
            let before: Option<String> = client.set("k", value, None, None, true).await.expect("set key");
            client.quit().await.expect("quit Redis");
            before
        }
    };
    let redis = Redis::start(folder.path(), None, Persistence::AppendOnly).await.expect("start Redis");
    assert_eq!(set(&redis, "1").await, None);
    redis.stop().await.expect("stop server");
    let redis = Redis::start(folder.path(), None, Persistence::AppendOnly).await.expect("start Redis");
    assert_eq!(set(&redis, "2").await.as_deref(), Some("1"));
    redis.stop().await.expect("stop server");
}
