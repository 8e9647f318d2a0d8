//! A connection is as good as its token.

use jsonwebtoken::{EncodingKey, Header};
use neonchat_common::token::Tokens;
use neonchat_testbed::client::{PASSWORD, Refused, Socket, User, text};
use serde_json::json;

use crate::helpers::TestApp;

/// A token of a user that is good for so many seconds.
fn token(user: &User, seconds: u64) -> String {
    // Installs what signs.
    let _ = Tokens::new(&"x".into(), std::time::Duration::ZERO);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("now").as_secs();
    let claims = json!({ "user_id": user.id, "username": user.name, "iat": now, "exp": now + seconds,
        "jti": uuid::Uuid::new_v4() });
    let secret = EncodingKey::from_secret(b"your-super-secret-jwt-key-change-in-production");
    jsonwebtoken::encode(&Header::default(), &claims, &secret).expect("a token")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_closes_the_sockets_of_that_token_everywhere_and_no_other() {
    let app = TestApp::start().await;
    let other = app.another().await;
    let phone = app.api.any_user().await.expect("a user");
    let login = json!({ "username": phone.name, "password": PASSWORD });
    let login = app.api.call("POST", "/api/v1/auth/login", None, Some(&login)).await.expect("an answer");
    let laptop = User { token: text(&login.body["token"]).expect("a token"), ..phone.clone() };
    let mut here = app.socket(&phone).await;
    let mut there = Socket::open(&other.websocket, &phone, None).await.expect("a socket");
    let mut laptops = app.socket(&laptop).await;

    let answer = app.api.call("POST", "/api/v1/auth/logout", Some(&phone.token), None).await.expect("an answer");
    assert_eq!(answer.status, 204);
    for socket in [&mut here, &mut there] {
        assert_eq!(socket.closed().await.expect("a close frame").1, 4004);
    }
    laptops.expect_quiet().await.expect("still open");
    for websocket in [&app.notification.websocket, &other.websocket] {
        let url = format!("{websocket}/ws?token={}", phone.token);
        let Err(Refused(answer)) = Socket::request(&url, &[]).await.expect("an answer") else { panic!("let in") };
        assert_eq!((answer.status, &answer.body["code"]), (401, &json!("unauthorized")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_ends_with_its_token_unless_it_shows_a_newer_one() {
    let app = TestApp::start().await;
    let user = app.api.any_user().await.expect("a user");
    let short = User { token: token(&user, 2), ..user.clone() };
    let (mut ends, mut goes_on) = (app.socket(&short).await, app.socket(&short).await);
    goes_on.send(&json!({ "type": "auth", "token": user.token })).await.expect("sent");
    assert_eq!(ends.closed().await.expect("a close frame").1, 4002);
    goes_on.expect_quiet().await.expect("still open");

    // From then on it is the newer one that counts.
    app.api.call("POST", "/api/v1/auth/logout", Some(&user.token), None).await.expect("an answer");
    assert_eq!(goes_on.closed().await.expect("a close frame").1, 4004);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_newer_token_is_an_error_and_the_old_one_stays() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.api.any_user().await.expect("a user"), app.api.any_user().await.expect("a user"));
    let revoked = User { token: token(&alice, 60), ..alice.clone() };
    app.api.call("POST", "/api/v1/auth/logout", Some(&revoked.token), None).await.expect("an answer");
    let mut socket = app.socket(&alice).await;
    for (token, code) in [
        (json!("nonsense"), "unauthorized"),
        (json!(bob.token), "forbidden"),
        (json!(revoked.token), "unauthorized"),
        (json!(5), "validation_failed"),
    ] {
        socket.send(&json!({ "type": "auth", "token": token, "request_id": "a" })).await.expect("sent");
        let error = socket.expect("error").await.expect("an error");
        assert_eq!((&error["code"], &error["request_id"]), (&json!(code), &json!("a")));
    }
    socket.expect_quiet().await.expect("still open");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_with_the_greatest_exp_opens_a_socket_that_works_and_ends() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.two_users().await;
    let mut bobs = app.socket(&bob).await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("now").as_secs();
    let for_ever = User { token: token(&alice, u64::MAX - now - 5), ..alice.clone() };
    let mut alices = app.socket(&for_ever).await;
    bobs.expect("presence").await.expect("online");
    alices.send(&json!({ "type": "message", "chat_id": chat, "text": "hi" })).await.expect("sent");
    alices.expect_beside_presence("message_sent").await.expect("an ack");
    drop(alices);
    bobs.expect("new_message").await.expect("the message");
    assert_eq!(bobs.expect("presence").await.expect("offline")["event"], "user_offline");
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_handshake_of_unknown_user() {
    let app = TestApp::start().await;
    let known = app.api.any_user().await.expect("a user");
    let stranger = User { id: uuid::Uuid::new_v4().to_string(), ..known };
    let url = format!("{}/ws?token={}", app.notification.websocket, token(&stranger, 60));
    let Err(Refused(answer)) = Socket::request(&url, &[]).await.expect("an answer") else { panic!("let in") };
    assert_eq!((answer.status, &answer.body["code"]), (401, &json!("unauthorized")));
}
