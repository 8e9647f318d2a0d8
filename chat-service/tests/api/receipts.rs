//! Read markers, over REST and gRPC.

use futures_util::future::join_all;
use neonchat_common::{
    bus::{Channel, Envelope, Event},
    error::{ApiError, ErrorCode},
};
use neonchat_proto::chat::v1::{MarkReadRequest, MarkReadResponse};
use neonchat_testbed::client::User;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Fields, Listener, TestApp, assert_problem};

async fn mark(app: &TestApp, chat: &str, user: &User, read: i64) -> Result<MarkReadResponse, ApiError> {
    let request = MarkReadRequest { chat_id: chat.to_owned(), user_id: user.id.clone(), read };
    Ok(app.chat_service().mark_read(app.grpc.request(request)).await?.into_inner())
}

/// Returns a member's read marker and unread count from the list of chats.
async fn listed(app: &TestApp, chat: &str, user: &User) -> (i64, i64) {
    let item = app.get(&format!("/api/v1/chats/{chat}"), user).await.body;
    let list = app.get("/api/v1/chats", user).await.body;
    assert_eq!(list["chats"][0], item);
    let unread = item["unread_count"].as_i64().expect("count as integer");
    let unread_only = app.get("/api/v1/chats?unread_only=true", user).await.body;
    assert_eq!(unread_only["total"], i64::from(unread > 0));
    (item["read_seq"].as_i64().expect("seq as integer"), unread)
}

