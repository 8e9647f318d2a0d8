//! Receipts while clients and services restart.

use serde_json::json;

use super::{Stage, next, receive, send};

#[tokio::test(flavor = "multi_thread")]
async fn position_of_the_partner_survives_restarts() {
    let mut stage = Stage::direct().await;
    let (alice, bob, chat) = (stage.users[0].clone(), stage.users[1].clone(), stage.chat.clone());
    stage.send_to(&chat, 4).await;
    let (mut alices, mut bobs) = (stage.open(1, &alice).await, stage.open(0, &bob).await);
    send(&mut bobs, &chat, json!({ "read": 1, "delivered": 2 })).await;
    next(&mut alices).await;
    let position = async |stage: &Stage| {
        let item = stage.item(&alice).await;
        json!([item["partner_read_seq"], item["partner_delivered_seq"]])
    };
    alices.close().await.expect("close socket");
    let alices = stage.open(1, &alice).await;
    assert_eq!(position(&stage).await, json!([1, 2]), "after a restart of the client");
    drop(alices);

    // The first receipt within a second was written at once. This one waits, and is written when the instance stops.
    send(&mut bobs, &chat, json!({ "read": 3, "delivered": 4 })).await;
    bobs.expect_quiet().await.expect("no answer");
    stage.running.system.restart_notification_service().await.expect("restart notification-service");
    stage.running.system.restart_chat_service().await.expect("restart chat-service");
    assert_eq!(position(&stage).await, json!([3, 4]), "after a restart of both services");
    let item = stage.item(&bob).await;
    assert_eq!(json!([item["read_seq"], item["unread_count"]]), json!([3, 1]));

    // The new instance learns the position of its user, and forwards what is new.
    let (mut alices, mut bobs) = (stage.open(1, &alice).await, stage.open(0, &bob).await);
    for read in [2, 3, 4] {
        send(&mut bobs, &chat, json!({ "read": read })).await;
        bobs.expect_quiet().await.expect("no answer");
    }
    let told = next(&mut alices).await;
    assert_eq!(json!([told["type"], told["read"], told["delivered"]]), json!(["receipt", 4, 4]), "{told}");
    assert_eq!(position(&stage).await, json!([4, 4]));
}

/// In a large group a receipt waits for up to five seconds. A graceful stop does not.
#[tokio::test(flavor = "multi_thread")]
async fn stop_of_an_instance_writes_the_receipts_of_a_large_group() {
    let mut stage = Stage::group(3, 1001).await;
    let (bob, carol, chat) = (stage.users[1].clone(), stage.users[2].clone(), stage.chat.clone());
    let mut sockets = [stage.open(0, &bob).await, stage.open(0, &carol).await];
    stage.send_to(&chat, 3).await;
    for (socket, read) in sockets.iter_mut().zip([2, 3]) {
        receive(socket, 3).await;
        send(socket, &chat, json!({ "read": read })).await;
        socket.expect_quiet().await.expect("no answer");
    }
    stage.running.system.restart_notification_service().await.expect("restart notification-service");
    for (user, read) in [(&bob, 2), (&carol, 3)] {
        assert_eq!(stage.item(user).await["read_seq"], read);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_of_chat_service_loses_neither_acked_nor_waiting_receipts() {
    let mut stage = Stage::direct().await;
    let (alice, bob, chat) = (stage.users[0].clone(), stage.users[1].clone(), stage.chat.clone());
    stage.send_to(&chat, 5).await;
    let (mut alices, mut bobs) = (stage.open(1, &alice).await, stage.open(0, &bob).await);
    send(&mut bobs, &chat, json!({ "read": 1 })).await;
    assert_eq!(next(&mut alices).await["read"], 1);
    send(&mut bobs, &chat, json!({ "read": 2, "request_id": "acked" })).await;
    let ack = next(&mut bobs).await;
    assert_eq!(json!([ack["type"], ack["request_id"], ack["read_seq"]]), json!(["ack", "acked", 2]), "{ack}");
    assert_eq!(next(&mut alices).await["read"], 2);
    // Within a second of the first one, so it waits.
    send(&mut bobs, &chat, json!({ "read": 3 })).await;
    bobs.expect_quiet().await.expect("no answer");
    stage.running.system.kill_chat_service().await.expect("kill chat-service");
    send(&mut bobs, &chat, json!({ "read": 4, "request_id": "refused" })).await;
    let refused = next(&mut bobs).await;
    let expected = json!(["error", "refused", "unavailable", true]);
    assert_eq!(json!([refused["type"], refused["request_id"], refused["code"], refused["retryable"]]), expected);

    stage.running.system.kill_and_restart_chat_service().await.expect("restart chat-service");
    let read = stage.item(&alice).await["partner_read_seq"].as_i64().expect("find position");
    assert!((2..=3).contains(&read), "{read}: the acked receipt is stored, the refused one is not");
    let told = next(&mut alices).await;
    assert_eq!(json!([told["type"], told["read"]]), json!(["receipt", 3]), "{told}");
    send(&mut bobs, &chat, json!({ "read": 4, "request_id": "again" })).await;
    assert_eq!(next(&mut bobs).await["read_seq"], 4);
    assert_eq!(next(&mut alices).await["read"], 4);
    assert_eq!(stage.item(&alice).await["partner_read_seq"], 4);
}
