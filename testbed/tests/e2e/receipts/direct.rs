//! Receipts in a direct chat.

use neonchat_testbed::harness::until;
use serde_json::{Value, json};

use super::{Stage, next, receive, send};

#[tokio::test(flavor = "multi_thread")]
async fn receipt_reaches_the_partner_and_the_other_devices() {
    let stage = Stage::direct().await;
    let (alice, bob, chat) = (&stage.users[0], &stage.users[1], &stage.chat);
    let messages = stage.send_to(chat, 3).await;
    let (mut alices, mut alices_laptop) = (stage.open(0, alice).await, stage.open(1, alice).await);
    let (mut phone, mut laptop) = (stage.open(0, bob).await, stage.open(1, bob).await);
    let frame = |read: i64, delivered: i64| json!({ "type": "receipt", "chat_id": chat, "user_id": bob.id, "read": read, "delivered": delivered });
    let own = |read: i64, delivered: i64, unread: i64| {
        let mut frame = frame(read, delivered);
        frame["unread_count"] = json!(unread);
        frame
    };
    let ack = |request: &str, read: i64, unread: i64| json!({ "type": "ack", "request_id": request, "chat_id": chat, "read_seq": read, "unread_count": unread });

    send(&mut phone, chat, json!({ "read": 1, "delivered": 3 })).await;
    for socket in [&mut alices, &mut alices_laptop] {
        assert_eq!(next(socket).await, frame(1, 3));
    }
    assert_eq!(next(&mut laptop).await, own(1, 3, 2));
    let receipts = stage.get("/receipts", alice).await;
    assert_eq!(receipts["read"], json!({ &alice.id: 3, &bob.id: 1 }));
    assert_eq!(receipts["delivered"], json!({ &alice.id: 3, &bob.id: 3 }));
    assert_eq!(stage.seen(&messages[0], alice).await, [&*bob.id]);
    assert!(stage.seen(&messages[1], alice).await.is_empty());

    // Less than what is stored, with and without an answer: nobody is told, as the next frames of the others show.
    send(&mut phone, chat, json!({ "read": 1, "delivered": 2 })).await;
    send(&mut phone, chat, json!({ "delivered": 1, "request_id": "less" })).await;
    assert_eq!(next(&mut phone).await, ack("less", 1, 2));
    assert_eq!(stage.get("/receipts", alice).await, receipts);
    // Beyond the head counts as the head.
    for request in ["beyond", "again"] {
        send(&mut phone, chat, json!({ "read": 99, "delivered": 120, "request_id": request })).await;
        assert_eq!(next(&mut phone).await, ack(request, 3, 0));
    }
    assert_eq!(stage.get("/receipts", bob).await["read"], json!({ &alice.id: 3, &bob.id: 3 }));
    assert_eq!(stage.seen(&messages[2], alice).await, [&*bob.id]);
    for socket in [&mut alices, &mut alices_laptop] {
        assert_eq!(next(socket).await, frame(3, 3));
    }
    assert_eq!(next(&mut laptop).await, own(3, 3, 0));

    // What was beyond the head has not read what came later.
    stage.send_to(chat, 1).await;
    for socket in [&mut alices, &mut alices_laptop, &mut phone, &mut laptop] {
        receive(socket, 1).await;
    }
    assert_eq!(stage.item(bob).await["unread_count"], 1);
    // Over REST, there is no socket that caused it.
    let put = stage.call("PUT", "/receipt", bob, Some(json!({ "delivered": 4 }))).await;
    assert_eq!(put.body, json!({ "read_seq": 3, "delivered_seq": 4, "unread_count": 1 }));
    for socket in [&mut alices, &mut alices_laptop] {
        assert_eq!(next(socket).await, frame(3, 4));
    }
    for socket in [&mut phone, &mut laptop] {
        assert_eq!(next(socket).await, own(3, 4, 1));
    }
    for socket in [&mut alices, &mut alices_laptop, &mut phone, &mut laptop] {
        socket.expect_quiet().await.expect("receive nothing else");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_receipts_name_their_request_and_move_nothing() {
    let stage = Stage::direct().await;
    let (alice, bob, chat) = (&stage.users[0], &stage.users[1], &stage.chat);
    stage.send_to(chat, 1).await;
    let mut phone = stage.open(0, bob).await;
    for (markers, code) in [
        (json!({ "read": 0 }), "validation_failed"),
        (json!({ "read": 1, "delivered": -1 }), "validation_failed"),
        (json!({}), "validation_failed"),
        (json!({ "read": 1, "chat_id": alice.id }), "not_found"),
    ] {
        let mut frame = json!({ "type": "receipt", "chat_id": chat, "request_id": "r-1" });
        frame.as_object_mut().expect("object").extend(markers.as_object().expect("object").clone());
        phone.send(&frame).await.expect("send frame");
        let error = next(&mut phone).await;
        assert_eq!(
            json!([error["type"], error["code"], error["request_id"]]),
            json!(["error", code, "r-1"]),
            "{frame}"
        );
    }
    let item = stage.item(alice).await;
    assert_eq!(json!([item["partner_read_seq"], item["partner_delivered_seq"]]), json!([0, 0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn last_seen_appears_after_the_last_socket_closes() {
    let stage = Stage::direct().await;
    let (alice, bob) = (&stage.users[0], &stage.users[1]);
    let partner = async || stage.item(alice).await["partner"].clone();
    assert_eq!(partner().await["last_seen_at"], Value::Null);
    let mut alices = stage.open(0, alice).await;
    let (phone, laptop) = (stage.open(0, bob).await, stage.open(1, bob).await);
    let online = alices.expect("presence").await.expect("receive presence");
    assert_eq!(json!([online["event"], online["user_id"]]), json!(["user_online", bob.id]));
    phone.close().await.expect("close socket");
    assert_eq!(json!([partner().await["online"], partner().await["last_seen_at"]]), json!([true, null]));
    laptop.close().await.expect("close socket");
    let offline = alices.expect("presence").await.expect("receive presence");
    assert_eq!(json!([offline["event"], offline["user_id"]]), json!(["user_offline", bob.id]));
    // The frame does not wait for the write.
    until("last_seen_at appears", async || partner().await["last_seen_at"].is_string()).await;
    assert_eq!(partner().await["online"], false);
}
