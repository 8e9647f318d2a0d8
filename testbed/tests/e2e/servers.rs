//! The private servers.

use neonchat_testbed::{
    postgres::{self, Postgres},
    process::Signal,
    redis::{Persistence, Redis},
};
use tokio_postgres::NoTls;

use crate::helpers::folder;

async fn query(url: &str, sql: &str) -> Vec<String> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a connection");
    let connection = tokio::spawn(connection);
    let rows = client.query(sql, &[]).await.expect("rows");
    drop(client);
    connection.await.expect("no panic").expect("a clean end");
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_keeps_its_data_over_a_stop_and_over_a_crash() {
    let folder = folder();
    let postgres = Postgres::start(folder.path(), None).await.expect("a cluster");
    postgres::create_database(&postgres.url("postgres"), "kept").await.expect("a database");
    postgres::create_database(&postgres.url("postgres"), "kept").await.expect("the same database");
    assert_eq!(query(&postgres.url("kept"), "SHOW fsync").await, ["on"]);
    assert_eq!(query(&postgres.url("kept"), "SHOW server_encoding").await, ["UTF8"]);
    query(&postgres.url("kept"), "CREATE TABLE t AS SELECT 'a'::text AS a").await;
    let port = postgres.port();
    postgres.stop().await.expect("stopped");

    let mut postgres = Postgres::start(folder.path(), Some(port)).await.expect("a cluster");
    assert_eq!(postgres.port(), port);
    assert_eq!(query(&postgres.url("kept"), "SELECT a FROM t").await, ["a"]);
    postgres.process().signal(Signal::SIGKILL).expect("killed");
    postgres.process().wait().await.expect("an end");
    drop(postgres);

    let postgres = Postgres::start(folder.path(), None).await.expect("a cluster after the crash");
    assert_eq!(query(&postgres.url("kept"), "SELECT a FROM t").await, ["a"]);
    postgres.stop().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_runs_where_its_user_may_not_enter() {
    use std::os::unix::fs::PermissionsExt as _;
    let outer = folder();
    std::fs::set_permissions(outer.path(), std::fs::Permissions::from_mode(0o700)).expect("permissions");
    let inner = outer.path().join("checkout");
    for _ in 0..2 {
        let postgres = Postgres::start(&inner, None).await.expect("a cluster");
        postgres::create_database(&postgres.url("postgres"), "found").await.expect("a database");
        postgres.stop().await.expect("stopped");
    }
    let real = std::fs::canonicalize(inner.join("data")).expect("the data");
    std::fs::remove_dir_all(real).expect("removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_its_data_where_it_should() {
    let folder = folder();
    let set = |redis: &Redis, value: &'static str| {
        let url = redis.url();
        async move {
            use fred::interfaces::{ClientLike as _, KeysInterface as _};
            let client = neonchat_common::redis::client(&url.into()).expect("a client");
            client.wait_for_connect().await.expect("connected");
            let before: Option<String> = client.set("k", value, None, None, true).await.expect("set");
            client.quit().await.expect("quit");
            before
        }
    };
    let redis = Redis::start(folder.path(), None, Persistence::AppendOnly).await.expect("a Redis");
    assert_eq!(set(&redis, "1").await, None);
    redis.stop().await.expect("stopped");
    let redis = Redis::start(folder.path(), None, Persistence::AppendOnly).await.expect("a Redis");
    assert_eq!(set(&redis, "2").await.as_deref(), Some("1"));
    redis.stop().await.expect("stopped");
}
