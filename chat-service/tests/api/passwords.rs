//! Tests of password hashing over REST.

use std::time::{Duration, Instant};

use neonchat_testbed::{
    client::{Answer, PASSWORD},
    harness::until,
};
use serde_json::json;

use crate::support::{TestApp, assert_problem, sql};

async fn call(app: &TestApp, path: &str, username: &str, password: &str) -> Answer {
    let body = json!({ "username": username, "password": password });
    app.api.call("POST", &format!("/api/v1/auth/{path}"), None, Some(&body)).await.expect("call API")
}

async fn hash_of(database: &str, username: &str) -> String {
    let row = sql(database).await.query_one("SELECT password_hash FROM users WHERE username = $1", &[&username]).await;
    row.expect("find user").get(0)
}

async fn set_hash(database: &str, username: &str, hash: &str) {
    let update = "UPDATE users SET password_hash = $2 WHERE username = $1";
    assert_eq!(sql(database).await.execute(update, &[&username, &hash]).await.expect("update row"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn accepts_password_in_every_normalization_form() {
    let app = TestApp::start().await;
    assert_eq!(call(&app, "register", "alice", "cafe\u{301} noir").await.status, 201);
    for typed in ["café noir", "cafe\u{301} noir", "café\u{a0}noir"] {
        assert_eq!(call(&app, "login", "alice", typed).await.status, 200, "{typed:?}");
    }
    for wrong in ["cafe noir", "Café noir", "café\tnoir", "café", ""] {
        assert_problem(&call(&app, "login", "alice", wrong).await, 401, "invalid_credentials", &[]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn upgrades_hash_of_a_password_that_was_not_normalized() {
    let app = TestApp::start().await;
    app.api.user("alice").await.expect("register user");
    let old = bcrypt::hash("cafe\u{301} noir", 4).expect("hash password");
    set_hash(&app.database, "alice", &old).await;
    assert_problem(&call(&app, "login", "alice", "café noir").await, 401, "invalid_credentials", &[]);
    assert_eq!(call(&app, "login", "alice", "cafe\u{301} noir").await.status, 200);
    until("the hash is upgraded", async || hash_of(&app.database, "alice").await != old).await;
    assert_eq!(call(&app, "login", "alice", "café noir").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn upgrades_hash_of_another_cost_at_the_next_login() {
    let app = TestApp::start().await;
    app.api.user("alice").await.expect("register user");
    let old = hash_of(&app.database, "alice").await;
    assert!(old.starts_with("$2b$04$"), "{old}");
    let raised = TestApp::launch(&app.database, &[("BCRYPT_COST", "6")]).await;
    raised.api.until_ready().await.expect("become ready");
    assert_eq!(call(&raised, "login", "alice", "wrong-password").await.status, 401);
    assert_eq!(hash_of(&app.database, "alice").await, old);
    assert_eq!(call(&raised, "login", "alice", PASSWORD).await.status, 200);
    until("the cost is raised", async || hash_of(&app.database, "alice").await.starts_with("$2b$06$")).await;
    assert_eq!(call(&app, "login", "alice", PASSWORD).await.status, 200);
    until("the cost is lowered", async || hash_of(&app.database, "alice").await.starts_with("$2b$04$")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_login_takes_the_same_time_for_every_hash_cost() {
    let app = TestApp::start_with(&[("BCRYPT_COST", "8")]).await;
    for (name, cost) in [("older", 4), ("current", 8), ("dearer", 10)] {
        app.api.user(name).await.expect("register user");
        set_hash(&app.database, name, &bcrypt::hash(PASSWORD, cost).expect("hash password")).await;
    }
    // The shortest time of a name converges to the time of its work; a busy machine only takes more rounds.
    let names = ["older", "current", "dearer", "nobody"];
    let mut shortest = names.map(|_| Duration::MAX);
    for round in 1..=40 {
        for (name, shortest) in names.iter().zip(&mut shortest) {
            let started = Instant::now();
            assert_eq!(call(&app, "login", name, "wrong-password").await.status, 401);
            *shortest = started.elapsed().min(*shortest);
        }
        let least = shortest.iter().min().expect("shortest time");
        // Without padding, a hash of cost 4 takes 1/64 of the time of one of cost 10.
        if round >= 4 && shortest.iter().all(|time| *time < *least * 3) {
            return;
        }
    }
    panic!("{shortest:?}");
}
