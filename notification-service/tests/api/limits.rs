//! Limits per user and per address.

use std::time::Instant;

use neonchat_testbed::{
    client::{Refused, Socket, User},
    harness::{self, until},
};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use crate::helpers::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn limits_sockets_per_user() {
    let app = TestApp::start_with(&harness::redis_url(), &[("WS_MAX_CONNECTIONS_PER_USER", "2")]).await;
    let (alice, bob, _) = app.two_users().await;
    let first = app.socket(&alice).await;
    let _second = app.socket(&alice).await;
    let url = format!("{}/ws?token={}", app.notification.websocket, alice.token);
    let Err(Refused(answer)) = Socket::request(&url, &[]).await.expect("call API") else { panic!("accepted") };
    assert_eq!((answer.status, &answer.body["code"]), (429, &json!("rate_limited")));
    assert!(head_of_refusal(&app, &alice).await.contains("\r\nretry-after: 10\r\n"));
    app.socket(&bob).await.expect_quiet().await.expect("receive pong");
    first.close().await.expect("close socket");
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_messages_above_rate_limit() {
    let app = TestApp::start_with(&harness::redis_url(), &[("WS_MESSAGES_PER_SECOND", "1")]).await;
    let (alice, bob, chat) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    for text in ["1", "2"] {
        alices.send_message(&chat, text).await.expect("receive ack");
    }
    let request_id = uuid::Uuid::new_v4();
    let third = json!({ "type": "message", "chat_id": chat, "text": "3", "request_id": request_id });
    alices.send(&third).await.expect("send");
    let error = alices.expect_beside_presence("error").await.expect("receive error");
    assert_eq!(
        (&error["code"], &error["request_id"], &error["retryable"]),
        (&json!("rate_limited"), &json!(request_id), &json!(true))
    );
    assert!(error["retry_after_ms"].as_u64().is_some_and(|ms| (1..=1000).contains(&ms)), "{error}");
    // Other frames have a limit of their own.
    alices.expect_quiet().await.expect("receive pong");
    let history = app.api.get(&format!("/api/v1/chats/{chat}/messages"), &bob).await.expect("call API");
    assert_eq!(history.body["messages"].as_array().map(Vec::len), Some(2));
}

/// Returns the head of a refused handshake's answer, in lower case.
async fn head_of_refusal(app: &TestApp, user: &User) -> String {
    let received = app.raw_head(user).await;
    assert!(received.starts_with("HTTP/1.1 429 "), "{received}");
    received.to_lowercase()
}

/// Sends a message repeatedly until the socket closes. Returns the close code.
async fn flood(mut socket: Socket, message: Message) -> u16 {
    for _ in 0..20_000 {
        if socket.send_raw(message.clone()).await.is_err() {
            break;
        }
    }
    socket.closed().await.expect("receive close frame").1
}

#[tokio::test(flavor = "multi_thread")]
async fn closes_client_that_keeps_exceeding_rate_limit() {
    // The limit accepts 100 frames each second.
    let app = TestApp::start_with(&harness::redis_url(), &[("WS_MESSAGES_PER_SECOND", "20")]).await;
    for message in [
        Message::text(json!({ "type": "ping" }).to_string()),
        Message::text("{"),
        Message::binary(vec![1]),
        Message::Ping("?".into()),
        Message::Pong("?".into()),
    ] {
        let user = app.api.any_user().await.expect("register user");
        assert_eq!(flood(app.socket(&user).await, message.clone()).await, 4008, "{message:?}");
    }
    let events =
        app.notification.http.metric("security_events_total{event=\"socket_abuse\"}").await.expect("read metric");
    assert!(!events.ends_with(" 0"), "{events}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_of_a_user_share_limit_and_reconnect_does_not_refill() {
    let app = TestApp::start_with(&harness::redis_url(), &[("WS_MESSAGES_PER_SECOND", "2")]).await;
    let (alice, bob, chat) = app.two_users().await;
    let begun = Instant::now();
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..4 {
        let mut sockets = [app.socket(&alice).await, app.socket(&alice).await];
        for socket in &mut sockets {
            for _ in 0..4 {
                let message = json!({ "type": "message", "chat_id": chat, "text": "x", "request_id": Uuid::new_v4() });
                socket.send(&message).await.expect("send");
                loop {
                    let frame = socket.next().await.expect("call API");
                    match frame["type"].as_str() {
                        Some("message_sent") => taken += 1,
                        Some("error") => refused += 1,
                        _ => continue,
                    }
                    break;
                }
            }
        }
        for socket in sockets {
            socket.close().await.expect("close socket");
        }
    }
    // A burst of four, then two each second.
    let most = 4 + 2 * (begun.elapsed().as_secs() + 1);
    assert!((4..=most).contains(&taken) && taken + refused == 32, "{taken} of {most}, {refused} refused");
    // Another user has a limit of its own.
    app.socket(&bob).await.send_message(&chat, "y").await.expect("receive ack");
}

#[tokio::test(flavor = "multi_thread")]
async fn rate_limits_handshakes_of_a_user() {
    let app = TestApp::start_with(&harness::redis_url(), &[("WS_MAX_CONNECTIONS_PER_USER", "1")]).await;
    let (alice, bob, _) = app.two_users().await;
    let url = format!("{}/ws?token={}", app.notification.websocket, alice.token);
    let mut refused = None;
    for _ in 0..20 {
        match Socket::request(&url, &[]).await.expect("call API") {
            Ok(socket) => socket.close().await.expect("close socket"),
            Err(Refused(answer)) => refused = Some(answer),
        }
    }
    let answer = refused.expect("be refused");
    assert_eq!((answer.status, &answer.body["code"]), (429, &json!("rate_limited")));
    assert!(head_of_refusal(&app, &alice).await.contains("\r\nretry-after: "));
    app.socket(&bob).await.expect_quiet().await.expect("receive pong");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_sockets_per_forwarded_address() {
    let settings = [("WS_MAX_CONNECTIONS_PER_ADDRESS", "1"), ("TRUSTED_PROXIES", "127.0.0.1")];
    let app = TestApp::start_with(&harness::redis_url(), &settings).await;
    let (alice, bob, _) = app.two_users().await;
    let request = async |user: &User, address: &str| {
        let url = format!("{}/ws?token={}", app.notification.websocket, user.token);
        Socket::request(&url, &[("x-forwarded-for", address)]).await.expect("call API")
    };
    let first = request(&alice, "203.0.113.1").await.expect("open socket");
    let Err(Refused(answer)) = request(&bob, "203.0.113.1").await else { panic!("accepted") };
    assert_eq!((answer.status, &answer.body["code"]), (429, &json!("rate_limited")));
    let _second = request(&bob, "203.0.113.2").await.expect("open socket");
    first.close().await.expect("close socket");
    until("the closed socket is no longer counted", async || request(&bob, "203.0.113.1").await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_rate_of_typing_and_presence_events() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.two_users().await;
    let mut bobs = app.socket(&bob).await;
    let begun = Instant::now();
    let mut sockets = Vec::new();
    for _ in 0..5 {
        sockets.push(app.socket(&alice).await);
    }
    for n in 0..100 {
        for socket in &mut sockets {
            socket.send(&json!({ "type": "typing", "chat_id": chat, "is_typing": n % 2 == 0 })).await.expect("send");
            let status = if n % 2 == 0 { "away" } else { "online" };
            socket.send(&json!({ "type": "presence", "status": status })).await.expect("send");
        }
    }
    for socket in &mut sockets {
        socket.expect_quiet().await.expect("receive pong");
    }
    // The last update counts.
    for socket in &mut sockets {
        socket.send(&json!({ "type": "presence", "status": "away" })).await.expect("send");
    }
    sockets[0].send_message(&chat, "the end").await.expect("receive ack");
    let (mut count, mut has_message, mut last) = (0, false, Value::Null);
    while !(has_message && last == "user_away") {
        let frame = bobs.next().await.expect("receive frame");
        match frame["type"].as_str() {
            Some("new_message") => has_message = true,
            Some("presence") => {
                last = frame["event"].clone();
                count += 1;
            }
            _ => count += 1,
        }
    }
    // Each second at most one begin, one end and one status change; and one `user_online`.
    let most = 3 * (begun.elapsed().as_secs() + 2) + 1;
    assert!(count <= most, "{count} frames, limit {most}");
}
