//! What reaches the sockets of one user alone: drafts, settings of chats, and the beginning of the history.

use neonchat_testbed::client::{Socket, User};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::helpers::TestApp;

impl TestApp {
    async fn change(&self, method: &str, path: &str, user: &User, body: Value) -> Value {
        let answer = self.api.call(method, path, Some(&user.token), Some(&body)).await.expect("call API");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    async fn draft(&self, user: &User, chat: &str) -> Value {
        let item = self.api.get(&format!("/api/v1/chats/{chat}"), user).await.expect("call API");
        item.body["draft"].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn draft_reaches_the_other_devices_of_its_author() {
    let app = TestApp::start().await;
    let other = app.another().await;
    let (alice, bob, chat) = app.two_users().await;
    let (mut phone, mut laptop, mut bobs) =
        (app.socket(&alice).await, app.socket(&alice).await, app.socket(&bob).await);
    let mut tablet = Socket::open(&other.websocket, &alice, None).await.expect("open socket");
    let reply_to = Uuid::now_v7();
    for (text, request_id) in [("hel", Some("d-1")), ("hello", None), ("", Some("Ёж"))] {
        let mut draft = json!({ "type": "draft", "chat_id": chat, "text": text, "reply_to": reply_to });
        if let Some(request_id) = request_id {
            draft["request_id"] = json!(request_id);
        }
        // Sent again, it changes nothing.
        for _ in 0..2 {
            phone.send(&draft).await.expect("send");
            if let Some(request_id) = request_id {
                let ack = phone.next_beside_presence().await.expect("receive ack");
                assert_eq!(ack, json!({ "type": "ack", "request_id": request_id, "chat_id": chat }));
            }
            phone.expect_quiet().await.expect("receive nothing else");
        }
        let stored = app.draft(&alice, &chat).await;
        for socket in [&mut laptop, &mut tablet] {
            let frame = socket.next_beside_presence().await.expect("receive draft");
            assert_eq!(
                (&frame["type"], &frame["chat_id"], &frame["text"]),
                (&json!("draft"), &json!(chat), &json!(text))
            );
            let updated_at = &frame["updated_at"];
            let expected = json!({ "text": text, "reply_to": reply_to, "updated_at": updated_at });
            assert_eq!(stored, if text.is_empty() { Value::Null } else { expected });
            assert_eq!(frame.get("reply_to").is_some(), !text.is_empty());
        }
        laptop.expect_quiet().await.expect("receive it once");
    }
    app.change("PUT", &format!("/api/v1/chats/{chat}/draft"), &alice, json!({ "text": "from REST" })).await;
    for socket in [&mut phone, &mut laptop, &mut tablet] {
        assert_eq!(socket.expect_beside_presence("draft").await.expect("receive draft")["text"], "from REST");
    }
    bobs.expect_quiet().await.expect("nobody else learns of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_drafts_that_cannot_be_stored() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.two_users().await;
    let mut socket = app.socket(&alice).await;
    for (draft, code) in [
        (json!({ "chat_id": Uuid::now_v7(), "text": "a" }), "not_found"),
        (json!({ "chat_id": chat }), "validation_failed"),
        (json!({ "chat_id": chat, "text": "x".repeat(4097) }), "validation_failed"),
        (json!({ "chat_id": chat, "text": "a\0" }), "validation_failed"),
        (json!({ "chat_id": chat, "text": "a", "reply_to": "x" }), "validation_failed"),
        (json!({ "text": "a" }), "validation_failed"),
    ] {
        let mut frame = draft;
        (frame["type"], frame["request_id"]) = (json!("draft"), json!("d-1"));
        socket.send(&frame).await.expect("send");
        let error = socket.expect_beside_presence("error").await.expect("receive error");
        assert_eq!((&error["code"], &error["request_id"]), (&json!(code), &json!("d-1")), "{frame}");
    }
    assert_eq!(app.draft(&alice, &chat).await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn receipt_over_a_socket_ends_a_mark_as_unread() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.two_users().await;
    let (mut alices, mut bobs) = (app.socket(&alice).await, app.socket(&bob).await);
    alices.send_message(&chat, "1").await.expect("receive ack");
    bobs.expect_beside_presence("new_message").await.expect("receive message");
    bobs.send(&json!({ "type": "receipt", "chat_id": chat, "read": 1 })).await.expect("send");
    alices.expect_beside_presence("receipt").await.expect("receive receipt");
    app.change("PATCH", &format!("/api/v1/chats/{chat}/me"), &bob, json!({ "marked_unread": true })).await;
    let marked = async |socket: &mut Socket| {
        let settings = socket.next_beside_presence().await.expect("receive settings");
        assert_eq!((&settings["type"], &settings["chat_id"]), (&json!("chat_settings"), &json!(chat)));
        settings["marked_unread"].clone()
    };
    assert_eq!(marked(&mut bobs).await, true);
    // The same receipt again: the instance knows that the marker is there.
    bobs.send(&json!({ "type": "receipt", "chat_id": chat, "read": 1 })).await.expect("send");
    assert_eq!(marked(&mut bobs).await, false);
    alices.expect_quiet().await.expect("nobody else learns of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn cleared_history_is_not_sent_again() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.two_users().await;
    let (mut alices, mut bobs) = (app.socket(&alice).await, app.socket(&bob).await);
    let mut texts = Vec::new();
    for text in ["1", "2", "3"] {
        texts.push(alices.send_message(&chat, text).await.expect("receive ack"));
        bobs.expect_beside_presence("new_message").await.expect("receive message");
    }
    let mut late = app.socket(&bob).await;
    let cleared = app.change("POST", &format!("/api/v1/chats/{chat}/clear"), &bob, json!({ "upto": 2 })).await;
    assert_eq!(cleared, json!({ "first_seq": 3, "unread_count": 1 }));
    for socket in [&mut bobs, &mut late] {
        assert_eq!(socket.expect_beside_presence("chat_settings").await.expect("receive settings")["first_seq"], 3);
    }
    let mut after = app.socket(&bob).await;
    for socket in [&mut late, &mut after] {
        socket.send(&json!({ "type": "sync", "cursors": { (chat.as_str()): 0 } })).await.expect("send");
        let message = socket.next_beside_presence().await.expect("receive message");
        assert_eq!((&message["type"], &message["seq"]), (&json!("new_message"), &json!(3)), "{message}");
        let synced = socket.next_beside_presence().await.expect("receive synced");
        let expected = json!([{ "chat_id": chat, "first_seq": 3, "head_seq": 3, "complete": true }]);
        assert_eq!(synced["chats"], expected, "{synced}");
    }
    // An edit of a cleared message tells nothing of it.
    let edit = json!({ "type": "edit", "chat_id": chat, "message_id": texts[0]["message_id"], "text": "secret" });
    alices.send(&edit).await.expect("send");
    alices.expect_beside_presence("ack").await.expect("receive ack");
    let edited = bobs.expect_beside_presence("message_edited").await.expect("receive edit");
    assert_eq!((&edited["superseded"], edited.get("message")), (&json!(true), None), "{edited}");
}
