//! A dependency goes away and comes back.

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
async fn without_chat_service_a_send_is_refused_soon_and_the_socket_stays() {
    let mut app = TestApp::start().await;
    let (alice, _, chat) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    alices.send_message(&chat, "x").await.expect("an ack");
    app.stop_chat_service().await;

    let asked = Instant::now();
    let request_id = uuid::Uuid::new_v4();
    alices
        .send(&json!({ "type": "message", "chat_id": chat, "text": "y", "request_id": request_id }))
        .await
        .expect("sent");
    let error = alices.expect("error").await.expect("an error");
    assert_eq!(
        (&error["code"], &error["retryable"], &error["request_id"]),
        (&json!("unavailable"), &json!(true), &json!(request_id))
    );
    assert!(error["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0), "{error}");
    assert!(asked.elapsed() < Duration::from_secs(2), "guarantees.md, G11: {:?}", asked.elapsed());
    alices.expect_quiet().await.expect("a pong");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_messages_are_stored_and_come_to_others_when_it_is_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let redis = Redis::start(folder.path(), None, Persistence::None).await.expect("a Redis");
    let (url, port) = (redis.url(), redis.port());
    let app = TestApp::start_with(&url, &[]).await;
    let other = app.another().await;
    let (alice, bob, chat) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    let mut same_instance = app.socket(&bob).await;
    let mut other_instance = Socket::open(&other.websocket, &bob, None).await.expect("a socket");
    alices.send_message(&chat, "with").await.expect("an ack");
    for socket in [&mut same_instance, &mut other_instance] {
        socket.expect_beside_presence("new_message").await.expect("the message");
    }

    redis.stop().await.expect("stopped");
    let ack = alices.send_message(&chat, "without").await.expect("an ack");
    assert_eq!((&ack["status"], &ack["seq"]), (&json!("stored"), &json!(2)));
    let here = same_instance.expect_beside_presence("new_message").await.expect("the message");
    assert_eq!(here["message"]["text"], "without");

    let _redis = Redis::start(folder.path(), Some(port), Persistence::None).await.expect("a Redis");
    let there = other_instance.expect_beside_presence("new_message").await.expect("the message");
    assert_eq!(there["message"]["text"], "without");
    // And on as before.
    let ack = other_instance.send_message(&chat, "again").await.expect("an ack");
    assert_eq!(ack["seq"], 3);
    let message = alices.expect_beside_presence("new_message").await.expect("the message");
    assert_eq!(message["message"]["text"], "again");
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_open_and_talk_on_one_instance_although_redis_was_never_there() {
    let nowhere = format!("redis://127.0.0.1:{}/0", neonchat_testbed::port::free().expect("a port"));
    let app = TestApp::start_with(&nowhere, &[]).await;
    let (alice, bob, chat) = app.two_users().await;
    let (mut alices, mut bobs) = (app.socket(&alice).await, app.socket(&bob).await);
    let ack = alices.send_message(&chat, "x").await.expect("an ack");
    assert_eq!(ack["status"], "stored");
    bobs.expect("new_message").await.expect("the message");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_delays_an_ack_but_neither_the_message_nor_its_storing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut redis = Redis::start(folder.path(), None, Persistence::None).await.expect("a Redis");
    let app = TestApp::start_with(&redis.url(), &[]).await;
    let (alice, bob, chat) = app.two_users().await;
    let (mut alices, mut bobs) = (app.socket(&alice).await, app.socket(&bob).await);
    alices.send_message(&chat, "x").await.expect("an ack");
    bobs.expect_beside_presence("new_message").await.expect("the message");

    redis.process().signal(Signal::SIGSTOP).expect("stopped");
    let ack = alices.send_message(&chat, "y").await.expect("an ack");
    assert_eq!(ack["status"], "stored");
    bobs.expect_beside_presence("new_message").await.expect("the message");
    redis.process().signal(Signal::SIGCONT).expect("continued");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_chat_service_could_not_publish_is_found() {
    let nowhere = format!("redis://127.0.0.1:{}/0", neonchat_testbed::port::free().expect("a port"));
    let app = TestApp::start_with(&nowhere, &[]).await;
    let instance = app.another_beside(&harness::redis_url()).await;
    let (alice, bob) = (app.api.any_user().await.expect("a user"), app.api.any_user().await.expect("a user"));
    let open = async |user| Socket::open(&instance.websocket, user, None).await.expect("a socket");
    let (mut alices, mut bobs) = (open(&alice).await, open(&bob).await);

    // A new chat: its messages come although nobody was told of it.
    let chat = app.api.chat(&alice, &bob).await.expect("a chat");
    let ack = alices.send_message(&chat, "hello").await.expect("an ack");
    assert_eq!(ack["seq"], 1);
    let message = bobs.expect_beside_presence("new_message").await.expect("found");
    assert_eq!(message["message"]["text"], "hello");

    // A logout: its sockets are closed.
    let answer = app.api.call("POST", "/api/v1/auth/logout", Some(&bob.token), None).await.expect("an answer");
    assert_eq!(answer.status, 204);
    let (_, code) = bobs.closed().await.expect("found");
    assert_eq!(code, 4004);
}
