//! The list of sessions, and their end.

use neonchat_common::bus::{Channel, EndedSessions};
use neonchat_testbed::client::{Answer, PASSWORD, User};
use serde_json::{Value, json};

use super::{Device, is_valid_for_sockets, next_end, without_session};
use crate::support::{Listener, TestApp, assert_problem};

const SESSIONS: &str = "/api/v1/auth/sessions";

async fn list(app: &TestApp, user: &User) -> Vec<Value> {
    let answer = app.get(SESSIONS, user).await;
    assert_eq!((answer.status, &answer.body["next"]), (200, &Value::Null), "{answer:?}");
    answer.body["sessions"].as_array().expect("list").clone()
}

async fn end(app: &TestApp, user: &User, session: &str) -> Answer {
    let path = format!("{SESSIONS}/{session}");
    app.api.call("DELETE", &path, Some(&user.token), None).await.expect("call API")
}

async fn log_out_everywhere(app: &TestApp, user: &User) -> u16 {
    app.post("/api/v1/auth/logout", user, &json!({ "everywhere": true })).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_the_devices_of_the_caller() {
    let app = TestApp::start().await;
    let first = Device::any(&app).await;
    let body = json!({ "username": first.user.name, "password": PASSWORD, "device_name": "Телефон" });
    let login = reqwest::Client::new().post(format!("{}/api/v1/auth/login", app.base)).json(&body);
    let login = login.header("user-agent", "test/1.0 (x)").send().await.expect("send request");
    let login: Value = login.json().await.expect("read JSON");
    app.user().await;

    let sessions = list(&app, &first.user).await;
    // The helper that registered the user logged in before.
    assert_eq!(sessions.len(), 3);
    let (newest, created_at) = (&sessions[0], &sessions[0]["created_at"]);
    let expected = json!({
        "id": login["session_id"], "device_name": "Телефон", "user_agent": "test/1.0 (x)", "ip_prefix": "127.0.0.0/24",
        "created_at": created_at, "last_used_at": created_at, "current": false,
    });
    assert_eq!(newest, &expected);
    let current = &sessions[1];
    assert_eq!((&current["id"], &current["current"]), (&json!(first.session), &json!(true)));
    assert_eq!((&current["device_name"], &current["user_agent"]), (&Value::Null, &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_through_sessions() {
    let app = TestApp::start().await;
    let device = Device::any(&app).await;
    let expected: Vec<_> = list(&app, &device.user).await.iter().map(|session| session["id"].clone()).collect();
    let first = app.get(&format!("{SESSIONS}?limit=1"), &device.user).await.body;
    assert_eq!((&first["sessions"][0]["id"], &first["next"]), (&expected[0], &expected[0]));
    let next = first["next"].as_str().expect("next page");
    let last = app.get(&format!("{SESSIONS}?limit=1&after={next}"), &device.user).await.body;
    assert_eq!((&last["sessions"][0]["id"], &last["next"]), (&expected[1], &Value::Null));
    for (query, field, code) in
        [("limit=0", "limit", "range"), ("limit=101", "limit", "range"), ("after=x", "after", "format")]
    {
        let answer = app.get(&format!("{SESSIONS}?{query}"), &device.user).await;
        assert_problem(&answer, 422, "validation_failed", &[(field, code)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_a_session_of_the_caller_only() {
    let app = TestApp::start().await;
    app.until_redis().await;
    let (phone, stranger) = (Device::any(&app).await, Device::any(&app).await);
    let laptop = Device::log_in(&app, &phone.user).await;
    for unknown in [&stranger.session, "01890a5d-ac96-774b-bcce-b302099a8062"] {
        assert_problem(&end(&app, &laptop.user, unknown).await, 404, "not_found", &[]);
    }
    assert_problem(&end(&app, &laptop.user, "x").await, 422, "validation_failed", &[("id", "format")]);
    assert_eq!(stranger.status(&app).await, 200);

    let channel = Channel::User(phone.user.id.parse().expect("parse id"));
    let mut listener = Listener::on([channel]).await;
    assert_eq!(end(&app, &laptop.user, &phone.session).await.status, 204);
    let ended = EndedSessions { session_ids: vec![phone.id()], issued_before: None };
    assert_eq!(next_end(&mut listener).await, (channel, ended));
    assert_eq!((phone.status(&app).await, laptop.status(&app).await), (401, 200));
    assert!(!is_valid_for_sockets(&app, &phone.user).await && is_valid_for_sockets(&app, &laptop.user).await);
    assert_problem(&phone.refresh(&app).await, 401, "unauthorized", &[]);
    assert_problem(&end(&app, &laptop.user, &phone.session).await, 404, "not_found", &[]);
    assert!(list(&app, &laptop.user).await.iter().all(|session| session["id"] != *phone.session));
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_out_everywhere() {
    let app = TestApp::start().await;
    app.until_redis().await;
    let (phone, stranger) = (Device::any(&app).await, Device::any(&app).await);
    let (laptop, older) = (Device::log_in(&app, &phone.user).await, without_session(&phone.user));
    let channel = Channel::User(phone.user.id.parse().expect("parse id"));
    let mut listener = Listener::on([channel]).await;
    assert_eq!(log_out_everywhere(&app, &phone.user).await, 204);
    let ended = next_end(&mut listener).await.1;
    assert_eq!(ended.session_ids.len(), 3);
    assert!([&phone, &laptop].iter().all(|device| ended.session_ids.contains(&device.id())));
    assert!(ended.issued_before.is_some());
    for user in [&phone.user, &laptop.user, &older] {
        assert_problem(&app.get("/api/v1/users/me", user).await, 401, "unauthorized", &[]);
        assert!(!is_valid_for_sockets(&app, user).await);
    }
    for device in [&phone, &laptop] {
        assert_problem(&device.refresh(&app).await, 401, "unauthorized", &[]);
    }
    assert_eq!(stranger.status(&app).await, 200);
    let again = Device::log_in(&app, &phone.user).await;
    assert_eq!((again.status(&app).await, list(&app, &again.user).await.len()), (200, 1));

    // By a token that belongs to no session.
    let older = without_session(&stranger.user);
    assert_eq!(log_out_everywhere(&app, &older).await, 204);
    assert_eq!((stranger.status(&app).await, app.get("/api/v1/users/me", &older).await.status), (401, 401));
}

#[tokio::test(flavor = "multi_thread")]
async fn session_that_was_used_least_recently_ends_if_there_are_too_many() {
    let app = TestApp::start_with(&[("SESSIONS_PER_USER", "3")]).await;
    app.until_redis().await;
    // The helper that registered the user logged in before.
    let (first, other) = (Device::any(&app).await, app.user().await);
    let second = Device::log_in(&app, &first.user).await;
    let first = first.refreshed(&app).await;
    let channel = Channel::User(first.user.id.parse().expect("parse id"));
    let mut listener = Listener::on([channel]).await;
    let third = Device::log_in(&app, &first.user).await;
    assert_eq!(next_end(&mut listener).await.1.session_ids.len(), 1);
    assert_eq!([first.status(&app).await, second.status(&app).await, third.status(&app).await], [200; 3]);
    let fourth = Device::log_in(&app, &first.user).await;
    assert_eq!(next_end(&mut listener).await.1.session_ids, [second.id()]);
    assert_eq!([first.status(&app).await, second.status(&app).await, fourth.status(&app).await], [200, 401, 200]);
    assert_eq!(app.get("/api/v1/users/me", &other).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn use_of_a_token_is_recorded_once_an_hour() {
    let app = TestApp::start().await;
    let device = Device::any(&app).await;
    let sql = app.sql().await;
    let back = "UPDATE sessions SET last_used_at = now() - make_interval(mins => $2) WHERE id = $1";
    let minutes = async || {
        let query = "SELECT extract(epoch FROM now() - last_used_at)::float8 / 60 FROM sessions WHERE id = $1";
        sql.query_one(query, &[&device.id().0]).await.expect("find row").get::<_, f64>(0)
    };
    sql.execute(back, &[&device.id().0, &61]).await.expect("update row");
    assert_eq!(device.status(&app).await, 200);
    neonchat_testbed::harness::until("the use is recorded", async || minutes().await < 1.0).await;
    sql.execute(back, &[&device.id().0, &50]).await.expect("update row");
    assert_eq!((device.status(&app).await, minutes().await.round()), (200, 50.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_sessions_are_in_the_feed_of_changes() {
    let app = TestApp::start().await;
    let users = [Device::any(&app).await, Device::any(&app).await, Device::any(&app).await];
    let changed = async |since| {
        let request = neonchat_proto::chat::v1::ListChangedUsersRequest { since_micros: since };
        app.chat_service().list_changed_users(app.grpc.request(request)).await.expect("list users").into_inner()
    };
    let since = changed(0).await.until_micros;
    assert_eq!(end(&app, &users[0].user, &users[0].session).await.status, 204);
    let older = without_session(&users[1].user);
    assert_eq!(log_out_everywhere(&app, &older).await, 204);
    let listed = changed(since).await.user_ids;
    let is_listed = users.each_ref().map(|device| listed.contains(&device.user.id));
    assert_eq!(is_listed, [true, true, false]);
}
