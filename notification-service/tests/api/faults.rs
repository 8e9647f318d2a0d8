//! Outages of dependencies.

use std::time::{Duration, Instant};

use neonchat_testbed::{
    client::Socket,
    harness,
    process::Signal,
    redis::{Persistence, Redis},
};
use serde_json::json;

use crate::helpers::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn without_chat_service_send_fails_in_time_and_socket_stays_open() {
    let mut app = TestApp::start().await;
    let (alice, _, chat) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    alices.send_message(&chat, "x").await.expect("receive ack");
    app.stop_chat_service().await;

    let asked = Instant::now();
    let request_id = uuid::Uuid::new_v4();
    alices
        .send(&json!({ "type": "message", "chat_id": chat, "text": "y", "request_id": request_id }))
        .await
        .expect("send");
    let error = alices.expect("error").await.expect("receive error");
    assert_eq!(
        (&error["code"], &error["retryable"], &error["request_id"]),
        (&json!("unavailable"), &json!(true), &json!(request_id))
    );
    assert!(error["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0), "{error}");
    assert!(asked.elapsed() < Duration::from_secs(2), "the send is refused within 2 s: {:?}", asked.elapsed());
    alices.expect_quiet().await.expect("receive pong");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_messages_are_stored_and_delivered_later() {
    let folder = tempfile::tempdir().expect("create directory");
    let redis = Redis::start(folder.path(), None, Persistence::None).await.expect("start Redis");
    let (url, port) = (redis.url(), redis.port());
    let app = TestApp::start_with(&url, &[]).await;
    let other = app.another().await;
    let (alice, bob, chat) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    let mut same_instance = app.socket(&bob).await;
    let mut other_instance = Socket::open(&other.websocket, &bob, None).await.expect("open socket");
    alices.send_message(&chat, "with").await.expect("receive ack");
    for socket in [&mut same_instance, &mut other_instance] {
        socket.expect_beside_presence("new_message").await.expect("receive message");
    }

    redis.stop().await.expect("stop process");
    let ack = alices.send_message(&chat, "without").await.expect("receive ack");
    assert_eq!((&ack["status"], &ack["seq"]), (&json!("stored"), &json!(2)));
    let here = same_instance.expect_beside_presence("new_message").await.expect("receive message");
    assert_eq!(here["message"]["text"], "without");

    let _redis = Redis::start(folder.path(), Some(port), Persistence::None).await.expect("start Redis");
    let there = other_instance.expect_beside_presence("new_message").await.expect("receive message");
    assert_eq!(there["message"]["text"], "without");
    // Everything works as before the outage.
    let ack = other_instance.send_message(&chat, "again").await.expect("receive ack");
    assert_eq!(ack["seq"], 3);
    let message = alices.expect_beside_presence("new_message").await.expect("receive message");
    assert_eq!(message["message"]["text"], "again");
}

#[tokio::test(flavor = "multi_thread")]
async fn serves_local_sockets_without_redis() {
    let nowhere = format!("redis://127.0.0.1:{}/0", neonchat_testbed::port::reserve().expect("reserve port"));
    let app = TestApp::start_with(&nowhere, &[]).await;
    let (alice, bob, chat) = app.two_users().await;
    let (mut alices, mut bobs) = (app.socket(&alice).await, app.socket(&bob).await);
    let ack = alices.send_message(&chat, "x").await.expect("receive ack");
    assert_eq!(ack["status"], "stored");
    bobs.expect("new_message").await.expect("receive message");
}

#[tokio::test(flavor = "multi_thread")]
async fn hanging_redis_delays_ack_but_not_message() {
    let folder = tempfile::tempdir().expect("create directory");
    let mut redis = Redis::start(folder.path(), None, Persistence::None).await.expect("start Redis");
    let app = TestApp::start_with(&redis.url(), &[]).await;
    let (alice, bob, chat) = app.two_users().await;
    let (mut alices, mut bobs) = (app.socket(&alice).await, app.socket(&bob).await);
    alices.send_message(&chat, "x").await.expect("receive ack");
    bobs.expect_beside_presence("new_message").await.expect("receive message");

    redis.process().signal(Signal::SIGSTOP).expect("stop process");
    let ack = alices.send_message(&chat, "y").await.expect("receive ack");
    assert_eq!(ack["status"], "stored");
    bobs.expect_beside_presence("new_message").await.expect("receive message");
    redis.process().signal(Signal::SIGCONT).expect("continue process");
}

#[tokio::test(flavor = "multi_thread")]
async fn finds_events_that_chat_service_could_not_publish() {
    let nowhere = format!("redis://127.0.0.1:{}/0", neonchat_testbed::port::reserve().expect("reserve port"));
    let app = TestApp::start_with(&nowhere, &[]).await;
    let instance = app.another_beside(&harness::redis_url()).await;
    let (alice, bob) =
        (app.api.any_user().await.expect("register user"), app.api.any_user().await.expect("register user"));
    let open = async |user| Socket::open(&instance.websocket, user, None).await.expect("open socket");
    let (mut alices, mut bobs) = (open(&alice).await, open(&bob).await);

    // Messages of a new chat arrive although its announcement was lost.
    let chat = app.api.chat(&alice, &bob).await.expect("create chat");
    let ack = alices.send_message(&chat, "hello").await.expect("receive ack");
    assert_eq!(ack["seq"], 1);
    let message = bobs.expect_beside_presence("new_message").await.expect("resync");
    assert_eq!(message["message"]["text"], "hello");

    // Sockets of an ended session are closed although the announcement was lost.
    let sessions = app.api.get("/api/v1/auth/sessions", &bob).await.expect("call API").body;
    let current = sessions["sessions"].as_array().and_then(|all| all.iter().find(|one| one["current"] == true));
    let path = format!("/api/v1/auth/sessions/{}", current.expect("find session")["id"].as_str().expect("read id"));
    let answer = app.api.call("DELETE", &path, Some(&bob.token), None).await.expect("call API");
    assert_eq!(answer.status, 204);
    let (_, code) = bobs.closed().await.expect("resync");
    assert_eq!(code, 4004);
}
