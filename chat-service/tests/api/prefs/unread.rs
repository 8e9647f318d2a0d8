//! Marks as unread, and what is unread in all chats.

use neonchat_proto::chat::v1::MarkReadRequest;
use neonchat_testbed::client::User;
use serde_json::{Value, json};

use super::{FOR_EVER, listen, next_frame};
use crate::support::TestApp;

async fn unread(app: &TestApp, user: &User) -> Value {
    let answer = app.get("/api/v1/unread", user).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    json!([answer.body["chats"], answer.body["messages"], answer.body["mentions"]])
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_and_messages_end_a_mark_as_unread() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    app.send(&chat, &bob, "hello").await;
    let receipt = format!("/api/v1/chats/{chat}/receipt");
    assert_eq!(app.put(&receipt, &alice, &json!({ "read": 1 })).await.status, 200);
    let mark = async || {
        let item = app.set_to(&alice, &chat, json!({ "marked_unread": true })).await;
        assert_eq!((&item["marked_unread"], &item["unread_count"]), (&json!(true), &json!(0)));
        let list = app.get("/api/v1/chats?unread_only=true", &alice).await.body;
        assert_eq!((&list["total"], &list["chats"][0]["id"]), (&json!(1), &json!(chat)));
        assert_eq!(unread(&app, &alice).await, json!([1, 0, 0]));
    };
    let is_marked = async || {
        let marked = app.item(&alice, &chat).await["marked_unread"].clone();
        let total = app.get("/api/v1/chats?unread_only=true", &alice).await.body["total"].clone();
        assert_eq!(total, i64::from(marked == true));
        marked == true
    };

    // A receipt that moves nothing.
    mark().await;
    assert_eq!(
        app.put(&receipt, &alice, &json!({ "read": 1 })).await.body,
        json!({ "read_seq": 1, "delivered_seq": 1, "unread_count": 0 })
    );
    assert!(!is_marked().await);
    mark().await;
    let request = MarkReadRequest { chat_id: chat.clone(), user_id: alice.id.clone(), read: 1 };
    let marked = app.chat_service().mark_read(app.grpc.request(request)).await.expect("mark read").into_inner();
    assert!(!marked.changed);
    assert!(!is_marked().await);
    // A receipt that moves the marker, after a message of the other member.
    mark().await;
    app.send(&chat, &bob, "hello again").await;
    assert!(app.item(&alice, &chat).await["marked_unread"] == true, "a message of another member does not end it");
    assert_eq!(unread(&app, &alice).await, json!([1, 1, 0]));
    assert_eq!(app.put(&receipt, &alice, &json!({ "read": 2 })).await.status, 200);
    assert!(!is_marked().await);
    // A message of one's own.
    mark().await;
    app.send(&chat, &alice, "an answer").await;
    assert!(!is_marked().await);
    mark().await;
    app.set_to(&alice, &chat, json!({ "marked_unread": false })).await;
    assert!(!is_marked().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_learn_that_a_receipt_ended_a_mark() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.pair().await;
    let mut listener = listen(&app, &alice).await;
    app.set_to(&alice, &chat, json!({ "marked_unread": true })).await;
    for _ in 0..2 {
        app.put(&format!("/api/v1/chats/{chat}/receipt"), &alice, &json!({ "read": 1 })).await;
    }
    app.set_to(&alice, &chat, json!({ "marked_unread": true })).await;
    for marked in [true, false, true] {
        let (frame, _) = next_frame(&mut listener).await;
        assert_eq!((&frame["type"], &frame["marked_unread"]), (&json!("chat_settings"), &json!(marked)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_leave_out_archived_and_muted_chats() {
    let app = TestApp::start().await;
    let alice = app.user().await;
    assert_eq!(unread(&app, &alice).await, json!([0, 0, 0]));
    let mut chats = Vec::new();
    for messages in [1, 2, 3] {
        let partner = app.user().await;
        let chat = app.api.chat(&alice, &partner).await.expect("open chat");
        for _ in 0..messages {
            app.send(&chat, &partner, "hello").await;
        }
        chats.push((chat, partner));
    }
    assert_eq!(unread(&app, &alice).await, json!([3, 6, 0]));
    for (chat, change, expected) in [
        (0, json!({ "archived": true }), json!([2, 5, 0])),
        (1, json!({ "muted_until": FOR_EVER, "marked_unread": true }), json!([1, 3, 0])),
        (1, json!({ "muted_until": "2020-01-01T00:00:00Z" }), json!([2, 5, 0])),
        (0, json!({ "archived": false }), json!([3, 6, 0])),
    ] {
        app.set_to(&alice, &chats[chat].0, change.clone()).await;
        assert_eq!(unread(&app, &alice).await, expected, "{change}");
    }
    // A mute ends by itself.
    let end = "UPDATE chat_prefs SET muted_until = now() - interval '1 us'";
    app.set_to(&alice, &chats[2].0, json!({ "muted_until": FOR_EVER })).await;
    assert_eq!(unread(&app, &alice).await, json!([2, 3, 0]));
    app.sql().await.execute(end, &[]).await.expect("update row");
    assert_eq!(unread(&app, &alice).await, json!([3, 6, 0]));
    assert_eq!(app.item(&alice, &chats[2].0).await["muted_until"], Value::Null);

    let body = json!({ "type": "group", "title": "Team", "member_ids": [alice.id] });
    let group = app.post("/api/v1/chats", &chats[0].1, &body).await.body;
    let path = format!("/api/v1/chats/{}/messages", group["id"].as_str().expect("id as string"));
    for text in [format!("@{}", alice.name), "nobody".to_owned()] {
        assert_eq!(app.post(&path, &chats[0].1, &json!({ "text": text })).await.status, 201);
    }
    assert_eq!(unread(&app, &alice).await, json!([4, 8, 1]));
    // What is deleted, read or cleared is not unread.
    app.put(&format!("/api/v1/chats/{}/receipt", chats[0].0), &alice, &json!({ "read": 1 })).await;
    app.post(&format!("/api/v1/chats/{}/clear", chats[2].0), &alice, &json!({ "upto": 2 })).await;
    assert_eq!(unread(&app, &alice).await, json!([3, 5, 1]));
}
