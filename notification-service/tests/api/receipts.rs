//! Receipts and read markers.

use std::time::Duration;

use neonchat_testbed::{
    client::{Socket, User},
    harness::until,
    proxy::{Disturbance, Proxy},
};
use serde_json::{Value, json};

use crate::helpers::TestApp;

async fn unread(app: &TestApp, user: &User) -> Value {
    let list = app.api.get("/api/v1/chats", user).await.expect("call API").body;
    let unread = app.api.get("/api/v1/chats?unread_only=true", user).await.expect("call API").body;
    let count = list["chats"][0]["unread_count"].clone();
    assert_eq!(unread["total"], i32::from(count != 0), "unread_only");
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn receipt_reaches_other_member_and_other_devices_of_reader() {
    let app = TestApp::start().await;
    let other = app.another().await;
    let (alice, bob, chat) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    let mut phone = Socket::open(&other.websocket, &bob, None).await.expect("open socket");
    let mut laptop = app.socket(&bob).await;
    for text in ["1", "2", "3"] {
        alices.send_message(&chat, text).await.expect("receive ack");
        for socket in [&mut phone, &mut laptop] {
            socket.expect_beside_presence("new_message").await.expect("receive message");
        }
    }
    assert_eq!(unread(&app, &bob).await, 3);

    phone.send(&json!({ "type": "receipt", "chat_id": chat, "read": 2 })).await.expect("send");
    let told = json!({ "type": "receipt", "chat_id": chat, "user_id": bob.id, "read": 2, "delivered": 2 });
    assert_eq!(alices.expect_beside_presence("receipt").await.expect("receive receipt"), told);
    let mut own = told;
    own["unread_count"] = json!(1);
    assert_eq!(laptop.expect_beside_presence("receipt").await.expect("receive receipt"), own);
    phone.expect_quiet().await.expect("receive no own receipt");
    assert_eq!(unread(&app, &bob).await, 1);

    // A marker never moves back or past the head. A receipt that moves nothing is not announced.
    for read in [1, 2] {
        phone.send(&json!({ "type": "receipt", "chat_id": chat, "read": read })).await.expect("send");
        phone.expect_quiet().await.expect("receive nothing else");
    }
    laptop.send(&json!({ "type": "receipt", "chat_id": chat, "read": 99 })).await.expect("send");
    let receipt = alices.expect_beside_presence("receipt").await.expect("receive receipt");
    assert_eq!(receipt["read"], 3);
    assert_eq!(unread(&app, &bob).await, 0);
    assert_eq!(unread(&app, &alice).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_moves_own_read_marker() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.two_users().await;
    let (mut alices, mut bobs) = (app.socket(&alice).await, app.socket(&bob).await);
    alices.send_message(&chat, "1").await.expect("receive ack");
    alices.send_message(&chat, "2").await.expect("receive ack");
    assert_eq!((unread(&app, &alice).await, unread(&app, &bob).await), (json!(0), json!(2)));
    for _ in 0..2 {
        bobs.expect_beside_presence("new_message").await.expect("receive message");
    }
    bobs.send_message(&chat, "3").await.expect("receive ack");
    assert_eq!((unread(&app, &alice).await, unread(&app, &bob).await), (json!(1), json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_receipt_for_foreign_chat() {
    let app = TestApp::start().await;
    let (_, _, chat) = app.two_users().await;
    let mut mallorys = app.socket(&app.api.any_user().await.expect("register user")).await;
    for (read, code) in [
        (json!(1), "not_found"),
        (json!(0), "validation_failed"),
        (json!(-1), "validation_failed"),
        (json!("x"), "validation_failed"),
    ] {
        mallorys.send(&json!({ "type": "receipt", "chat_id": chat, "read": read })).await.expect("send");
        assert_eq!(mallorys.expect("error").await.expect("receive error")["code"], code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn announces_receipt_whose_first_call_was_not_answered() {
    let app = TestApp::start().await;
    let link = Proxy::start(app.chat_grpc).expect("start proxy");
    let behind_link = app.another_at(link.port()).await;
    let (alice, bob, chat) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    let mut bobs = Socket::open(&behind_link.websocket, &bob, None).await.expect("open socket");
    alices.send_message(&chat, "1").await.expect("receive ack");
    bobs.expect_beside_presence("new_message").await.expect("receive message");
    let retries = async || {
        let name = "grpc_client_retries_total{service=\"chat.v1.ChatService\",method=\"MarkReadMany\"}";
        behind_link.http.metric(name).await.expect("read metric that starts at 0")
    };
    let before = retries().await;

    // The delay leaves time to break the connection between the commit and its answer.
    link.disturb(Disturbance::Delay(Duration::from_millis(400)));
    bobs.send(&json!({ "type": "receipt", "chat_id": chat, "read": 1 })).await.expect("send");
    until("the marker has moved", async || {
        let list = app.api.get("/api/v1/chats", &bob).await.expect("call API").body;
        list["chats"][0]["unread_count"] == 0
    })
    .await;
    link.disturb(Disturbance::Reset);
    until("the call is repeated", async || retries().await != before).await;
    link.heal();
    let receipt = alices.expect_beside_presence("receipt").await.expect("receive receipt");
    let told = json!({ "type": "receipt", "chat_id": chat, "user_id": bob.id, "read": 1, "delivered": 1 });
    assert_eq!(receipt, told);
}
