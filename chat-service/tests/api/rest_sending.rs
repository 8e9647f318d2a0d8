//! Sending over REST: the message is stored and delivered like one from a socket.

use futures_util::future::join_all;
use neonchat_common::{error::ErrorCode, time};
use neonchat_proto::notification::v1::SendMessageRequest;
use neonchat_testbed::client::{Answer, User};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::{
    stand_in::{StandIn, notification_port},
    support::{Fields, TestApp, assert_problem},
};

fn path(chat: impl std::fmt::Display) -> String {
    format!("/api/v1/chats/{chat}/messages")
}

async fn post(app: &TestApp, chat: &str, user: &User, body: Value) -> Answer {
    app.post(&path(chat), user, &body).await
}

async fn history(app: &TestApp, chat: &str, user: &User) -> Value {
    app.get(&path(chat), user).await.body["messages"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_with_the_message_as_history_shows_it() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    let text = " Привет, 😀\n\"quoted\" ";
    // The message is stored although notification-service is unavailable.
    let sent = post(&app, &chat, &alice, json!({ "text": text })).await;
    let expected = json!({
        "id": sent.body["id"],
        "chat_id": chat,
        "sender_id": alice.id,
        "text": text,
        "created_at": sent.body["created_at"],
        "updated_at": sent.body["created_at"],
        "seq": 1,
        "request_id": sent.body["request_id"],
        "duplicate": false,
    });
    assert_eq!((sent.status, &sent.body), (201, &expected));
    assert!(sent.body["request_id"].is_string());
    let mut stored = history(&app, &chat, &alice).await[0].take();
    stored["duplicate"] = json!(false);
    assert_eq!(stored, expected);
    let mut seen_by_others = history(&app, &chat, &bob).await[0].take();
    seen_by_others["duplicate"] = json!(false);
    seen_by_others["request_id"] = sent.body["request_id"].clone();
    assert_eq!(seen_by_others, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn delivers_every_send_and_every_duplicate() {
    let (address, serve) = notification_port().await;
    let (delivered, mut deliveries) = mpsc::channel(8);
    serve(StandIn { delivered: Some(delivered), ..StandIn::default() });
    let app = TestApp::start_with(&[("NOTIFICATION_SERVICE_ADDR", &address.to_string())]).await;
    let (alice, _, chat) = app.pair().await;
    let request = Uuid::new_v4();
    let body = json!({ "text": "hello", "request_id": request });

    for status in [201, 200] {
        let sent = post(&app, &chat, &alice, body.clone()).await;
        assert_eq!((sent.status, &sent.body["duplicate"]), (status, &json!(status == 200)));
        let delivery = deliveries.recv().await.expect("receive delivery");
        assert_eq!(
            time::rfc3339(&time::from_micros(delivery.timestamp).expect("time in range")),
            sent.body["created_at"]
        );
        let expected = SendMessageRequest {
            message_id: sent.body["id"].as_str().expect("id as string").to_owned(),
            chat_id: chat.clone(),
            sender_id: alice.id.clone(),
            text: "hello".to_owned(),
            timestamp: delivery.timestamp,
            metadata: [("seq", "1".to_owned()), ("request_id", request.to_string())]
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
        };
        assert_eq!(delivery, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn send_does_not_wait_for_delivery() {
    // It accepts connections, but answers only after the message was acknowledged.
    let (address, serve) = notification_port().await;
    let app = TestApp::start_with(&[("NOTIFICATION_SERVICE_ADDR", &address.to_string())]).await;
    let (alice, _, chat) = app.pair().await;
    assert_eq!(post(&app, &chat, &alice, json!({ "text": "hello" })).await.status, 201);
    let (delivered, mut deliveries) = mpsc::channel(8);
    serve(StandIn { delivered: Some(delivered), ..StandIn::default() });
    assert_eq!(deliveries.recv().await.expect("receive delivery").text, "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn drain_waits_for_deliveries() {
    let (address, serve) = notification_port().await;
    let app = TestApp::start_with(&[("NOTIFICATION_SERVICE_ADDR", &address.to_string())]).await;
    let (alice, _, chat) = app.pair().await;
    assert_eq!(post(&app, &chat, &alice, json!({ "text": "hello" })).await.status, 201);
    let drained = app.stop();
    let (delivered, mut deliveries) = mpsc::channel(8);
    serve(StandIn { delivered: Some(delivered), ..StandIn::default() });
    drained.await.expect("join task").expect("drain");
    assert_eq!(deliveries.try_recv().expect("receive delivery").text, "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn request_ids_are_shared_by_rest_and_grpc() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    let (first, second) = (Uuid::new_v4(), Uuid::new_v4());
    let body = |text: &str, request: Uuid| json!({ "text": text, "request_id": request });

    let over_grpc = app.send_again(&chat, &alice, "one", first).await.expect("send message");
    let again = post(&app, &chat, &alice, body("one", first)).await;
    assert_eq!((again.status, &again.body["duplicate"]), (200, &json!(true)));
    assert_eq!((&again.body["id"], &again.body["seq"]), (&json!(over_grpc.message_id), &json!(1)));

    let over_rest = post(&app, &chat, &alice, body("two", second)).await;
    assert_eq!((over_rest.status, &over_rest.body["seq"]), (201, &json!(2)));
    let again = app.send_again(&chat, &alice, "two", second).await.expect("repeat send");
    assert_eq!((json!(again.message_id), again.seq, again.duplicate), (over_rest.body["id"].clone(), 2, true));

    // Other content with the same `request_id`, over each of the two.
    assert_problem(&post(&app, &chat, &alice, body("two", first)).await, 422, "idempotency_mismatch", &[]);
    let mismatch = app.send_again(&chat, &alice, "one", second).await.expect_err("refuse request");
    assert_eq!(mismatch.code, ErrorCode::IdempotencyMismatch);
    // A `request_id` belongs to its sender. Without one, each request is a new message.
    assert_eq!(post(&app, &chat, &bob, body("one", first)).await.body["seq"], 3);
    for seq in [4, 5] {
        let sent = post(&app, &chat, &alice, json!({ "text": "same", "request_id": null })).await;
        assert_eq!((sent.status, &sent.body["seq"]), (201, &json!(seq)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_sends_over_rest_and_grpc_store_one_message() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.pair().await;
    let request = Uuid::new_v4();
    let over_rest = join_all((0..4).map(|_| post(&app, &chat, &alice, json!({ "text": "hi", "request_id": request }))));
    let over_grpc = join_all((0..4).map(|_| app.send_again(&chat, &alice, "hi", request)));
    let (over_rest, over_grpc) = tokio::join!(over_rest, over_grpc);
    let mut duplicates = 0;
    for answer in over_rest {
        duplicates += u32::from(answer.status == 200);
        assert_eq!(
            (answer.body["seq"].as_i64(), answer.body["duplicate"].as_bool()),
            (Some(1), Some(answer.status == 200))
        );
    }
    for answer in over_grpc {
        let answer = answer.expect("get answer");
        duplicates += u32::from(answer.duplicate);
        assert_eq!(answer.seq, 1);
    }
    assert_eq!((duplicates, history(&app, &chat, &alice).await.as_array().map(Vec::len)), (7, Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn message_is_unread_for_the_partner_only() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    let unread = async |user| app.get(&format!("/api/v1/chats/{chat}"), user).await.body["unread_count"].as_i64();
    for n in 1..=3 {
        post(&app, &chat, &alice, json!({ "text": "hello" })).await;
        assert_eq!((unread(&alice).await, unread(&bob).await), (Some(0), Some(n)));
    }
    let receipt = app.put(&format!("/api/v1/chats/{chat}/receipt"), &bob, &json!({ "read": 2 })).await;
    assert_eq!((receipt.status, receipt.body), (200, json!({ "read_seq": 2, "delivered_seq": 2, "unread_count": 1 })));
    post(&app, &chat, &bob, json!({ "text": "an answer" })).await;
    assert_eq!((unread(&alice).await, unread(&bob).await), (Some(1), Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_invalid_messages_without_storing_them() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.pair().await;
    let mallory = app.user().await;
    let cases: &[(Value, Fields<'_>)] = &[
        (json!({}), &[("text", "required")]),
        (json!({ "text": 1 }), &[("text", "format")]),
        (json!({ "text": "" }), &[("text", "length")]),
        (json!({ "text": "x".repeat(4097) }), &[("text", "length")]),
        (json!({ "text": "a\0b" }), &[("text", "format")]),
        (json!({ "text": " \n\t" }), &[("text", "blank")]),
        (json!({ "text": "\u{3164}\u{200b}" }), &[("text", "blank")]),
        (json!({ "text": "hello", "request_id": "" }), &[("request_id", "format")]),
        (json!({ "text": "hello", "request_id": 1 }), &[("request_id", "format")]),
        (json!({ "text": "", "request_id": "x" }), &[("text", "length"), ("request_id", "format")]),
    ];
    for (body, fields) in cases {
        assert_problem(&post(&app, &chat, &alice, body.clone()).await, 422, "validation_failed", fields);
    }
    let good = json!({ "text": "😀".repeat(4096) });
    assert_problem(&post(&app, &chat, &mallory, good.clone()).await, 404, "not_found", &[]);
    assert_problem(&post(&app, &Uuid::now_v7().to_string(), &alice, good.clone()).await, 404, "not_found", &[]);
    assert_problem(&post(&app, "x", &alice, good.clone()).await, 422, "validation_failed", &[("id", "format")]);
    let nobody = app.api.call("POST", &path(&chat), None, Some(&good)).await.expect("call API");
    assert_problem(&nobody, 401, "unauthorized", &[]);
    assert_eq!(history(&app, &chat, &alice).await, json!([]));
    assert_eq!(post(&app, &chat, &alice, good).await.body["seq"], 1);
}
