//! Sessions: logging out, and in the modules what lasts longer than a token.

mod client_config;
mod cookies;
mod devices;
mod password;
mod refresh;

use std::time::Duration;

use neonchat_common::{
    bus::{Channel, EndedSessions, Envelope, Event},
    error::{ApiError, ErrorCode},
    ids::SessionId,
    token::{Claims, TokenRef, Tokens},
};
use neonchat_proto::chat::v1::ListUserChatsRequest;
use neonchat_testbed::{
    client::{Answer, PASSWORD, User, text},
    harness::until,
};
use serde_json::json;

use crate::support::{Listener, TestApp, assert_problem};

/// The default secret.
const SECRET: &str = "your-super-secret-jwt-key-change-in-production";

async fn log_in(app: &TestApp, user: &User) -> User {
    Device::log_in(app, user).await.user
}

/// A user on a device.
#[derive(Clone, Debug)]
struct Device {
    user: User,
    session: String,
    refresh_token: String,
}

impl Device {
    async fn log_in(app: &TestApp, user: &User) -> Self {
        let body = json!({ "username": user.name, "password": PASSWORD });
        let login = app.api.call("POST", "/api/v1/auth/login", None, Some(&body)).await.expect("call API");
        assert_eq!(login.status, 200, "{login:?}");
        Self::of(user, &login)
    }

    /// Returns what a login or refresh granted.
    fn of(user: &User, answer: &Answer) -> Self {
        let field = |name: &str| text(&answer.body[name]).expect("text in answer");
        let user = User { token: field("token"), ..user.clone() };
        Self { user, session: field("session_id"), refresh_token: field("refresh_token") }
    }

    /// Registers a user and logs in.
    async fn any(app: &TestApp) -> Self {
        Self::log_in(app, &app.user().await).await
    }

    async fn refresh(&self, app: &TestApp) -> Answer {
        let body = json!({ "refresh_token": self.refresh_token });
        app.api.call("POST", "/api/v1/auth/refresh", None, Some(&body)).await.expect("call API")
    }

    /// Refreshes, and returns the device with the new tokens.
    async fn refreshed(&self, app: &TestApp) -> Self {
        let answer = self.refresh(app).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Self::of(&self.user, &answer)
    }

    /// Returns the status of a request with the token.
    async fn status(&self, app: &TestApp) -> u16 {
        app.get("/api/v1/users/me", &self.user).await.status
    }

    fn id(&self) -> SessionId {
        self.session.parse().expect("parse id")
    }
}

/// Makes the last refresh of a session an older one.
async fn age(app: &TestApp, device: &Device, seconds: i32) {
    let update = "UPDATE sessions SET rotated_at = rotated_at - make_interval(secs => $2) WHERE id = $1";
    let changed = app.sql().await.execute(update, &[&device.id().0, &f64::from(seconds)]).await;
    assert_eq!(changed.expect("update row"), 1);
}

/// Returns the next end of sessions that is published.
async fn next_end(listener: &mut Listener) -> (Channel, EndedSessions) {
    let (channel, text) = listener.next().await;
    let envelope: Envelope<'_> = serde_json::from_str(&text).expect("parse envelope");
    let Event::SessionsEnded(ended) = envelope.event else { panic!("{text}") };
    (channel, ended)
}

/// Returns a token that belongs to no session, as older versions issued them.
fn without_session(user: &User) -> User {
    let tokens = Tokens::new(&SECRET.into(), Duration::from_hours(24));
    let token = tokens.issue(user.id.parse().expect("parse id"), &user.name).expect("issue token");
    User { token, ..user.clone() }
}

async fn log_out(app: &TestApp, user: &User) -> u16 {
    app.api.call("POST", "/api/v1/auth/logout", Some(&user.token), None).await.expect("call API").status
}

fn claims(user: &User) -> Claims {
    Tokens::new(&SECRET.into(), Duration::ZERO).verify(&user.token).expect("verify token")
}

