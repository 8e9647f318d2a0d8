//! Rate limits. Each test has its own Redis, because all tests share one address.

mod client;

use std::time::{Duration, Instant};

use fred::{
    interfaces::{ClientLike as _, HashesInterface as _, KeysInterface as _},
    prelude::{Builder, Config},
};
use neonchat_testbed::{
    client::{PASSWORD, User},
    harness::until,
    process::Signal,
    redis::cluster::RedisCluster,
};
use serde_json::json;

use self::client::{get, me, post};
use crate::support::{TestApp, own_redis};

/// Starts an instance and waits until it has connected to Redis.
async fn limited(redis: &str, settings: &[(&str, &str)]) -> TestApp {
    let mut all = vec![("REDIS_URL", redis), ("RATE_LIMIT_PER_MINUTE", "4")];
    all.extend(settings);
    let app = TestApp::start_with(&all).await;
    app.until_redis().await;
    app
}

async fn bypassed(app: &TestApp) -> u64 {
    let line = app.api.metric("rate_limit_bypassed_total").await.unwrap_or_default();
    line.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_requests_of_a_user_per_minute() {
    let (redis, _folder) = own_redis().await;
    let app = limited(&redis.url(), &[]).await;
    let (alice, bob) = (app.user().await, app.user().await);
    for remaining in [3, 2, 1, 0] {
        me(&app, &alice).await.assert_passed(200, 4, remaining);
    }
    let refused = app.get("/api/v1/users/me", &alice).await;
    crate::support::assert_problem(&refused, 429, "rate_limited", &[]);
    me(&app, &alice).await.assert_refused(4);
    // The limit is for the user on all paths, even unknown ones.
    get(&app, "/api/v1/nothing", Some(&alice.token), "").await.assert_refused(4);
    get(&app, "/api/v1/nothing", Some(&bob.token), "").await.assert_passed(404, 4, 3);
    get(&app, "/api/v1/chats/1", Some(&bob.token), "").await.assert_passed(422, 4, 2);

    for path in ["/health", "/live", "/ready", "/metrics"] {
        for _ in 0..6 {
            let outcome = get(&app, path, Some(&alice.token), "").await;
            assert!(outcome.status != 429 && outcome.limit.is_none(), "{path} {outcome:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_cluster_keeps_limits_after_a_node_is_killed() {
    let folder = tempfile::tempdir().expect("create folder");
    let mut cluster = RedisCluster::start(folder.path()).await.expect("start cluster");
    // Registrations are not limited here, because they all come from one address.
    let unlimited = TestApp::start().await;
    let url = cluster.url();
    let app = TestApp::launch(&unlimited.database, &[("REDIS_URL", &url), ("RATE_LIMIT_PER_MINUTE", "2")]).await;
    app.until_redis().await;
    let mut users = Vec::new();
    for _ in 0..6 {
        let user = unlimited.user().await;
        me(&app, &user).await.assert_passed(200, 2, 1);
        me(&app, &user).await.assert_passed(200, 2, 0);
        me(&app, &user).await.assert_refused(2);
        users.push(user);
    }

    let key = format!("limit:user:{}", users[0].id);
    let before = cluster.master_of(&key).await.expect("find master");
    cluster.kill_master_of(&key).await.expect("kill process");
    // Requests pass while a node of Redis is unavailable.
    assert_eq!(me(&app, &users[0]).await.status, 200);
    cluster.until_master_is_not(before, &key).await.expect("elect another master");
    until("requests are counted again", async || me(&app, &users[0]).await.status == 429).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_by_address_without_a_token() {
    let (redis, _folder) = own_redis().await;
    let app = limited(&redis.url(), &[]).await;
    let user = app.user().await; // Registering and logging in count elsewhere.
    get(&app, "/api/v1/chats", None, "").await.assert_passed(401, 4, 3);
    get(&app, "/api/v1/chats", None, "").await.assert_passed(401, 4, 2);
    get(&app, "/api/v1/chats", Some("made up"), "").await.assert_passed(401, 4, 1);
    get(&app, "/api/v1/nothing", Some("made up"), "").await.assert_passed(404, 4, 0);
    get(&app, "/api/v1/chats", Some("another"), "").await.assert_refused(4);
    // `X-Forwarded-For` of an untrusted client is ignored.
    get(&app, "/api/v1/chats", None, "203.0.113.9").await.assert_refused(4);
    me(&app, &user).await.assert_passed(200, 4, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn uses_client_address_behind_trusted_proxy() {
    let (redis, _folder) = own_redis().await;
    let app = limited(&redis.url(), &[("TRUSTED_PROXIES", "127.0.0.1,10.0.0.0/8")]).await;
    for remaining in [3, 2, 1, 0] {
        // Addresses that the client itself put in front are ignored.
        let way = format!("198.51.100.{remaining}, 203.0.113.9, 10.1.1.{remaining}");
        get(&app, "/api/v1/chats", None, &way).await.assert_passed(401, 4, remaining);
    }
    get(&app, "/api/v1/chats", None, "203.0.113.9").await.assert_refused(4);
    get(&app, "/api/v1/chats", None, "203.0.113.8").await.assert_passed(401, 4, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_share_limits() {
    let (redis, _folder) = own_redis().await;
    let one = limited(&redis.url(), &[("RATE_LIMIT_PER_MINUTE", "20")]).await;
    let settings = [("REDIS_URL", redis.url()), ("RATE_LIMIT_PER_MINUTE", "20".to_owned())];
    let other = TestApp::launch(&one.database, &settings.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
    other.until_redis().await;
    let user = one.user().await;
    me(&one, &user).await.assert_passed(200, 20, 19);
    me(&other, &user).await.assert_passed(200, 20, 18);

    // Concurrent requests to both instances: exactly the limit passes. On a busy machine, one that passed may get no
    // connection to Postgres (503), which does not concern the limit.
    let asking = (0..40).map(|turn| me(if turn % 2 == 0 { &one } else { &other }, &user));
    let outcomes = futures_util::future::join_all(asking).await;
    let passed = || outcomes.iter().filter(|outcome| outcome.status != 429);
    assert_eq!(passed().count(), 18, "{outcomes:?}");
    let mut left: Vec<_> = passed().filter_map(|outcome| outcome.remaining).collect();
    left.sort_unstable();
    assert_eq!(left, (0..18).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn limit_uses_a_sliding_window() {
    let (redis, _folder) = own_redis().await;
    let app = limited(&redis.url(), &[]).await;
    let client =
        Builder::from_config(Config::from_url(&redis.url()).expect("parse URL")).build().expect("build client");
    client.init().await.expect("connect to Redis");
    let user = app.user().await;
    let key = format!("limit:user:{}", user.id);
    let later =
        async |seconds: i64| client.hincrby::<(), _, _>(&key, "start", -1000 * seconds).await.expect("move row");

    for remaining in [3, 2, 1, 0] {
        me(&app, &user).await.assert_passed(200, 4, remaining);
    }
    // At the end of the window, all four are within the last minute; 15 s later, three are.
    let first = me(&app, &user).await;
    first.assert_refused(4);
    assert!((70..=75).contains(&first.retry_after.expect("time in answer")), "{first:?}");
    later(61).await;
    me(&app, &user).await.assert_refused(4);
    later(15).await;
    me(&app, &user).await.assert_passed(200, 4, 0);
    // Refused requests are not counted: the next one passes at the announced time.
    let refused = me(&app, &user).await;
    refused.assert_refused(4);
    assert!(refused.retry_after.expect("time in answer") <= 15, "{refused:?}");
    later(15).await;
    me(&app, &user).await.assert_passed(200, 4, 0);
    later(120).await;
    me(&app, &user).await.assert_passed(200, 4, 3);

    // All keys expire, and a clock that was set back blocks no user.
    let ttl: i64 = client.ttl(&key).await.expect("time in answer");
    assert!((110..=120).contains(&ttl), "{ttl}");
    later(-3600).await;
    me(&app, &user).await.assert_passed(200, 4, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn passes_and_counts_requests_without_redis() {
    let (mut redis, folder) = own_redis().await;
    let port = redis.port();
    let app = limited(&redis.url(), &[]).await;
    let user = app.user().await;
    for remaining in [3, 2, 1, 0] {
        me(&app, &user).await.assert_passed(200, 4, remaining);
    }
    me(&app, &user).await.assert_refused(4);
    let before = bypassed(&app).await;

    // Redis hangs: each request waits for the timeout.
    redis.process().signal(Signal::SIGSTOP).expect("stop server");
    let began = Instant::now();
    let outcome = me(&app, &user).await;
    assert_eq!((outcome.status, outcome.limit), (200, None));
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    redis.process().signal(Signal::SIGCONT).expect("continue process");

    // Redis is stopped.
    redis.stop().await.expect("stop server");
    for _ in 0..6 {
        let outcome = me(&app, &user).await;
        assert_eq!((outcome.status, outcome.limit), (200, None));
    }
    assert!(bypassed(&app).await >= before + 7, "{} {before}", bypassed(&app).await);

    // Redis is back, without counts and cached scripts.
    let redis =
        neonchat_testbed::redis::Redis::start(folder.path(), Some(port), neonchat_testbed::redis::Persistence::None);
    let _redis = redis.await.expect("connect to Redis");
    app.until_redis().await;
    until("requests are limited again", async || me(&app, &user).await.limit.is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_can_be_switched_off() {
    let (redis, _folder) = own_redis().await;
    let app = limited(&redis.url(), &[("RATE_LIMIT_PER_MINUTE", "0")]).await;
    for _ in 0..150 {
        let outcome = get(&app, "/api/v1/chats", None, "").await;
        assert_eq!((outcome.status, outcome.limit), (401, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_auth_by_address_with_any_token() {
    let (redis, _folder) = own_redis().await;
    let limits = [("RATE_LIMIT_PER_MINUTE", "100"), ("AUTH_RATE_LIMIT_PER_MINUTE", "8")];
    let app = limited(&redis.url(), &limits).await;
    let (alice, bob) = (app.user().await, app.user().await); // Four of the eight.
    let login = json!({ "username": alice.name, "password": PASSWORD });
    post(&app, "/api/v1/auth/login", &alice.token, &login).await.assert_passed(200, 8, 3);
    post(&app, "/api/v1/auth/login", &bob.token, &login).await.assert_passed(200, 8, 2);
    post(&app, "/api/v1/auth/register", &bob.token, &login).await.assert_passed(409, 8, 1);
    // The same path in another spelling.
    post(&app, "/api/v1/%61uth/login", &bob.token, &login).await.assert_passed(200, 8, 0);
    for path in ["/api/v1/auth/login", "/api/v1/auth/register", "/api/v1/%61uth/login", "/api/v1/auth/logout"] {
        post(&app, path, &alice.token, &login).await.assert_refused(8);
    }
    // Other requests of the users are not affected.
    me(&app, &alice).await.assert_passed(200, 100, 99);
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_revoked_token_for_the_address() {
    let (redis, _folder) = own_redis().await;
    let app = limited(&redis.url(), &[("RATE_LIMIT_PER_MINUTE", "6")]).await;
    let other = TestApp::launch(&app.database, &[("REDIS_URL", &redis.url()), ("RATE_LIMIT_PER_MINUTE", "6")]).await;
    other.api.until_ready().await.expect("become ready");
    other.until_redis().await;
    let stolen = app.user().await;
    let login = json!({ "username": stolen.name, "password": PASSWORD });
    let login = app.api.call("POST", "/api/v1/auth/login", None, Some(&login)).await.expect("call API");
    let alice = User { token: login.body["token"].as_str().expect("token as string").to_owned(), ..stolen.clone() };
    post(&app, "/api/v1/auth/logout", &stolen.token, &json!({})).await.assert_passed(204, 60, 56);

    for (instance, remaining) in [(&app, 5), (&app, 4), (&other, 3), (&other, 2), (&app, 1), (&other, 0)] {
        me(instance, &stolen).await.assert_passed(401, 6, remaining);
    }
    for instance in [&app, &other] {
        me(instance, &stolen).await.assert_refused(6);
    }
    for (instance, remaining) in [(&app, 5), (&other, 4)] {
        me(instance, &alice).await.assert_passed(200, 6, remaining);
    }
}
