//! Connections and the validity of their tokens.

use chrono::{DateTime, Utc};
use jsonwebtoken::{EncodingKey, Header};
use neonchat_common::token::Tokens;
use neonchat_testbed::client::{PASSWORD, Refused, Socket, User, text};
use serde_json::{Value, json};

use crate::helpers::TestApp;

/// Returns a token of a user that expires after `seconds`.
fn token(user: &User, seconds: u64) -> String {
    // Installs the signing provider.
    let _ = Tokens::new(&"x".into(), std::time::Duration::ZERO);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("read clock").as_secs();
    let claims = json!({ "user_id": user.id, "username": user.name, "iat": now, "exp": now + seconds,
        "jti": uuid::Uuid::new_v4() });
    let secret = EncodingKey::from_secret(b"your-super-secret-jwt-key-change-in-production");
    jsonwebtoken::encode(&Header::default(), &claims, &secret).expect("create token")
}

#[tokio::test(flavor = "multi_thread")]
async fn logout_closes_all_sockets_of_its_token_only() {
    let app = TestApp::start().await;
    let other = app.another().await;
    let phone = app.api.any_user().await.expect("register user");
    let login = json!({ "username": phone.name, "password": PASSWORD });
    let login = app.api.call("POST", "/api/v1/auth/login", None, Some(&login)).await.expect("call API");
    let laptop = User { token: text(&login.body["token"]).expect("create token"), ..phone.clone() };
    let mut here = app.socket(&phone).await;
    let mut there = Socket::open(&other.websocket, &phone, None).await.expect("open socket");
    let mut laptops = app.socket(&laptop).await;

    let answer = app.api.call("POST", "/api/v1/auth/logout", Some(&phone.token), None).await.expect("call API");
    assert_eq!(answer.status, 204);
    for socket in [&mut here, &mut there] {
        assert_eq!(socket.closed().await.expect("receive close frame").1, 4004);
    }
    laptops.expect_quiet().await.expect("stay open");
    for websocket in [&app.notification.websocket, &other.websocket] {
        let url = format!("{websocket}/ws?token={}", phone.token);
        let Err(Refused(answer)) = Socket::request(&url, &[]).await.expect("call API") else { panic!("accepted") };
        assert_eq!((answer.status, &answer.body["code"]), (401, &json!("unauthorized")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn socket_closes_when_token_expires_unless_renewed() {
    let app = TestApp::start().await;
    let user = app.api.any_user().await.expect("register user");
    let short = User { token: token(&user, 2), ..user.clone() };
    let (mut ends, mut goes_on) = (app.socket(&short).await, app.socket(&short).await);
    goes_on.send(&json!({ "type": "auth", "token": user.token, "request_id": "a 1" })).await.expect("send");
    let renewed = goes_on.expect("auth_ok").await.expect("receive answer");
    let claims = jsonwebtoken::dangerous::insecure_decode::<Value>(&user.token).expect("read token").claims;
    let shown: DateTime<Utc> = renewed["expires_at"].as_str().expect("a time").parse().expect("parse time");
    assert_eq!((&renewed["request_id"], json!(shown.timestamp())), (&json!("a 1"), claims["exp"].clone()));
    assert_eq!(ends.closed().await.expect("receive close frame").1, 4002);
    goes_on.expect_quiet().await.expect("stay open");

    // From then on the newer token decides.
    app.api.call("POST", "/api/v1/auth/logout", Some(&user.token), None).await.expect("call API");
    assert_eq!(goes_on.closed().await.expect("receive close frame").1, 4004);
}

#[tokio::test(flavor = "multi_thread")]
async fn socket_belongs_to_the_session_of_its_newest_token() {
    let app = TestApp::start().await;
    let phone = app.api.any_user().await.expect("register user");
    let login = json!({ "username": phone.name, "password": PASSWORD });
    let laptop = app.api.call("POST", "/api/v1/auth/login", None, Some(&login)).await.expect("call API").body;
    let refresh = json!({ "refresh_token": laptop["refresh_token"] });
    let refreshed = app.api.call("POST", "/api/v1/auth/refresh", None, Some(&refresh)).await.expect("call API").body;
    let (mut renewed, mut moved, mut stays) =
        (app.socket(&phone).await, app.socket(&phone).await, app.socket(&phone).await);
    for (socket, tokens) in [(&mut renewed, &[&laptop, &refreshed][..]), (&mut moved, &[&refreshed])] {
        for answer in tokens {
            socket.send(&json!({ "type": "auth", "token": answer["token"], "request_id": "a" })).await.expect("send");
            socket.expect("auth_ok").await.expect("receive answer");
        }
    }
    let path = format!("/api/v1/auth/sessions/{}", text(&laptop["session_id"]).expect("read id"));
    let answer = app.api.call("DELETE", &path, Some(&phone.token), None).await.expect("call API");
    assert_eq!(answer.status, 204);
    for socket in [&mut renewed, &mut moved] {
        assert_eq!(socket.closed().await.expect("receive close frame").1, 4004);
    }
    // A token of the ended session is refused, and the socket keeps the old one.
    stays.send(&json!({ "type": "auth", "token": refreshed["token"], "request_id": "a" })).await.expect("send");
    assert_eq!(stays.expect("error").await.expect("receive error")["code"], "unauthorized");
    stays.expect_quiet().await.expect("stay open");
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_old_token_after_rejected_auth() {
    let app = TestApp::start().await;
    let (alice, bob) =
        (app.api.any_user().await.expect("register user"), app.api.any_user().await.expect("register user"));
    let revoked = User { token: token(&alice, 60), ..alice.clone() };
    app.api.call("POST", "/api/v1/auth/logout", Some(&revoked.token), None).await.expect("call API");
    let mut socket = app.socket(&alice).await;
    for (token, code) in [
        (json!("nonsense"), "unauthorized"),
        (json!(bob.token), "forbidden"),
        (json!(revoked.token), "unauthorized"),
        (json!(5), "validation_failed"),
    ] {
        socket.send(&json!({ "type": "auth", "token": token, "request_id": "a" })).await.expect("send");
        let error = socket.expect("error").await.expect("receive error");
        assert_eq!((&error["code"], &error["request_id"]), (&json!(code), &json!("a")));
    }
    socket.expect_quiet().await.expect("stay open");
}

#[tokio::test(flavor = "multi_thread")]
async fn accepts_token_with_largest_exp() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.two_users().await;
    let mut bobs = app.socket(&bob).await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("read clock").as_secs();
    let for_ever = User { token: token(&alice, u64::MAX - now - 5), ..alice.clone() };
    let mut alices = app.socket(&for_ever).await;
    bobs.expect("presence").await.expect("receive presence");
    alices.send(&json!({ "type": "message", "chat_id": chat, "text": "hi" })).await.expect("send");
    alices.expect_beside_presence("message_sent").await.expect("receive ack");
    drop(alices);
    bobs.expect("new_message").await.expect("receive message");
    assert_eq!(bobs.expect("presence").await.expect("receive presence")["event"], "user_offline");
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_handshake_of_unknown_user() {
    let app = TestApp::start().await;
    let known = app.api.any_user().await.expect("register user");
    let stranger = User { id: uuid::Uuid::new_v4().to_string(), ..known };
    let url = format!("{}/ws?token={}", app.notification.websocket, token(&stranger, 60));
    let Err(Refused(answer)) = Socket::request(&url, &[]).await.expect("call API") else { panic!("accepted") };
    assert_eq!((answer.status, &answer.body["code"]), (401, &json!("unauthorized")));
}
