//! Limits on failed logins. Each test has its own Redis.

use neonchat_testbed::{
    client::{Answer, PASSWORD},
    postgres::Postgres,
};
use reqwest::{Client, Response};
use serde_json::{Value, json};

use crate::support::{TestApp, assert_problem, folder, own_redis};

/// Starts a service that trusts `X-Forwarded-For` and limits only failed logins.
async fn limited(redis: &str) -> TestApp {
    limited_with(redis, &[]).await
}

async fn limited_with(redis: &str, settings: &[(&str, &str)]) -> TestApp {
    let mut all = vec![
        ("REDIS_URL", redis),
        ("RATE_LIMIT_PER_MINUTE", "1000"),
        ("AUTH_RATE_LIMIT_PER_MINUTE", "1000"),
        ("TRUSTED_PROXIES", "127.0.0.1"),
    ];
    all.extend(settings);
    let app = TestApp::start_with(&all).await;
    app.until_redis().await;
    app
}

async fn post(app: &TestApp, name: &str, password: &str, address: &str) -> Response {
    let request = Client::new().post(format!("{}/api/v1/auth/login", app.base)).header("X-Forwarded-For", address);
    request.json(&json!({ "username": name, "password": password })).send().await.expect("send request")
}

async fn log_in(app: &TestApp, name: &str, password: &str, address: &str) -> u16 {
    post(app, name, password, address).await.status().as_u16()
}

const HERE: &str = "203.0.113.9";
const ELSEWHERE: &str = "203.0.113.10";

