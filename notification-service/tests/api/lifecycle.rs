//! A process from start to end.

use std::time::{Duration, Instant};

use neonchat_testbed::{
    client::{Refused, Socket},
    harness, port,
};
use serde_json::json;

use crate::helpers::{Notification, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn it_says_how_it_is() {
    let app = TestApp::start().await;
    let http = &app.notification.http;
    http.until_ready().await.expect("ready");
    for (path, body) in [
        ("/live", json!({ "status": "live" })),
        ("/ready", json!({ "status": "ready" })),
        ("/health", json!({ "status": "healthy", "redis": "healthy", "chat_service": "healthy" })),
    ] {
        let answer = http.call("GET", path, None, None).await.expect("an answer");
        assert_eq!((answer.status, answer.body), (200, body), "{path}");
    }
    let user = app.api.any_user().await.expect("a user");
    let _socket = app.socket(&user).await;
    // The tests of this process share one recorder: how many sockets there are is not known here.
    http.metric("websocket_connections_current").await.expect("the metric");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_alone_and_is_ready_when_chat_service_is() {
    let alone = Notification::start(&harness::redis_url(), port::free().expect("a port"), &[]).await;
    let answer = alone.http.call("GET", "/live", None, None).await.expect("an answer");
    assert_eq!(answer.status, 200);
    let answer = alone.http.call("GET", "/ready", None, None).await.expect("an answer");
    assert_eq!(answer.status, 503);
    let answer = alone.http.call("GET", "/health", None, None).await.expect("an answer");
    assert_eq!((answer.status, &answer.body["chat_service"]), (503, &json!("unhealthy")));
    alone.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_acks_what_is_under_way_and_tells_each_socket_when_to_come_back() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.two_users().await;
    let (mut alices, mut bobs) = (app.socket(&alice).await, app.socket(&bob).await);
    alices.send_message(&chat, "x").await.expect("an ack");
    bobs.expect_beside_presence("new_message").await.expect("the message");
    let started = Instant::now();
    alices.send(&json!({ "type": "message", "chat_id": chat, "text": "last" })).await.expect("sent");
    // The message is read before the drain begins once its effect is seen.
    bobs.expect_beside_presence("new_message").await.expect("the message");
    let ended = app.notification.running.end();

    let (frames, code) = alices.closed().await.expect("a close frame");
    assert_eq!(code, 4100);
    let kinds: Vec<_> = frames.iter().filter_map(|frame| frame["type"].as_str()).collect();
    assert!(kinds.ends_with(&["message_sent", "reconnect"]), "{kinds:?}");
    let reconnect = frames.last().expect("a frame");
    assert_eq!(reconnect["reason"], "restart");
    assert!(reconnect["after_ms"].as_u64().is_some_and(|ms| (500..1500).contains(&ms)), "{reconnect}");
    assert_eq!(bobs.closed().await.expect("a close frame").1, 4100);

    ended.await.expect("no panic").expect("a clean end");
    assert!(started.elapsed() < Duration::from_secs(10), "guarantees.md, G12: {:?}", started.elapsed());
    let url = format!("{}/ws?token={}", app.notification.websocket, alice.token);
    match Socket::request(&url, &[]).await {
        Err(_) => {}
        Ok(Err(Refused(answer))) => assert_eq!(answer.status, 503),
        Ok(Ok(_)) => panic!("a socket was opened after the drain"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_socket_is_pinged_and_one_that_does_not_answer_is_closed() {
    let settings = [("WS_HEARTBEAT_INTERVAL", "100ms"), ("WS_READ_TIMEOUT", "300ms")];
    let app = TestApp::start_with(&harness::redis_url(), &settings).await;
    let user = app.api.any_user().await.expect("a user");
    // One that answers pings, as it does while it reads, outlives the read timeout.
    let mut alive = app.socket(&user).await;
    let quiet = tokio::time::timeout(Duration::from_secs(1), alive.next()).await;
    assert!(quiet.is_err(), "closed, or spoken to: {quiet:?}");

    // One that never says a word; and one that begins a frame (text, masked, 100 bytes) and does not end it.
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
async fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let values = [("NOTIFICATION_SERVICE_HOST", "127.0.0.1"), ("NOTIFICATION_WS_PORT", port.as_str())];
    let reader = neonchat_common::settings::SettingsSource::from_values(values);
    let settings = notification_service::config::Settings::read(reader).expect("settings");
    let Err(error) = notification_service::app::App::build(settings).await else { panic!("the port is taken") };
    assert!(format!("{error:#}").contains(&format!("NOTIFICATION_WS_PORT: 127.0.0.1:{port}")), "{error:#}");
}