#[tokio::test(flavor = "multi_thread")]
async fn read_marker_never_moves_back_or_past_the_head() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    for _ in 0..5 {
        app.send(&chat, &alice, "hello").await;
    }
    let cases = [(0, 0, 5, false), (2, 2, 3, true), (1, 2, 3, false), (2, 2, 3, false), (i64::MAX, 5, 0, true)];
    for (read, read_seq, unread_count, changed) in cases {
        let marked = mark(&app, &chat, &bob, read).await.expect("mark read");
        assert_eq!(marked, MarkReadResponse { read_seq, unread_count, changed }, "{read}");
        assert_eq!(listed(&app, &chat, &bob).await, (read_seq, unread_count));
    }
    app.send(&chat, &alice, "one more").await;
    assert_eq!(listed(&app, &chat, &bob).await, (5, 1));
    app.send(&chat, &bob, "an answer reads what was before it").await;
    assert_eq!((listed(&app, &chat, &bob).await, listed(&app, &chat, &alice).await), ((7, 0), (6, 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_receipts_keep_the_furthest_marker() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    for _ in 0..16 {
        app.send(&chat, &alice, "hello").await;
    }
    let marked = join_all((0..=16).map(|read| mark(&app, &chat, &bob, read))).await;
    for (read, marked) in (0..).zip(marked) {
        let marked = marked.expect("mark read");
        assert!(marked.read_seq >= read, "{marked:?}");
        assert_eq!(marked.read_seq + marked.unread_count, 16);
    }
    assert_eq!(listed(&app, &chat, &bob).await, (16, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_count_stays_right_under_concurrent_sends_and_receipts() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    // Both users send and read concurrently, as if on several devices.
    let writing = join_all((0..32).map(|n| app.send(&chat, if n % 2 == 0 { &alice } else { &bob }, "hello")));
    let reading = join_all((0..32).map(|n| mark(&app, &chat, if n % 2 == 0 { &alice } else { &bob }, n)));
    let (_, marked) = tokio::join!(writing, reading);
    assert!(marked.into_iter().all(|marked| marked.expect("mark read").unread_count >= 0));

    let sql = app.sql().await;
    let unread = "SELECT count(*) FROM messages WHERE sender_id::text <> $1 AND seq > $2";
    for user in [&alice, &bob] {
        let (read_seq, unread_count) = listed(&app, &chat, user).await;
        let counted: i64 = sql.query_one(unread, &[&user.id, &read_seq]).await.expect("count rows").get(0);
        assert_eq!(unread_count, counted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_receipts_of_others_and_out_of_range() {
    let app = TestApp::start().await;
    let (_, bob, chat) = app.pair().await;
    let mallory = app.user().await;
    let code = async |chat: &str, user, read| mark(&app, chat, user, read).await.expect_err("refuse request").code;
    assert_eq!(code(&chat, &mallory, 1).await, ErrorCode::NotFound);
    assert_eq!(code(&Uuid::now_v7().to_string(), &bob, 1).await, ErrorCode::NotFound);
    assert_eq!(code(&chat, &bob, -1).await, ErrorCode::ValidationFailed);
    assert_eq!(code("x", &bob, 1).await, ErrorCode::ValidationFailed);
    assert_eq!(mark(&app, &chat, &bob, 1).await.expect("mark empty chat"), MarkReadResponse::default());
}

fn path(chat: impl std::fmt::Display) -> String {
    format!("/api/v1/chats/{chat}/receipt")
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_receipt_is_published_if_the_marker_moves() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    app.until_redis().await;
    let channel = Channel::Chat(chat.parse().expect("parse id"));
    let mut listener = Listener::on([channel]).await;
    for _ in 0..4 {
        app.send(&chat, &alice, "hello").await;
    }
    let put = async |read: i64| {
        let answer = app.put(&path(&chat), &bob, &json!({ "read": read })).await;
        (answer.status, answer.body)
    };
    let state = |read: i64| (200, json!({ "read_seq": read, "delivered_seq": read, "unread_count": 4 - read }));

    assert_eq!(put(2).await, state(2));
    assert_eq!(put(1).await, state(2));
    // Another device, over its socket.
    mark(&app, &chat, &bob, 3).await.expect("mark read");
    assert_eq!(put(3).await, state(3));
    assert_eq!(put(99).await, state(4));
    assert_eq!(listed(&app, &chat, &bob).await, (4, 0));
    for expected in [2, 4] {
        let (published_on, text) = listener.next().await;
        let envelope: Envelope<'_> = serde_json::from_str(&text).expect("parse envelope");
        let Event::Receipt { user_id, read, delivered, unread_count, is_group } = envelope.event else {
            panic!("{text}")
        };
        assert_eq!((published_on, envelope.instance), (channel, None));
        assert_eq!((user_id.to_string(), read, delivered), (bob.id.clone(), expected, Some(expected)));
        assert_eq!((unread_count, is_group), (Some(4 - expected), false));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_invalid_receipt() {
    let app = TestApp::start().await;
    let (_, bob, chat) = app.pair().await;
    let mallory = app.user().await;
    let one = json!({ "read": 1 });
    assert_problem(&app.put(&path(&chat), &mallory, &one).await, 404, "not_found", &[]);
    assert_problem(&app.put(&path(Uuid::now_v7()), &bob, &one).await, 404, "not_found", &[]);
    assert_problem(&app.put(&path("x"), &bob, &one).await, 422, "validation_failed", &[("id", "format")]);
    let cases: [(Value, Fields<'_>); 8] = [
        (json!({}), &[("read", "required")]),
        (json!({ "read": null }), &[("read", "required")]),
        (json!({ "read": 1, "delivered": 0 }), &[("delivered", "range")]),
        (json!({ "read": 0, "delivered": 1 }), &[("read", "range")]),
        (json!({ "read": "1" }), &[("read", "format")]),
        (json!({ "read": 1.5 }), &[("read", "format")]),
        (json!({ "read": u64::MAX }), &[("read", "format")]),
        (json!({ "read": -1 }), &[("read", "range")]),
    ];
    for (body, fields) in cases {
        assert_problem(&app.put(&path(&chat), &bob, &body).await, 422, "validation_failed", fields);
    }
    let nobody = app.api.call("PUT", &path(&chat), None, Some(&one)).await.expect("call API");
    assert_problem(&nobody, 401, "unauthorized", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_receipt_without_redis() {
    let app = TestApp::start_with(&[("REDIS_URL", "redis://127.0.0.1:1/0")]).await;
    let (alice, bob, chat) = app.pair().await;
    app.send(&chat, &alice, "hello").await;
    let answer = app.put(&path(&chat), &bob, &json!({ "read": 1 })).await;
    assert_eq!((answer.status, answer.body), (200, json!({ "read_seq": 1, "delivered_seq": 1, "unread_count": 0 })));
}