#[tokio::test(flavor = "multi_thread")]
async fn limits_failed_logins_only_for_the_address() {
    let (redis, _folder) = own_redis().await;
    let app = limited(&redis.url()).await;
    let alice = app.user().await;
    for attempt in 0..10 {
        // The same name in another case.
        let name = if attempt % 2 == 0 { alice.name.clone() } else { alice.name.to_uppercase() };
        assert_eq!(log_in(&app, &name, "wrong-password", HERE).await, 401);
    }
    let refused = post(&app, &alice.name, PASSWORD, HERE).await;
    let header = |name| refused.headers()[name].to_str().expect("header as text").to_owned();
    let wait: u64 = header("retry-after").parse().expect("parse seconds");
    assert!((15 * 60..=30 * 60).contains(&wait), "{wait}");
    assert_eq!((header("ratelimit-remaining"), header("ratelimit-reset")), ("0".to_owned(), wait.to_string()));
    let (status, body) = (refused.status().as_u16(), refused.json::<Value>().await.expect("parse JSON"));
    assert_problem(&Answer { status, body }, 429, "rate_limited", &[]);

    assert_eq!(log_in(&app, &alice.name, PASSWORD, ELSEWHERE).await, 200);
    assert_eq!(app.get("/api/v1/users/me", &alice).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_unknown_names_like_known_ones() {
    let (redis, _folder) = own_redis().await;
    let app = limited(&redis.url()).await;
    let alice = app.user().await;
    for name in [alice.name.as_str(), "nobody"] {
        let mut statuses = Vec::new();
        for _ in 0..12 {
            statuses.push(log_in(&app, name, "wrong-password", HERE).await);
        }
        assert_eq!(statuses, [[401; 10].as_slice(), &[429; 2]].concat());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_an_address_that_tries_many_names() {
    let (redis, _folder) = own_redis().await;
    let app = limited_with(&redis.url(), &[("LOGIN_FAILURES_PER_ADDRESS", "20")]).await;
    let mallory = app.user().await;
    for attempt in 0..20 {
        // An invalid name counts too.
        let name = if attempt % 3 == 0 { "no name".to_owned() } else { format!("victim-{attempt}") };
        assert_eq!(log_in(&app, &name, "wrong-password", HERE).await, 401);
        // A login to the attacker's own account does not reset the count.
        assert_eq!(log_in(&app, &mallory.name, PASSWORD, HERE).await, 200);
    }
    for name in ["victim", "no name", "victim-1"] {
        assert_eq!(log_in(&app, name, "wrong-password", HERE).await, 429);
    }
    assert_eq!(log_in(&app, "victim", "wrong-password", ELSEWHERE).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_neighbours_do_not_lock_out_known_users() {
    let (redis, _folder) = own_redis().await;
    let app = limited(&redis.url()).await;
    let (resident, newcomer, late) = (app.user().await, app.user().await, app.user().await);
    assert_eq!(log_in(&app, &resident.name, PASSWORD, HERE).await, 200);
    let fail = async |attempt: usize| log_in(&app, &format!("victim-{attempt}"), "wrong-password", HERE).await;
    for attempt in 0..30 {
        assert_eq!(fail(attempt).await, 401);
    }
    for user in [&resident, &newcomer] {
        assert_eq!(log_in(&app, &user.name, PASSWORD, HERE).await, 200);
    }
    for attempt in 30..100 {
        assert_eq!(fail(attempt).await, 401);
    }
    // Now the address is that of an attacker. Users who are known there can still log in.
    assert_eq!(fail(100).await, 429);
    for user in [&resident, &newcomer] {
        assert_eq!(log_in(&app, &user.name, PASSWORD, HERE).await, 200);
    }
    // An attempt that the limit of the address refuses does not count for the limit of the name.
    for _ in 0..12 {
        assert_eq!(log_in(&app, &late.name, PASSWORD, HERE).await, 429);
    }
    assert_eq!(log_in(&app, &late.name, PASSWORD, ELSEWHERE).await, 200);
    // Failures of known users still count.
    for attempt in 0..11 {
        let status = log_in(&app, &resident.name, "wrong-password", HERE).await;
        assert_eq!(status, if attempt < 10 { 401 } else { 429 });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_login_limit_can_be_switched_off() {
    let (redis, _folder) = own_redis().await;
    let limits = [("LOGIN_FAILURES_PER_NAME", "2"), ("LOGIN_FAILURES_PER_ADDRESS", "3")];
    let app = limited_with(&redis.url(), &limits).await;
    let unlimited_names = limited_with(&redis.url(), &[limits[1], ("LOGIN_FAILURES_PER_NAME", "0")]).await;
    let unlimited_addresses = limited_with(&redis.url(), &[limits[0], ("LOGIN_FAILURES_PER_ADDRESS", "0")]).await;
    let unlimited = limited_with(&redis.url(), &[limits[0], limits[1], ("RATE_LIMIT_PER_MINUTE", "0")]).await;
    for (app, address, same_name, many_names) in [
        (&app, "203.0.113.1", [401, 401, 429, 429], [401, 429, 429, 429]),
        (&unlimited_names, "203.0.113.2", [401, 401, 401, 429], [429; 4]),
        (&unlimited_addresses, "203.0.113.3", [401, 401, 429, 429], [401; 4]),
        (&unlimited, "203.0.113.4", [401; 4], [401; 4]),
    ] {
        for (attempt, status) in same_name.into_iter().enumerate() {
            assert_eq!(log_in(app, "victim", "wrong-password", address).await, status, "{address} {attempt}");
        }
        for (attempt, status) in many_names.into_iter().enumerate() {
            let name = format!("victim-{attempt}");
            assert_eq!(log_in(app, &name, "wrong-password", address).await, status, "{address} {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn successful_login_resets_the_failures() {
    let (redis, _folder) = own_redis().await;
    let app = limited(&redis.url()).await;
    let alice = app.user().await;
    for _ in 0..2 {
        for _ in 0..9 {
            assert_eq!(log_in(&app, &alice.name, "wrong-password", HERE).await, 401);
        }
        assert_eq!(log_in(&app, &alice.name, PASSWORD, HERE).await, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_concurrent_failures() {
    let (redis, _folder) = own_redis().await;
    let app = limited(&redis.url()).await;
    let alice = app.user().await;
    let attempts = (0..40).map(|_| log_in(&app, &alice.name, "wrong-password", HERE));
    let statuses = futures_util::future::join_all(attempts).await;
    // Some logins may be refused because too many passwords are waiting. They are uncounted.
    let failed = statuses.iter().filter(|status| **status == 401).count();
    assert!(failed <= 10 && statuses.iter().all(|status| [401, 429, 503].contains(status)), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn does_not_count_logins_that_fail_for_internal_reasons() {
    let (redis, _folder) = own_redis().await;
    let folder = folder();
    let postgres = Postgres::start(folder.path(), None).await.expect("start Postgres");
    let (port, url) = (postgres.port(), redis.url());
    let settings = [("REDIS_URL", &*url), ("TRUSTED_PROXIES", "127.0.0.1"), ("RATE_LIMIT_PER_MINUTE", "1000")];
    let app = TestApp::launch(&postgres.url("postgres"), &settings).await;
    app.api.until_ready().await.expect("become ready");
    app.until_redis().await;
    let alice = app.user().await;

    postgres.stop().await.expect("stop server");
    for _ in 0..12 {
        assert_eq!(log_in(&app, &alice.name, PASSWORD, HERE).await, 503);
    }
    let _postgres = Postgres::start(folder.path(), Some(port)).await.expect("start Postgres");
    app.api.until_ready().await.expect("become ready again");
    assert_eq!(log_in(&app, &alice.name, PASSWORD, HERE).await, 200);
}
