//! How much one client may ask for.

use neonchat_testbed::{
    client::{Refused, Socket},
    harness,
};
use serde_json::json;

use crate::helpers::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_so_many_sockets_and_another_one_has_as_many() {
    let app = TestApp::start_with(&harness::redis_url(), &[("WS_MAX_CONNECTIONS_PER_USER", "2")]).await;
    let (alice, bob, _) = app.two_users().await;
    let first = app.socket(&alice).await;
    let _second = app.socket(&alice).await;
    let url = format!("{}/ws?token={}", app.notification.websocket, alice.token);
    let Err(Refused(answer)) = Socket::request(&url, &[]).await.expect("an answer") else { panic!("let in") };
    assert_eq!((answer.status, &answer.body["code"]), (429, &json!("rate_limited")));
    app.socket(&bob).await.expect_quiet().await.expect("a pong");
    first.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_come_too_fast_are_refused_and_not_stored() {
    let app = TestApp::start_with(&harness::redis_url(), &[("WS_MESSAGES_PER_SECOND", "1")]).await;
    let (alice, bob, chat) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    for text in ["1", "2"] {
        alices.send_message(&chat, text).await.expect("an ack");
    }
    let request_id = uuid::Uuid::new_v4();
    let third = json!({ "type": "message", "chat_id": chat, "text": "3", "request_id": request_id });
    alices.send(&third).await.expect("sent");
    let error = alices.expect_beside_presence("error").await.expect("an error");
    assert_eq!(
        (&error["code"], &error["request_id"], &error["retryable"]),
        (&json!("rate_limited"), &json!(request_id), &json!(true))
    );
    assert!(error["retry_after_ms"].as_u64().is_some_and(|ms| (1..=1000).contains(&ms)), "{error}");
    // Other frames are counted by themselves.
    alices.expect_quiet().await.expect("a pong");
    let history = app.api.get(&format!("/api/v1/chats/{chat}/messages"), &bob).await.expect("an answer");
    assert_eq!(history.body["messages"].as_array().map(Vec::len), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_listen_is_closed() {
    let app = TestApp::start_with(&harness::redis_url(), &[("WS_MESSAGES_PER_SECOND", "1")]).await;
    let user = app.api.any_user().await.expect("a user");
    let mut socket = app.socket(&user).await;
    let flood = async {
        for _ in 0..2000 {
            if socket.send(&json!({ "type": "ping" })).await.is_err() {
                break;
            }
        }
        socket.closed().await
    };
    assert_eq!(flood.await.expect("a close frame").1, 4008);
}
