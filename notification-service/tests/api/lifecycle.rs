//! The life of a process: start, readiness, drain.

use std::time::{Duration, Instant};

use neonchat_testbed::{
    client::{Refused, Socket},
    harness::{self, until},
    port,
};
use serde_json::json;

use crate::helpers::{Notification, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn reports_liveness_readiness_and_health() {
    let app = TestApp::start().await;
    let http = &app.notification.http;
    http.until_ready().await.expect("become ready");
    for (path, body) in [
        ("/live", json!({ "status": "live" })),
        ("/ready", json!({ "status": "ready" })),
        ("/health", json!({ "status": "healthy", "redis": "healthy", "chat_service": "healthy" })),
    ] {
        let answer = http.call("GET", path, None, None).await.expect("call API");
        assert_eq!((answer.status, answer.body), (200, body), "{path}");
    }
    until("grpc.health.v1 reports the same", async || app.notification.is_serving().await).await;
    let user = app.api.any_user().await.expect("register user");
    let _socket = app.socket(&user).await;
    // The tests of this process share one metrics recorder, so the value is not checked.
    http.metric("websocket_connections_current").await.expect("read metric");
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_without_chat_service_and_is_not_ready() {
    let alone = Notification::start(&harness::redis_url(), port::reserve().expect("reserve port"), &[]).await;
    let answer = alone.http.call("GET", "/live", None, None).await.expect("call API");
    assert_eq!(answer.status, 200);
    let answer = alone.http.call("GET", "/ready", None, None).await.expect("call API");
    assert_eq!(answer.status, 503);
    let answer = alone.http.call("GET", "/health", None, None).await.expect("call API");
    assert_eq!((answer.status, &answer.body["chat_service"]), (503, &json!("unhealthy")));
    assert!(!alone.is_serving().await);
    alone.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drain_acks_sends_in_progress_and_sends_reconnect() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.two_users().await;
    let (mut alices, mut bobs) = (app.socket(&alice).await, app.socket(&bob).await);
    alices.send_message(&chat, "x").await.expect("receive ack");
    bobs.expect_beside_presence("new_message").await.expect("receive message");
    let started = Instant::now();
    alices.send(&json!({ "type": "message", "chat_id": chat, "text": "last" })).await.expect("send");
    // Its delivery shows that the message was read before the drain began.
    bobs.expect_beside_presence("new_message").await.expect("receive message");
    let ended = app.notification.running.end();

    let (frames, code) = alices.closed().await.expect("receive close frame");
    assert_eq!(code, 4100);
    let kinds: Vec<_> = frames.iter().filter_map(|frame| frame["type"].as_str()).collect();
    assert!(kinds.ends_with(&["message_sent", "reconnect"]), "{kinds:?}");
    let reconnect = frames.last().expect("receive frame");
    assert_eq!(reconnect["reason"], "restart");
    assert!(reconnect["after_ms"].as_u64().is_some_and(|ms| (500..1500).contains(&ms)), "{reconnect}");
    assert_eq!(bobs.closed().await.expect("receive close frame").1, 4100);

    ended.await.expect("join task").expect("end without error");
    assert!(started.elapsed() < Duration::from_secs(10), "the process drains within 10 s: {:?}", started.elapsed());
    let url = format!("{}/ws?token={}", app.notification.websocket, alice.token);
    match Socket::request(&url, &[]).await {
        Err(_) => {}
        Ok(Err(Refused(answer))) => assert_eq!(answer.status, 503),
        Ok(Ok(_)) => panic!("a socket was opened after the drain"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_idle_socket_and_closes_one_that_does_not_answer() {
    let settings = [("WS_HEARTBEAT_INTERVAL", "100ms"), ("WS_READ_TIMEOUT", "300ms")];
    let app = TestApp::start_with(&harness::redis_url(), &settings).await;
    let user = app.api.any_user().await.expect("register user");
    // A client answers pings while it reads, so this socket outlives the read timeout.
    let mut alive = app.socket(&user).await;
    let quiet = tokio::time::timeout(Duration::from_secs(1), alive.next()).await;
    assert!(quiet.is_err(), "unexpected frame or close: {quiet:?}");

    // A client that sends nothing, and one that begins a frame (text, masked, 100 bytes) and does not end it.
    for begun in [[].as_slice(), &[0x81, 0x80 | 0x64, 1, 2, 3, 4, b'x', b'x']] {
        let received = app.raw(&user, begun).await;
        let ping = [0x89, 0];
        let close = [0x88, 15, 0x10, 0x06]; // 4102, and a word for it
        for frame in [ping.as_slice(), &close] {
            assert!(received.windows(frame.len()).any(|window| window == frame), "{received:x?} has no {frame:x?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_port_that_is_in_use() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("find port");
    let port = taken.local_addr().expect("read address").port().to_string();
    let values = [("NOTIFICATION_SERVICE_HOST", "127.0.0.1"), ("NOTIFICATION_WS_PORT", port.as_str())];
    let source = neonchat_common::settings::SettingsSource::from_values(values);
    let settings = notification_service::config::Settings::read(source).expect("read settings");
    let Err(error) = notification_service::app::App::build(settings).await else { panic!("the port is taken") };
    assert!(
        format!("{error:#}").contains(&format!("NOTIFICATION_WS_PORT: cannot listen on 127.0.0.1:{port}")),
        "{error:#}"
    );
}
