//! How often a login may fail. Each test has a Redis of its own.

use neonchat_testbed::{
    client::{Answer, PASSWORD},
    postgres::Postgres,
};
use reqwest::{Client, Response};
use serde_json::{Value, json};

use crate::support::{TestApp, assert_problem, folder, own_redis};

/// One that believes what it is told of addresses.
async fn limited(redis: &str) -> TestApp {
    let settings = [("REDIS_URL", redis), ("RATE_LIMIT_PER_MINUTE", "1000"), ("TRUSTED_PROXIES", "127.0.0.1")];
    let app = TestApp::start_with(&settings).await;
    app.until_redis().await;
    app
}

async fn post(app: &TestApp, name: &str, password: &str, address: &str) -> Response {
    let request = Client::new().post(format!("{}/api/v1/auth/login", app.base)).header("X-Forwarded-For", address);
    request.json(&json!({ "username": name, "password": password })).send().await.expect("an answer")
}

async fn log_in(app: &TestApp, name: &str, password: &str, address: &str) -> u16 {
    post(app, name, password, address).await.status().as_u16()
}

const HERE: &str = "203.0.113.9";
const ELSEWHERE: &str = "203.0.113.10";

#[tokio::test(flavor = "multi_thread")]
async fn who_fails_too_often_has_to_wait_and_the_user_elsewhere_has_not() {
    let (redis, _folder) = own_redis().await;
    let app = limited(&redis.url()).await;
    let alice = app.user().await;
    for attempt in 0..10 {
        // The same name, whatever its case.
        let name = if attempt % 2 == 0 { alice.name.clone() } else { alice.name.to_uppercase() };
        assert_eq!(log_in(&app, &name, "wrong-password", HERE).await, 401);
    }
    let refused = post(&app, &alice.name, PASSWORD, HERE).await;
    let header = |name| refused.headers()[name].to_str().expect("text").to_owned();
    let wait: u64 = header("retry-after").parse().expect("seconds");
    assert!((15 * 60..=30 * 60).contains(&wait), "{wait}");
    assert_eq!((header("ratelimit-remaining"), header("ratelimit-reset")), ("0".to_owned(), wait.to_string()));
    let (status, body) = (refused.status().as_u16(), refused.json::<Value>().await.expect("JSON"));
    assert_problem(&Answer { status, body }, 429, "rate_limited", &[]);

    assert_eq!(log_in(&app, &alice.name, PASSWORD, ELSEWHERE).await, 200);
    assert_eq!(app.get("/api/v1/users/me", &alice).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_a_name_exists_makes_no_difference() {
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
async fn an_address_that_tries_many_names_has_to_wait_and_a_login_of_its_own_does_not_help() {
    let (redis, _folder) = own_redis().await;
    let app = limited(&redis.url()).await;
    let mallory = app.user().await;
    for attempt in 0..30 {
        // What cannot be a name counts too.
        let name = if attempt % 3 == 0 { "no name".to_owned() } else { format!("victim-{attempt}") };
        assert_eq!(log_in(&app, &name, "wrong-password", HERE).await, 401);
        assert_eq!(log_in(&app, &mallory.name, PASSWORD, HERE).await, if attempt < 29 { 200 } else { 429 });
    }
    assert_eq!(log_in(&app, "victim", "wrong-password", HERE).await, 429);
    assert_eq!(log_in(&app, &mallory.name, PASSWORD, ELSEWHERE).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_forgets_the_failures_before_it() {
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
async fn many_at_once_are_counted_one_by_one() {
    let (redis, _folder) = own_redis().await;
    let app = limited(&redis.url()).await;
    let alice = app.user().await;
    let attempts = (0..40).map(|_| log_in(&app, &alice.name, "wrong-password", HERE));
    let statuses = futures_util::future::join_all(attempts).await;
    // Some may find too many passwords waiting, and are given back.
    let failed = statuses.iter().filter(|status| **status == 401).count();
    assert!(failed <= 10 && statuses.iter().all(|status| [401, 429, 503].contains(status)), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_for_our_reasons_does_not_count() {
    let (redis, _folder) = own_redis().await;
    let folder = folder();
    let postgres = Postgres::start(folder.path(), None).await.expect("Postgres");
    let (port, url) = (postgres.port(), redis.url());
    let settings = [("REDIS_URL", &*url), ("RATE_LIMIT_PER_MINUTE", "1000"), ("TRUSTED_PROXIES", "127.0.0.1")];
    let app = TestApp::launch(&postgres.url("postgres"), &settings).await;
    app.api.until_ready().await.expect("ready");
    app.until_redis().await;
    let alice = app.user().await;

    postgres.stop().await.expect("stopped");
    for _ in 0..12 {
        assert_eq!(log_in(&app, &alice.name, PASSWORD, HERE).await, 503);
    }
    let _postgres = Postgres::start(folder.path(), Some(port)).await.expect("Postgres");
    app.api.until_ready().await.expect("ready again");
    assert_eq!(log_in(&app, &alice.name, PASSWORD, HERE).await, 200);
}
