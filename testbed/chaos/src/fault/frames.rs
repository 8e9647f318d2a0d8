//! Invalid frames are rejected and affect no other client.

use anyhow::Context as _;
use neonchat_testbed::client::{Socket, retry};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use super::{FaultContext, FaultOutcome};

/// The expected reaction to a frame.
#[derive(Debug)]
enum Expected {
    /// An `error` with this code. The connection stays open.
    Error(&'static str),
    /// The connection is closed with this close code.
    Close(u16),
}

fn raw(data: Data, payload: Vec<u8>) -> Message {
    Message::Frame(Frame::message(payload, OpCode::Data(data), true))
}

fn cases(chat: &str) -> Vec<(&'static str, Message, Expected)> {
    let message = |text: &str| Message::text(json!({ "type": "message", "chat_id": chat, "text": text }).to_string());
    let surrogate = format!(r#"{{"type":"message","chat_id":"{chat}","text":"\ud800"}}"#);
    vec![
        ("invalid JSON", Message::text("{"), Expected::Error("bad_json")),
        ("an unknown type", Message::text(r#"{"type":"shout"}"#), Expected::Error("unknown_type")),
        ("binary", Message::binary(vec![1, 2, 3]), Expected::Error("bad_json")),
        ("a text over the limit", message(&"x".repeat(4097)), Expected::Error("validation_failed")),
        ("U+0000", message("\0"), Expected::Error("validation_failed")),
        ("an unpaired surrogate", Message::text(surrogate), Expected::Error("validation_failed")),
        ("70 KiB", Message::text("x".repeat(70 * 1024)), Expected::Close(1009)),
        ("invalid UTF-8", raw(Data::Text, vec![b'"', 0xff, b'"']), Expected::Close(1007)),
        ("a reserved opcode", raw(Data::Reserved(3), Vec::new()), Expected::Close(1002)),
    ]
}

pub(super) async fn send_invalid(context: &mut FaultContext<'_>) -> anyhow::Result<FaultOutcome> {
    let api = context.cluster.endpoints.api(context.rng);
    let (user, friend) = (retry(async || api.any_user().await).await?, retry(async || api.any_user().await).await?);
    let chat = retry(async || api.chat(&user, &friend).await).await?;
    let mut outcome = FaultOutcome::default();
    for (name, message, expected) in cases(&chat) {
        let base = context.cluster.endpoints.socket(context.rng);
        let mut socket = retry(async || Socket::open(&base, &user, None).await).await?;
        socket.send_raw(message).await?;
        if let Err(error) = check(socket, &expected).await {
            outcome.failures.push(format!("{name}: expected {expected:?}: {error:#}"));
        }
    }
    let history = api.get(&format!("/api/v1/chats/{chat}/messages"), &user).await?;
    if history.body["messages"] != json!([]) {
        outcome.failures.push("a rejected message is in the history".to_owned());
    }
    Ok(outcome)
}

async fn check(mut socket: Socket, expected: &Expected) -> anyhow::Result<()> {
    match expected {
        Expected::Error(code) => {
            let error: Value = socket.expect_beside_presence("error").await?;
            anyhow::ensure!(error["code"] == *code, "{error}");
            socket.expect_quiet().await.context("the connection was closed")
        }
        Expected::Close(code) => {
            let (_, closed) = socket.closed().await?;
            anyhow::ensure!(closed == *code, "closed with {closed}");
            Ok(())
        }
    }
}