/// Returns whether chat-service tells notification-service that a token is valid.
async fn is_valid_for_sockets(app: &TestApp, user: &User) -> bool {
    let TokenRef { jti, sid, iat } = TokenRef::from(&claims(user));
    let request = ListUserChatsRequest {
        user_id: user.id.clone(),
        token_id: jti.to_string(),
        session_id: sid.map(|sid| sid.to_string()).unwrap_or_default(),
        issued_at: iat,
        ..ListUserChatsRequest::default()
    };
    match app.chat_service().list_user_chats(app.grpc.request(request)).await.map_err(ApiError::from) {
        Ok(_) => true,
        Err(error) if error.code == ErrorCode::Unauthorized => false,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logout_revokes_the_token_on_every_instance() {
    let app = TestApp::start().await;
    let other = TestApp::launch(&app.database, &[]).await;
    other.api.until_ready().await.expect("become ready");
    let phone = app.user().await;
    let laptop = log_in(&app, &phone).await;
    assert_eq!(other.get("/api/v1/users/me", &phone).await.status, 200);
    assert_eq!(log_out(&app, &phone).await, 204);
    for instance in [&app, &other] {
        let refused = instance.get("/api/v1/users/me", &phone).await;
        assert_problem(&refused, 401, "unauthorized", &[]);
        assert_eq!(refused.body["detail"], "The token was revoked. Log in again.");
        assert_eq!(instance.get("/api/v1/users/me", &laptop).await.status, 200);
        assert_eq!(log_out(instance, &phone).await, 401);
    }
    assert_eq!(app.get("/api/v1/users/me", &log_in(&app, &phone).await).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn logout_is_published_and_checked_for_notification_service() {
    let app = TestApp::start().await;
    let device = Device::any(&app).await;
    let (alice, bob) = (&device.user, app.user().await);
    app.until_redis().await;
    assert!(is_valid_for_sockets(&app, alice).await);
    let channel = Channel::User(alice.id.parse().expect("parse id"));
    let mut listener = Listener::on([channel]).await;
    assert_eq!(log_out(&app, alice).await, 204);
    let ended = EndedSessions { session_ids: vec![device.id()], issued_before: None };
    assert_eq!(next_end(&mut listener).await, (channel, ended));
    assert!(!is_valid_for_sockets(&app, alice).await && is_valid_for_sockets(&app, &bob).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn token_without_session_works_and_is_revoked_alone() {
    let app = TestApp::start().await;
    let device = Device::any(&app).await;
    let (older, other) = (without_session(&device.user), without_session(&device.user));
    app.until_redis().await;
    let sessions = app.get("/api/v1/auth/sessions", &older).await.body;
    assert!(sessions["sessions"].as_array().expect("list").iter().all(|session| session["current"] == false));
    let channel = Channel::User(older.id.parse().expect("parse id"));
    let mut listener = Listener::on([channel]).await;
    assert_eq!(log_out(&app, &older).await, 204);
    let (_, text) = listener.next().await;
    let envelope: Envelope<'_> = serde_json::from_str(&text).expect("parse envelope");
    let Event::SessionRevoked { token_id } = envelope.event else { panic!("{text}") };
    assert_eq!(token_id, claims(&older).jti);
    assert_problem(&app.get("/api/v1/users/me", &older).await, 401, "unauthorized", &[]);
    assert!(!is_valid_for_sockets(&app, &older).await && is_valid_for_sockets(&app, &other).await);
    assert_eq!((app.get("/api/v1/users/me", &other).await.status, device.status(&app).await), (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn logout_needs_a_token_but_not_redis() {
    let app = TestApp::start_with(&[("REDIS_URL", "redis://127.0.0.1:1/0")]).await;
    let nobody = app.api.call("POST", "/api/v1/auth/logout", None, None).await.expect("call API");
    assert_problem(&nobody, 401, "unauthorized", &[]);
    let user = app.user().await;
    assert_eq!(log_out(&app, &user).await, 204);
    assert_eq!(app.get("/api/v1/users/me", &user).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_expired_revoked_tokens() {
    let app = TestApp::start().await;
    let sql = app.sql().await;
    sql.batch_execute(
        "INSERT INTO revoked_tokens (id, user_id, expires_at)
         SELECT gen_random_uuid(), gen_random_uuid(), now() - interval '1 second' FROM generate_series(1, 150)",
    )
    .await
    .expect("query rows");
    let kept =
        async || sql.query_one("SELECT count(*) FROM revoked_tokens", &[]).await.expect("find row").get::<_, i64>(0);
    for left in [51, 2] {
        assert_eq!(log_out(&app, &without_session(&app.user().await)).await, 204);
        assert_eq!(kept().await, left);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_sessions_a_day_after_their_end() {
    let app = TestApp::start().await;
    let devices = [Device::any(&app).await, Device::any(&app).await, Device::any(&app).await];
    let sql = app.sql().await;
    let ended = "UPDATE sessions SET revoked_at = now() - interval '25 hours' WHERE id = $1";
    sql.execute(ended, &[&devices[0].id().0]).await.expect("update row");
    let expired = "UPDATE sessions SET expires_at = now() - interval '25 hours' WHERE id = $1";
    sql.execute(expired, &[&devices[1].id().0]).await.expect("update row");
    assert_eq!(log_out(&app, &app.user().await).await, 204);
    // Another instance looks for them at its start.
    let other = TestApp::launch(&app.database, &[]).await;
    other.api.until_ready().await.expect("become ready");
    until("they are deleted", async || {
        let count = "SELECT count(*) FROM sessions WHERE id = ANY ($1)";
        let ids: Vec<_> = devices.iter().map(|device| device.id().0).collect();
        sql.query_one(count, &[&ids]).await.expect("find row").get::<_, i64>(0) == 1
    })
    .await;
    let statuses = [devices[0].status(&app).await, devices[1].status(&app).await, devices[2].status(&app).await];
    assert_eq!(statuses, [401, 401, 200]);
}
