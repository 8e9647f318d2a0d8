//! Changing the password.

use futures_util::future::join;
use neonchat_testbed::client::{Answer, PASSWORD, User};
use serde_json::json;

use super::{Device, without_session};
use crate::support::{Fields, TestApp, assert_problem};

const NEW: &str = "another-secret-456";

async fn change(app: &TestApp, user: &User, old: &str, new: &str) -> Answer {
    app.put("/api/v1/auth/password", user, &json!({ "old": old, "new": new })).await
}

async fn log_in(app: &TestApp, user: &User, password: &str) -> Answer {
    let body = json!({ "username": user.name, "password": password });
    app.api.call("POST", "/api/v1/auth/login", None, Some(&body)).await.expect("call API")
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_the_other_sessions() {
    let app = TestApp::start().await;
    let (owner, stranger) = (Device::any(&app).await, Device::any(&app).await);
    let (intruder, older) = (Device::log_in(&app, &owner.user).await, without_session(&owner.user));
    assert_eq!(change(&app, &owner.user, PASSWORD, NEW).await.status, 204);
    assert_eq!((owner.status(&app).await, intruder.status(&app).await), (200, 401));
    assert_eq!((app.get("/api/v1/users/me", &older).await.status, stranger.status(&app).await), (401, 200));
    assert_problem(&intruder.refresh(&app).await, 401, "unauthorized", &[]);
    owner.refreshed(&app).await;
    assert_problem(&log_in(&app, &owner.user, PASSWORD).await, 401, "invalid_credentials", &[]);
    assert_eq!(log_in(&app, &owner.user, NEW).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_password_is_an_invalid_field_and_counts_as_a_failed_login() {
    let limits = [
        ("RATE_LIMIT_PER_MINUTE", "1000"),
        ("AUTH_RATE_LIMIT_PER_MINUTE", "0"),
        ("LOGIN_FAILURES_PER_NAME", "3"),
        ("LOGIN_FAILURES_PER_ADDRESS", "0"),
    ];
    let app = TestApp::start_with(&limits).await;
    app.until_redis().await;
    let owner = Device::any(&app).await;
    let other = Device::log_in(&app, &owner.user).await;
    for (old, new, fields) in [
        ("wrong-password", NEW, &[("old", "wrong")][..]),
        ("", NEW, &[("old", "wrong")]),
        (PASSWORD, "short", &[("new", "length")]),
        (PASSWORD, "Password123", &[("new", "common")]),
        (PASSWORD, &owner.user.name, &[("new", "username")]),
        ("wrong-password", NEW, &[("old", "wrong")]),
    ] {
        let fields: Fields<'_> = fields;
        assert_problem(&change(&app, &owner.user, old, new).await, 422, "validation_failed", fields);
    }
    assert_problem(&change(&app, &owner.user, PASSWORD, NEW).await, 429, "rate_limited", &[]);
    assert_eq!((owner.status(&app).await, other.status(&app).await), (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn token_without_session_can_change_the_password_and_is_revoked() {
    let app = TestApp::start().await;
    let owner = Device::any(&app).await;
    let older = without_session(&owner.user);
    assert_eq!(change(&app, &older, PASSWORD, NEW).await.status, 204);
    assert_eq!((app.get("/api/v1/users/me", &older).await.status, owner.status(&app).await), (401, 401));
    assert_eq!(log_in(&app, &owner.user, NEW).await.status, 200);
}

/// An intruder who logs in at the moment of the change keeps no session.
#[tokio::test(flavor = "multi_thread")]
async fn no_login_with_the_old_password_outlives_its_change() {
    let app = TestApp::start().await;
    for _ in 0..10 {
        let owner = Device::any(&app).await;
        let (changed, login) =
            join(change(&app, &owner.user, PASSWORD, NEW), log_in(&app, &owner.user, PASSWORD)).await;
        assert_eq!(changed.status, 204);
        if login.status == 200 {
            assert_eq!(Device::of(&owner.user, &login).status(&app).await, 401);
        } else {
            assert_problem(&login, 401, "invalid_credentials", &[]);
        }
    }
}
