//! Refreshing sessions.

use std::{collections::HashSet, time::Instant};

use futures_util::future::join_all;
use neonchat_common::bus::{Channel, EndedSessions};
use neonchat_testbed::postgres::Postgres;
use serde_json::{Value, json};

use super::{Device, age, claims, next_end};
use crate::support::{Listener, TestApp, assert_problem, folder, own_redis};

const REFRESH: &str = "/api/v1/auth/refresh";

async fn counter(app: &TestApp, device: &Device) -> i32 {
    let row = app.sql().await.query_one("SELECT counter FROM sessions WHERE id = $1", &[&device.id().0]).await;
    row.expect("find row").get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_continues_the_session_with_new_tokens() {
    let app = TestApp::start().await;
    let login = Device::any(&app).await;
    let answer = login.refresh(&app).await;
    let next = Device::of(&login.user, &answer);
    let expected = json!({
        "token": next.user.token, "expires_in": 86400, "user": { "id": login.user.id, "username": login.user.name },
        "session_id": login.session, "refresh_token": next.refresh_token, "refresh_expires_in": 2_592_000,
    });
    assert_eq!((answer.status, &answer.body), (200, &expected));
    assert_ne!((&next.user.token, &next.refresh_token), (&login.user.token, &login.refresh_token));
    assert_eq!((claims(&login.user).sid, claims(&next.user).sid), (Some(login.id()), Some(login.id())));
    assert_ne!(claims(&login.user).jti, claims(&next.user).jti);
    // The tokens before stay valid until they expire.
    assert_eq!((login.status(&app).await, next.status(&app).await), (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_refreshes_get_the_same_successor() {
    let app = TestApp::start().await;
    let login = Device::any(&app).await;
    let answers = join_all((0..100).map(|_| login.refresh(&app))).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let devices: Vec<_> = answers.iter().map(|answer| Device::of(&login.user, answer)).collect();
    let successors: HashSet<_> = devices.iter().map(|device| &device.refresh_token).collect();
    assert_eq!((successors.len(), counter(&app, &login).await), (1, 1));
    for device in [&devices[0], &devices[50]] {
        assert_eq!(device.status(&app).await, 200);
    }
    devices[99].refreshed(&app).await;
    assert_eq!(counter(&app, &login).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answer_is_given_again_by_every_instance() {
    let app = TestApp::start().await;
    let other = TestApp::launch(&app.database, &[]).await;
    other.api.until_ready().await.expect("become ready");
    let login = Device::any(&app).await;
    let lost = login.refreshed(&app).await;
    age(&app, &login, 55).await;
    let again = login.refreshed(&other).await;
    assert_eq!(again.refresh_token, lost.refresh_token);
    assert_eq!(again.refreshed(&other).await.status(&app).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn reuse_ends_that_session_only() {
    let app = TestApp::start().await;
    app.until_redis().await;
    for generations in [1, 2] {
        let login = Device::any(&app).await;
        let other = Device::log_in(&app, &login.user).await;
        let mut valid = login.refreshed(&app).await;
        if generations == 1 {
            age(&app, &login, 61).await;
        } else {
            valid = valid.refreshed(&app).await;
        }
        let channel = Channel::User(login.user.id.parse().expect("parse id"));
        let mut listener = Listener::on([channel]).await;
        // The one who has the older token.
        assert_problem(&login.refresh(&app).await, 401, "session_reused", &[]);
        let ended = EndedSessions { session_ids: vec![login.id()], issued_before: None };
        assert_eq!(next_end(&mut listener).await, (channel, ended));
        // The one who has the valid token.
        assert_problem(&valid.refresh(&app).await, 401, "unauthorized", &[]);
        assert_problem(&login.refresh(&app).await, 401, "unauthorized", &[]);
        assert_eq!((login.status(&app).await, valid.status(&app).await), (401, 401));
        assert_eq!(other.status(&app).await, 200);
        other.refreshed(&app).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_tokens_that_are_not_genuine() {
    let app = TestApp::start().await;
    let login = Device::any(&app).await;
    let call = async |body: Option<Value>| app.api.call("POST", REFRESH, None, body.as_ref()).await.expect("call API");
    for token in
        ["", "v1", "nonsense", &login.refresh_token[1..], &login.user.token, &format!("{}x", login.refresh_token)]
    {
        assert_problem(&call(Some(json!({ "refresh_token": token }))).await, 401, "unauthorized", &[]);
    }
    for body in [None, Some(Value::Null), Some(json!({})), Some(json!({ "refresh_token": null }))] {
        let answer = call(body).await;
        assert_problem(&answer, 401, "unauthorized", &[]);
    }
    let wrong = call(Some(json!({ "refresh_token": 5 }))).await;
    assert_problem(&wrong, 422, "validation_failed", &[("refresh_token", "format")]);
    let other = TestApp::launch(&app.database, &[("REFRESH_SECRET", "another key")]).await;
    other.api.until_ready().await.expect("become ready");
    assert_problem(&login.refresh(&other).await, 401, "unauthorized", &[]);
    login.refreshed(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_session_ends_and_a_refresh_moves_its_end() {
    let app = TestApp::start().await;
    let (login, other) = (Device::any(&app).await, Device::any(&app).await);
    let sql = app.sql().await;
    let set = "UPDATE sessions SET expires_at = now() + make_interval(secs => $2) WHERE id = $1";
    sql.execute(set, &[&login.id().0, &-1.0]).await.expect("update row");
    assert_problem(&login.refresh(&app).await, 401, "unauthorized", &[]);
    sql.execute(set, &[&other.id().0, &100.0]).await.expect("update row");
    assert_eq!(other.refresh(&app).await.body["refresh_expires_in"], 2_592_000);
    sql.execute(set, &[&other.id().0, &100.0]).await.expect("update row");
    let repeated = other.refresh(&app).await.body["refresh_expires_in"].as_u64().expect("number");
    assert!((90..=100).contains(&repeated), "{repeated}");
}

#[tokio::test(flavor = "multi_thread")]
async fn session_of_a_restored_database_goes_on() {
    let app = TestApp::start().await;
    let login = Device::any(&app).await;
    let valid = login.refreshed(&app).await.refreshed(&app).await;
    let restore = "UPDATE sessions SET counter = 0, rotated_at = created_at WHERE id = $1";
    app.sql().await.execute(restore, &[&login.id().0]).await.expect("update row");
    let next = valid.refreshed(&app).await;
    assert_eq!(counter(&app, &login).await, 3);
    // A token from before the restore is an older one again.
    assert_problem(&login.refresh(&app).await, 401, "session_reused", &[]);
    assert_eq!(next.status(&app).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_refreshes_by_session_and_others_by_address() {
    // Other tests use the same address.
    let (redis, _folder) = own_redis().await;
    let url = redis.url();
    let settings = [("REDIS_URL", &*url), ("RATE_LIMIT_PER_MINUTE", "5"), ("AUTH_RATE_LIMIT_PER_MINUTE", "30")];
    let app = TestApp::start_with(&settings).await;
    app.until_redis().await;
    let (one, other) = (Device::any(&app).await, Device::any(&app).await);
    for _ in 0..5 {
        one.refreshed(&app).await;
    }
    let refused = one.refresh(&app).await;
    assert_problem(&refused, 429, "rate_limited", &[]);
    other.refreshed(&app).await;
    let body = json!({ "refresh_token": "nonsense" });
    let forge = async || app.api.call("POST", REFRESH, None, Some(&body)).await.expect("call API").status;
    let mut statuses = Vec::new();
    while statuses.len() < 40 {
        statuses.push(forge().await);
    }
    assert_eq!((statuses.first(), statuses.last()), (Some(&401), Some(&429)));
    other.refreshed(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_waits_a_bounded_time_for_postgres_and_the_token_keeps_its_use() {
    let folder = folder();
    let postgres = Postgres::start(folder.path(), None).await.expect("start Postgres");
    let port = postgres.port();
    let app = TestApp::launch(&postgres.url("postgres"), &[]).await;
    app.api.until_ready().await.expect("become ready");
    let login = Device::any(&app).await;
    postgres.stop().await.expect("stop server");
    for _ in 0..2 {
        let began = Instant::now();
        assert_problem(&login.refresh(&app).await, 503, "unavailable", &[]);
        assert!(began.elapsed().as_secs_f64() < 2.5, "{:?}", began.elapsed());
    }
    let _postgres = Postgres::start(folder.path(), Some(port)).await.expect("start Postgres");
    app.api.until_ready().await.expect("become ready again");
    let next = login.refreshed(&app).await;
    assert_eq!(next.status(&app).await, 200);
}
