//! Bad input is answered by an `error` frame and the socket stays open. Only violations of RFC 6455 close it.

use std::{collections::HashMap, time::Duration};

use neonchat_common::{
    grpc::client::GrpcClient,
    ids::{ChatId, MessageId, UserId},
    settings::SettingsSource,
};
use neonchat_proto::notification::v1::SendMessageRequest;
use neonchat_testbed::{client::Socket, plain::internals_in};
use notification_service::config::Settings;
use serde_json::json;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};
use tonic::Code;

use crate::helpers::TestApp;

const TIMEOUT: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn answers_repeat_the_request_id_as_it_was_sent() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.two_users().await;
    let mut socket = app.socket(&alice).await;
    let unknown = MessageId::new();
    for (frame, answer) in [
        (json!({ "type": "ping" }), "pong"),
        (json!({ "type": "typing", "chat_id": unknown, "is_typing": true }), "error"),
        (json!({ "type": "receipt", "chat_id": unknown, "read": 1 }), "error"),
        (json!({ "type": "receipt", "chat_id": chat, "read": -1 }), "error"),
        (json!({ "type": "presence", "status": "asleep" }), "error"),
    ] {
        for request_id in [None, Some("Ёж 1"), Some("")] {
            let mut frame = frame.clone();
            if let Some(request_id) = request_id {
                frame["request_id"] = json!(request_id);
            }
            socket.send(&frame).await.expect("send");
            let answer = socket.expect(answer).await.expect("receive answer");
            assert_eq!(answer.get("request_id"), request_id.map(|id| json!(id)).as_ref(), "{frame}");
        }
    }
    for request_id in [json!("x".repeat(129)), json!(5)] {
        socket.send(&json!({ "type": "ping", "request_id": request_id })).await.expect("send");
        assert_eq!(socket.expect("pong").await.expect("receive pong").get("request_id"), None, "{request_id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_every_bad_frame_and_stores_nothing() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.two_users().await;
    let mut socket = app.socket(&alice).await;
    let message = |text: &str| format!(r#"{{"type":"message","chat_id":"{chat}","text":{text}}}"#);
    let long = message(&format!("\"{}\"", "x".repeat(4097)));
    for (frame, code) in [
        ("", "bad_json"),
        ("{", "bad_json"),
        ("[]", "bad_json"),
        ("null", "bad_json"),
        (r#"["\"ping\"",null,null,null,null,null,null,null,null]"#, "bad_json"),
        (r#""ping""#, "bad_json"),
        ("5", "bad_json"),
        (r#"{"type":"ping","type":"ping"}"#, "validation_failed"),
        (r#"{"type":"receipt","read":"1"}"#, "validation_failed"),
        (r#"{"type":"receipt","read":-1}"#, "validation_failed"),
        (r#"{"type":"receipt"}"#, "validation_failed"),
        (r#"{"type":"sync"}"#, "validation_failed"),
        (r#"{"type":"sync","cursors":[]}"#, "validation_failed"),
        (r#"{"type":"sync","cursors":{"x":1}}"#, "validation_failed"),
        (r#"{"type":"sync","cursors":{},"request_id":5}"#, "validation_failed"),
        (r#"{"type":"auth"}"#, "validation_failed"),
        (r#"{"type":"auth","token":"x"}"#, "unauthorized"),
        (r#"{"type":"presence"}"#, "validation_failed"),
        ("{}", "validation_failed"),
        (r#"{"type":5}"#, "validation_failed"),
        (r#"{"type":"dance"}"#, "unknown_type"),
        (r#"{"type":"message","text":"no chat"}"#, "validation_failed"),
        (r#"{"type":"message","chat_id":"5","text":"x"}"#, "validation_failed"),
        (&message("5"), "validation_failed"),
        (&message(r#""""#), "validation_failed"),
        (&message(r#""a\u0000b""#), "validation_failed"),
        (&message(r#""\ud800""#), "validation_failed"),
        (&long, "validation_failed"),
        (r#"{"type":"typing","is_typing":true}"#, "validation_failed"),
        (r#"{"type":"presence","status":"asleep"}"#, "validation_failed"),
    ] {
        socket.send_raw(Message::text(frame)).await.expect("send");
        let error = socket.expect("error").await.expect("receive error");
        assert_eq!(error["code"], code, "{frame}");
        assert_eq!(error["retryable"], false);
        assert_eq!(internals_in(error["message"].as_str().expect("read text")), None, "{frame}: {error}");
    }
    socket.send_raw(Message::binary(vec![1, 2, 3])).await.expect("send");
    let error = socket.expect("error").await.expect("receive error");
    assert_eq!(error["code"], "bad_json");
    assert_eq!(internals_in(error["message"].as_str().expect("read text")), None, "{error}");

    let history = app.api.get(&format!("/api/v1/chats/{chat}/messages"), &alice).await.expect("call API");
    assert_eq!(history.body["messages"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn accepts_longest_message_with_every_character_escaped() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.two_users().await;
    let (mut alices, mut bobs) = (app.socket(&alice).await, app.socket(&bob).await);
    let frame = format!(r#"{{"type":"message","chat_id":"{chat}","text":"{}"}}"#, r"\ud83d\ude00".repeat(4096));
    alices.send_raw(Message::text(frame)).await.expect("send");
    alices.expect_beside_presence("message_sent").await.expect("receive ack");
    let message = bobs.expect_beside_presence("new_message").await.expect("receive message");
    assert_eq!(message["message"]["text"], "😀".repeat(4096));
}

async fn close_code(socket: &mut Socket, message: Message) -> u16 {
    socket.send_raw(message).await.expect("send");
    socket.closed().await.expect("receive close frame").1
}

#[tokio::test(flavor = "multi_thread")]
async fn closes_with_code_of_protocol_violation() {
    let app = TestApp::start().await;
    let user = app.api.any_user().await.expect("register user");
    let too_big = Message::text("x".repeat(64 * 1024 + 1));
    assert_eq!(close_code(&mut app.socket(&user).await, too_big).await, 1009);

    let not_utf8 = Frame::message(vec![0xff, 0xfe], OpCode::Data(Data::Text), true);
    assert_eq!(close_code(&mut app.socket(&user).await, Message::Frame(not_utf8)).await, 1007);

    let continuation_of_nothing = Frame::message(vec![b'x'], OpCode::Data(Data::Continue), true);
    assert_eq!(close_code(&mut app.socket(&user).await, Message::Frame(continuation_of_nothing)).await, 1002);
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_a_message_whose_time_is_out_of_range() {
    let app = TestApp::start().await;
    let settings = Settings::read(SettingsSource::from_values([])).expect("read settings");
    let client = GrpcClient::new(std::slice::from_ref(&app.notification.grpc), &settings.common.grpc);
    let client = client.expect("create gRPC client");
    let request = |timestamp| SendMessageRequest {
        message_id: MessageId::new().to_string(),
        chat_id: ChatId::new().to_string(),
        sender_id: UserId::new().to_string(),
        text: "hello".to_owned(),
        timestamp,
        metadata: HashMap::from([("seq".to_owned(), "1".to_owned())]),
    };
    let status = client.call(TIMEOUT, request(i64::MAX)).await.expect_err("reject the time");
    let expected = (Code::InvalidArgument, "timestamp: should be a time in the years 0 to 9999");
    assert_eq!((status.code(), status.message()), expected);
    client.call(TIMEOUT, request(1_700_000_000_123_456)).await.expect("deliver the message");
}
