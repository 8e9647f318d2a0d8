//! Logging out.

use neonchat_common::{
    bus::{Channel, Envelope, Event},
    error::{ApiError, ErrorCode},
    token::Tokens,
};
use neonchat_proto::chat::v1::ListUserChatsRequest;
use neonchat_testbed::client::{PASSWORD, User, text};
use serde_json::json;

use crate::support::{Listener, TestApp, assert_problem};

async fn log_in(app: &TestApp, user: &User) -> User {
    let body = json!({ "username": user.name, "password": PASSWORD });
    let login = app.api.call("POST", "/api/v1/auth/login", None, Some(&body)).await.expect("call API");
    User { token: text(&login.body["token"]).expect("token in answer"), ..user.clone() }
}

async fn log_out(app: &TestApp, user: &User) -> u16 {
    app.api.call("POST", "/api/v1/auth/logout", Some(&user.token), None).await.expect("call API").status
}

fn token_id(user: &User) -> String {
    let tokens = Tokens::new(&"your-super-secret-jwt-key-change-in-production".into(), std::time::Duration::ZERO);
    tokens.verify(&user.token).expect("verify token").jti.to_string()
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
    let (alice, bob, chat) = app.pair().await;
    app.until_redis().await;
    let list = async |user: &User| {
        let request = ListUserChatsRequest {
            user_id: user.id.clone(),
            token_id: token_id(user),
            ..ListUserChatsRequest::default()
        };
        let chats = app.chat_service().list_user_chats(app.grpc.request(request)).await?.into_inner().chats;
        Ok::<_, ApiError>(chats.into_iter().map(|chat| chat.chat_id).collect::<Vec<_>>())
    };
    assert_eq!(list(&alice).await.expect("list chats"), std::slice::from_ref(&chat));

    let channel = Channel::User(alice.id.parse().expect("parse id"));
    let mut listener = Listener::on([channel]).await;
    assert_eq!(log_out(&app, &alice).await, 204);
    let (published_on, text) = listener.next().await;
    let envelope: Envelope<'_> = serde_json::from_str(&text).expect("parse envelope");
    let Event::SessionRevoked { token_id: revoked } = envelope.event else { panic!("{text}") };
    assert_eq!((published_on, revoked.to_string()), (channel, token_id(&alice)));

    assert_eq!(list(&alice).await.expect_err("refuse request").code, ErrorCode::Unauthorized);
    assert_eq!(list(&bob).await.expect("list chats"), [chat]);
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
        assert_eq!(log_out(&app, &app.user().await).await, 204);
        assert_eq!(kept().await, left);
    }
}
