//! Receipts: up to where a member has read, told to everybody else in the chat.

use std::time::Duration;

use neonchat_testbed::{
    client::{Socket, User},
    harness::until,
    proxy::{Disturbance, Proxy},
};
use serde_json::{Value, json};

use crate::helpers::TestApp;

async fn unread(app: &TestApp, user: &User) -> Value {
    let list = app.api.get("/api/v1/chats", user).await.expect("an answer").body;
    let unread = app.api.get("/api/v1/chats?unread_only=true", user).await.expect("an answer").body;
    let count = list["chats"][0]["unread_count"].clone();
    assert_eq!(unread["total"], i32::from(count != 0), "unread_only");
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_reaches_the_other_member_and_the_readers_other_devices_on_all_instances() {
    let app = TestApp::start().await;
    let other = app.another().await;
    let (alice, bob, chat) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    let mut phone = Socket::open(&other.websocket, &bob, None).await.expect("a socket");
    let mut laptop = app.socket(&bob).await;
    for text in ["1", "2", "3"] {
        alices.send_message(&chat, text).await.expect("an ack");
        for socket in [&mut phone, &mut laptop] {
            socket.expect_beside_presence("new_message").await.expect("a message");
        }
    }
    assert_eq!(unread(&app, &bob).await, 3);

    phone.send(&json!({ "type": "receipt", "chat_id": chat, "read": 2 })).await.expect("sent");
    for socket in [&mut alices, &mut laptop] {
        let receipt = socket.expect_beside_presence("receipt").await.expect("a receipt");
        assert_eq!(receipt, json!({ "type": "receipt", "chat_id": chat, "user_id": bob.id, "read": 2 }));
    }
    phone.expect_quiet().await.expect("nothing about oneself");
    assert_eq!(unread(&app, &bob).await, 1);

    // It never moves back, and not past the last one; what moves nothing is told to nobody.
    for read in [1, 2, 0] {
        phone.send(&json!({ "type": "receipt", "chat_id": chat, "read": read })).await.expect("sent");
        phone.expect_quiet().await.expect("nothing");
    }
    laptop.send(&json!({ "type": "receipt", "chat_id": chat, "read": 99 })).await.expect("sent");
    let receipt = alices.expect_beside_presence("receipt").await.expect("a receipt");
    assert_eq!(receipt["read"], 3);
    assert_eq!(unread(&app, &bob).await, 0);
    assert_eq!(unread(&app, &alice).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_reads_the_chat_up_to_ones_own_message() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.two_users().await;
    let (mut alices, mut bobs) = (app.socket(&alice).await, app.socket(&bob).await);
    alices.send_message(&chat, "1").await.expect("an ack");
    alices.send_message(&chat, "2").await.expect("an ack");
    assert_eq!((unread(&app, &alice).await, unread(&app, &bob).await), (json!(0), json!(2)));
    for _ in 0..2 {
        bobs.expect_beside_presence("new_message").await.expect("a message");
    }
    bobs.send_message(&chat, "3").await.expect("an ack");
    assert_eq!((unread(&app, &alice).await, unread(&app, &bob).await), (json!(1), json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_in_a_chat_of_others() {
    let app = TestApp::start().await;
    let (_, _, chat) = app.two_users().await;
    let mut mallorys = app.socket(&app.api.any_user().await.expect("a user")).await;
    for (read, code) in [(json!(0), "not_found"), (json!(-1), "validation_failed"), (json!("x"), "validation_failed")] {
        mallorys.send(&json!({ "type": "receipt", "chat_id": chat, "read": read })).await.expect("sent");
        assert_eq!(mallorys.expect("error").await.expect("an error")["code"], code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn announces_receipt_whose_first_call_was_not_answered() {
    let app = TestApp::start().await;
    let link = Proxy::start(app.chat_grpc).expect("a link to chat-service");
    let behind_link = app.another_at(link.port()).await;
    let (alice, bob, chat) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    let mut bobs = Socket::open(&behind_link.websocket, &bob, None).await.expect("a socket");
    alices.send_message(&chat, "1").await.expect("an ack");
    bobs.expect_beside_presence("new_message").await.expect("a message");
    let retries = async || {
        let name = "grpc_client_retries_total{service=\"chat.v1.ChatService\",method=\"MarkRead\"}";
        behind_link.http.metric(name).await.expect("the metric, from the start")
    };
    let before = retries().await;

    // Long enough to break the connection between the commit and its answer.
    link.disturb(Disturbance::Delay(Duration::from_millis(400)));
    bobs.send(&json!({ "type": "receipt", "chat_id": chat, "read": 1 })).await.expect("sent");
    until("the marker is moved", async || {
        let list = app.api.get("/api/v1/chats", &bob).await.expect("an answer").body;
        list["chats"][0]["unread_count"] == 0
    })
    .await;
    link.disturb(Disturbance::Reset);
    until("the call is repeated", async || retries().await != before).await;
    link.heal();
    let receipt = alices.expect_beside_presence("receipt").await.expect("a receipt");
    assert_eq!(receipt, json!({ "type": "receipt", "chat_id": chat, "user_id": bob.id, "read": 1 }));
}
