//! Accepted and refused handshakes.

use std::time::Duration;

use jsonwebtoken::{EncodingKey, Header};
use neonchat_common::{ids::UserId, token::Tokens};
use neonchat_testbed::{
    client::{Answer, Refused, Socket, User},
    plain::internals_in,
};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};

use crate::helpers::{Notification, TestApp};

/// Returns the HTTP status and the error code of a refused handshake.
async fn refusal(url: &str, headers: &[(&'static str, &str)]) -> (u16, String) {
    let Err(Refused(answer)) = Socket::request(url, headers).await.expect("call API") else {
        panic!("{url} was not refused");
    };
    assert_eq!(answer.body["status"], answer.status);
    (answer.status, answer.body["code"].as_str().unwrap_or_default().to_owned())
}

/// Returns a token with these claims, and a `jti`.
fn token_with(claims: &Value) -> String {
    let mut claims = claims.clone();
    claims["jti"] = json!(uuid::Uuid::now_v7());
    let secret = EncodingKey::from_secret(b"your-super-secret-jwt-key-change-in-production");
    jsonwebtoken::encode(&Header::default(), &claims, &secret).expect("create token")
}

#[tokio::test(flavor = "multi_thread")]
async fn accepts_token_in_query_header_or_subprotocol() {
    let app = TestApp::start().await;
    let user = app.api.any_user().await.expect("register user");
    let ws = format!("{}/ws", app.notification.websocket);
    let bearer = format!("Bearer {}", user.token);
    let offered = format!("neonchat.v1, bearer.{}", user.token);
    let alone = format!("bearer.{}", user.token);
    // The header that browsers add on a site behind HTTP basic authentication.
    let basic = ("authorization", "Basic YWxpY2U6c2VjcmV0");
    for (url, headers) in [
        (format!("{ws}?token={}", user.token), vec![]),
        (ws.clone(), vec![("authorization", bearer.as_str())]),
        (ws.clone(), vec![("sec-websocket-protocol", offered.as_str())]),
        (ws.clone(), vec![("sec-websocket-protocol", "neonchat.v1"), ("sec-websocket-protocol", alone.as_str())]),
        (format!("{ws}?token={}", user.token), vec![basic]),
        (ws.clone(), vec![basic, ("authorization", bearer.as_str())]),
        (ws.clone(), vec![basic, ("sec-websocket-protocol", offered.as_str())]),
    ] {
        let mut socket = Socket::request(&url, &headers).await.expect("call API").expect("open socket");
        socket.expect_quiet().await.expect("receive pong");
    }
    assert_eq!(refusal(&ws, &[basic]).await, (401, "unauthorized".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_unauthorized_clients_before_upgrade() {
    let app = TestApp::start().await;
    let (alice, bob, _) = app.two_users().await;
    let stranger = app.api.any_user().await.expect("register user");
    let foreign = app.api.chat(&bob, &stranger).await.expect("create chat");
    let unknown = uuid::Uuid::now_v7();
    let ws = format!("{}/ws", app.notification.websocket);
    let forged = Tokens::new(&"another secret".into(), Duration::from_mins(1));
    let forged = forged.issue(UserId::new(), "mallory").expect("create token");
    let expired = token_with(&json!({ "user_id": alice.id, "username": alice.name, "iat": 1000, "exp": 2000 }));

    for (query, expected) in [
        (String::new(), (401, "unauthorized")),
        ("?token=nonsense".to_owned(), (401, "unauthorized")),
        (format!("?token={forged}"), (401, "unauthorized")),
        (format!("?token={expired}"), (401, "token_expired")),
        (format!("?token={}&chat_id={foreign}", alice.token), (403, "forbidden")),
        (format!("?token={}&chat_id={unknown}", alice.token), (403, "forbidden")),
        (format!("?token={}&chat_id=x", alice.token), (422, "validation_failed")),
    ] {
        let (status, code) = refusal(&format!("{ws}{query}"), &[]).await;
        assert_eq!((status, code.as_str()), expected, "{query}");
    }
}

/// Returns the close code and the reason of a handshake that is accepted only to be refused, as for a browser.
async fn told(url: &str, token: Option<&str>, more: &[(&'static str, &str)]) -> (u16, String) {
    let offered = token.map_or_else(|| "neonchat.v1".to_owned(), |token| format!("neonchat.v1, bearer.{token}"));
    let headers = [&[("sec-websocket-protocol", offered.as_str())], more].concat();
    let mut socket = Socket::request(url, &headers).await.expect("call API").expect("be accepted");
    let Ok(Message::Close(Some(CloseFrame { code, reason }))) = socket.receive().await else { panic!("not closed") };
    (code.into(), reason.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_are_told_why_they_are_refused() {
    let settings = [("WS_MAX_CONNECTIONS_PER_USER", "1")];
    let app = TestApp::start_with(&neonchat_testbed::harness::redis_url(), &settings).await;
    let (alice, bob, _) = app.two_users().await;
    let stranger = app.api.any_user().await.expect("register user");
    let foreign = app.api.chat(&bob, &stranger).await.expect("create chat");
    let url = format!("{}/ws", app.notification.websocket);
    let expired = token_with(&json!({ "user_id": alice.id, "username": alice.name, "iat": 1000, "exp": 2000 }));
    let logged_out = app.api.any_user().await.expect("register user");
    app.api.call("POST", "/api/v1/auth/logout", Some(&logged_out.token), None).await.expect("call API");
    for (token, code) in
        [(None, 4001), (Some("nonsense"), 4001), (Some(&*expired), 4002), (Some(&*logged_out.token), 4004)]
    {
        let (told, reason) = told(&url, token, &[]).await;
        assert_eq!(told, code, "{token:?}: {reason}");
    }
    let scoped = format!("{url}?chat_id={foreign}");
    assert_eq!(told(&scoped, Some(&alice.token), &[]).await, (4003, "no such chat".to_owned()));
    let origin = [("origin", "https://elsewhere.example")];
    assert_eq!(told(&url, Some(&alice.token), &origin).await, (4003, "origin not allowed".to_owned()));
    let _first = app.socket(&alice).await;
    assert_eq!(told(&url, Some(&alice.token), &[]).await, (4009, "too many connections".to_owned()));

    // What has no code stays an HTTP status.
    let offered = format!("neonchat.v1, bearer.{}", bob.token);
    let offered = [("sec-websocket-protocol", offered.as_str())];
    assert_eq!(refusal(&format!("{url}?chat_id=x"), &offered).await.0, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_browsers_count_against_the_limit_of_their_address() {
    let settings = [("WS_MAX_CONNECTIONS_PER_ADDRESS", "1")];
    let app = TestApp::start_with(&neonchat_testbed::harness::redis_url(), &settings).await;
    let alice = app.api.any_user().await.expect("register user");
    let url = format!("{}/ws", app.notification.websocket);
    let _only = app.socket(&alice).await;
    let offered = [("sec-websocket-protocol", "neonchat.v1, bearer.nonsense")];
    assert_eq!(refusal(&url, &offered).await.0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusal_names_parameter_but_no_internals() {
    let app = TestApp::start().await;
    let alice = app.api.any_user().await.expect("register user");
    let url = format!("{}/ws", app.notification.websocket);
    let own = app.notification.websocket.replace("ws://", "http://");
    for (query, origin, field) in [
        (format!("?token={}&chat_id=x", alice.token), &own, json!("chat_id")),
        (format!("?token={}&chat_id=", alice.token), &own, json!("chat_id")),
        (format!("?token={}&chat_id=x&chat_id=y", alice.token), &own, json!("chat_id")),
        (format!("?token={0}&token={0}", alice.token), &own, json!("token")),
        (String::new(), &own, json!(null)),
        ("?token=x".to_owned(), &own, json!(null)),
        (format!("?token={}", alice.token), &"https://elsewhere.example".to_owned(), json!(null)),
    ] {
        let opened = Socket::request(&format!("{url}{query}"), &[("origin", origin)]).await.expect("call API");
        let Err(Refused(Answer { body, .. })) = opened else { panic!("opened: {query}") };
        assert_eq!(body["errors"][0]["field"], field, "{query}: {body}");
        assert_eq!(internals_in(body["detail"].as_str().expect("read text")), None, "{query}: {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_handshakes_after_which_http_would_continue() {
    let app = TestApp::start().await;
    let user = app.api.any_user().await.expect("register user");
    let upgrade = "Upgrade: websocket\r\n";
    for (version, headers, body, status) in [
        ("1.1", upgrade.to_owned(), "", 101),
        ("1.1", "Upgrade: WebSocket\r\nContent-Length: 0\r\n".to_owned(), "", 101),
        ("1.0", upgrade.to_owned(), "", 426),
        ("1.1", format!("{upgrade}Transfer-Encoding: chunked\r\n"), "0\r\n\r\n", 426),
        ("1.1", format!("{upgrade}Content-Length: 6\r\n"), "\u{9}\0\0\0\0\0", 426),
        ("1.1", "Upgrade: websocket, h2c\r\n".to_owned(), "", 426),
        ("1.1", "Upgrade: not-a-websocket\r\n".to_owned(), "", 426),
    ] {
        let head = app.raw_head_of(&user, version, &headers, body).await;
        let expected = format!("HTTP/{version} {status} ");
        assert!(head.starts_with(&expected), "{headers}: {head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_requests_that_are_no_handshake() {
    let app = TestApp::start().await;
    let answer = app.notification.http.call("GET", "/ws", None, None).await.expect("call API");
    assert_eq!((answer.status, &answer.body["code"]), (426, &json!("upgrade_required")));
    let answer = app.notification.http.call("POST", "/ws", None, None).await.expect("call API");
    assert_eq!((answer.status, &answer.body["code"]), (405, &json!("method_not_allowed")));
    let answer = app.notification.http.call("GET", "/nowhere", None, None).await.expect("call API");
    assert_eq!((answer.status, &answer.body["code"]), (404, &json!("not_found")));
}

#[tokio::test(flavor = "multi_thread")]
async fn full_instance_and_instance_without_chat_service_answer_503() {
    let app = TestApp::start_with(&neonchat_testbed::harness::redis_url(), &[("WS_MAX_CONNECTIONS", "1")]).await;
    let user = app.api.any_user().await.expect("register user");
    let first = app.socket(&user).await;
    let url = |websocket: &str| format!("{websocket}/ws?token={}", user.token);
    assert_eq!(refusal(&url(&app.notification.websocket), &[]).await, (503, "unavailable".to_owned()));
    first.close().await.expect("close socket");

    let nowhere = neonchat_testbed::port::reserve().expect("reserve port");
    let alone = Notification::start(&neonchat_testbed::harness::redis_url(), nowhere, &[]).await;
    assert_eq!(refusal(&url(&alone.websocket), &[]).await, (503, "unavailable".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_handshake_leaves_nothing_behind() {
    let app = TestApp::start().await;
    let user: User = app.api.any_user().await.expect("register user");
    let url = format!("{}/ws?token={}&chat_id={}", app.notification.websocket, user.token, uuid::Uuid::now_v7());
    for _ in 0..3 {
        assert_eq!(refusal(&url, &[]).await.0, 403);
    }
    app.notification.running.stop().await; // Waits for every socket and task.
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_foreign_origins() {
    let settings = [
        ("CORS_ALLOWED_ORIGINS", "https://chat.example.org, capacitor://localhost"),
        ("PUBLIC_URL", "https://client.example.org/"),
        ("CHAT_SERVICE_PORT", "8088"),
    ];
    let app = TestApp::start_with(&neonchat_testbed::harness::redis_url(), &settings).await;
    let user = app.api.any_user().await.expect("register user");
    let url = format!("{}/ws?token={}", app.notification.websocket, user.token);
    let own = app.notification.websocket.replace("ws://", "http://");
    // The client that chat-service serves is on another port of the same host.
    let served = ["http://127.0.0.1:8088", "https://client.example.org"];
    for origin in ["https://chat.example.org", "capacitor://localhost", &own].into_iter().chain(served) {
        let mut socket = Socket::request(&url, &[("origin", origin)]).await.expect("call API").expect("open socket");
        socket.expect_quiet().await.expect("receive pong");
    }
    // Not listed, although its host equals that of the server.
    let namesake = own.replace("http://", "tauri://");
    for origin in [
        "https://evil.example",
        "http://chat.example.org",
        "null",
        "https://chat.example.org.evil.example",
        "capacitor://localhost.evil.example",
        "http://client.example.org",
        "http://127.0.0.1:8089",
        "http://localhost:8088",
        &namesake,
    ] {
        assert_eq!(refusal(&url, &[("origin", origin)]).await, (403, "forbidden".to_owned()), "{origin}");
    }
    let rejected =
        app.notification.http.metric("security_events_total{event=\"origin_rejected\"}").await.expect("read metric");
    assert!(!rejected.ends_with(" 0"), "{rejected}");
}
