//! Edits, deletions and reactions over sockets.

use futures_util::{StreamExt as _, stream};
use neonchat_testbed::client::Socket;
use serde_json::{Value, json};

use crate::helpers::TestApp;

/// Sends frames without waiting, and returns the answers.
async fn answers(socket: &mut Socket, frames: &[Value]) -> Vec<Value> {
    for frame in frames {
        socket.send(frame).await.expect("send");
    }
    let mut answers = Vec::new();
    while answers.len() < frames.len() {
        let frame = socket.next_beside_presence().await.expect("receive answer");
        if ["ack", "error"].map(Value::from).contains(&frame["type"]) {
            answers.push(frame);
        }
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn makes_the_changes_of_a_socket_in_their_order() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.two_users().await;
    let (mut alices, mut bobs) = (app.socket(&alice).await, app.socket(&bob).await);
    let id = alices.send_message(&chat, "x").await.expect("receive ack")["message_id"].clone();
    bobs.expect_beside_presence("new_message").await.expect("receive message");
    let request = |n: u8| uuid::Uuid::from_u128(n.into()).to_string();
    let frames = [
        json!({ "type": "edit", "chat_id": chat, "message_id": id, "text": "y", "request_id": request(1) }),
        json!({ "type": "edit", "chat_id": chat, "message_id": chat, "text": "z", "request_id": request(2) }),
        json!({ "type": "react", "chat_id": chat, "message_id": id, "emoji": "👍", "on": true, "request_id": request(3) }),
        json!({ "type": "edit", "chat_id": chat, "message_id": id, "text": "y", "request_id": request(1) }),
        json!({ "type": "delete", "chat_id": chat, "message_ids": [id], "request_id": request(4) }),
    ];
    let mut answers = answers(&mut alices, &frames).await;
    // Refusals may come before acks.
    answers.sort_by_key(|answer| answer["request_id"].to_string());
    let shown: Vec<_> = answers
        .iter()
        .map(|answer| {
            (answer["request_id"].clone(), answer["seq"].clone(), answer["code"].clone(), answer["duplicate"].clone())
        })
        .collect();
    let expected = [
        (json!(request(1)), json!(2), Value::Null, json!(false)),
        (json!(request(1)), json!(2), Value::Null, json!(true)),
        (json!(request(2)), Value::Null, json!("not_found"), Value::Null),
        (json!(request(3)), json!(3), Value::Null, json!(false)),
        (json!(request(4)), json!(4), Value::Null, json!(false)),
    ];
    assert_eq!(shown, expected);
    for (kind, seq) in [("message_edited", 2), ("reactions", 3), ("messages_deleted", 4)] {
        assert_eq!(bobs.expect_beside_presence(kind).await.expect("receive event")["seq"], seq);
    }
    bobs.expect_quiet().await.expect("receive nothing else");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_many_sockets_reach_the_other_instance() {
    const USERS: usize = 12;
    let app = TestApp::start().await;
    let second = app.another().await;
    let pairs: Vec<_> = stream::iter(0..USERS).then(async |_| app.two_users().await).collect().await;
    let work = pairs.iter().map(async |(alice, bob, chat)| {
        let mut alices = app.socket(alice).await;
        let mut bobs = Socket::open(&second.websocket, bob, None).await.expect("open socket");
        let id = alices.send_message(chat, "x").await.expect("receive ack")["message_id"].clone();
        bobs.expect_beside_presence("new_message").await.expect("receive message");
        let edit = json!({ "type": "edit", "chat_id": chat, "message_id": id, "text": "y", "request_id": id });
        assert_eq!(answers(&mut alices, &[edit]).await[0]["seq"], 2);
        let edited = bobs.expect_beside_presence("message_edited").await.expect("receive event");
        assert_eq!((&edited["seq"], &edited["message"]["text"]), (&json!(2), &json!("y")));
    });
    futures_util::future::join_all(work).await;
}
