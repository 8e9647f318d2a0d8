//! What is no frame of the protocol: it is refused, and nobody else notices.

use anyhow::Context as _;
use neonchat_testbed::client::{Socket, insist};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use super::{Happened, Scene};

/// What is to come of a frame.
#[derive(Debug)]
enum Expected {
    /// An `error` of this code, and the connection goes on.
    Error(&'static str),
    /// The connection is closed with this code.
    Close(u16),
}

fn raw(data: Data, payload: Vec<u8>) -> Message {
    Message::Frame(Frame::message(payload, OpCode::Data(data), true))
}

fn cases(chat: &str) -> Vec<(&'static str, Message, Expected)> {
    let message = |text: &str| Message::text(json!({ "type": "message", "chat_id": chat, "text": text }).to_string());
    let surrogate = format!(r#"{{"type":"message","chat_id":"{chat}","text":"\ud800"}}"#);
    vec![
        ("no JSON", Message::text("{"), Expected::Error("bad_json")),
        ("an unknown type", Message::text(r#"{"type":"shout"}"#), Expected::Error("unknown_type")),
        ("binary", Message::binary(vec![1, 2, 3]), Expected::Error("bad_json")),
        ("a text that is too long", message(&"x".repeat(4097)), Expected::Error("validation_failed")),
        ("U+0000", message("\0"), Expected::Error("validation_failed")),
        ("half a surrogate pair", Message::text(surrogate), Expected::Error("validation_failed")),
        ("70 KiB", Message::text("x".repeat(70 * 1024)), Expected::Close(1009)),
        ("what is not UTF-8", raw(Data::Text, vec![b'"', 0xff, b'"']), Expected::Close(1007)),
        ("a reserved opcode", raw(Data::Reserved(3), Vec::new()), Expected::Close(1002)),
    ]
}

pub(super) async fn send(scene: &mut Scene<'_>) -> anyhow::Result<Happened> {
    let api = scene.cluster.endpoints.api(scene.rng);
    let (user, friend) = (insist(async || api.any_user().await).await?, insist(async || api.any_user().await).await?);
    let chat = insist(async || api.chat(&user, &friend).await).await?;
    let mut happened = Happened::default();
    for (name, message, expected) in cases(&chat) {
        let base = scene.cluster.endpoints.socket(scene.rng);
        let mut socket = insist(async || Socket::open(&base, &user, None).await).await?;
        socket.send_raw(message).await?;
        if let Err(error) = check(socket, &expected).await {
            happened.complaints.push(format!("{name}: {expected:?} was expected: {error:#}"));
        }
    }
    let history = api.get(&format!("/api/v1/chats/{chat}/messages"), &user).await?;
    if history.body["messages"] != json!([]) {
        happened.complaints.push("a message that was refused is in the history".to_owned());
    }
    Ok(happened)
}

async fn check(mut socket: Socket, expected: &Expected) -> anyhow::Result<()> {
    match expected {
        Expected::Error(code) => {
            let error: Value = socket.expect_beside_presence("error").await?;
            anyhow::ensure!(error["code"] == *code, "{error}");
            socket.expect_quiet().await.context("the connection does not go on")
        }
        Expected::Close(code) => {
            let (_, closed) = socket.closed().await?;
            anyhow::ensure!(closed == *code, "closed with {closed}");
            Ok(())
        }
    }
}
