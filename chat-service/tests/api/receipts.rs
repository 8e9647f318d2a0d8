//! How far a member has read, over REST and gRPC.

use futures_util::future::join_all;
use neonchat_common::error::{ApiError, ErrorCode};
use neonchat_proto::chat::v1::{MarkReadRequest, MarkReadResponse};
use neonchat_testbed::client::User;
use uuid::Uuid;

use crate::support::TestApp;

async fn mark(app: &TestApp, chat: &str, user: &User, read: i64) -> Result<MarkReadResponse, ApiError> {
    let request = MarkReadRequest { chat_id: chat.to_owned(), user_id: user.id.clone(), read };
    Ok(app.chat_service().mark_read(app.grpc.request(request)).await?.into_inner())
}

/// What a member has read, and what not, as the list of chats says.
async fn listed(app: &TestApp, chat: &str, user: &User) -> (i64, i64) {
    let item = app.get(&format!("/api/v1/chats/{chat}"), user).await.body;
    let list = app.get("/api/v1/chats", user).await.body;
    assert_eq!(list["chats"][0], item);
    let unread = item["unread_count"].as_i64().expect("a count");
    let unread_only = app.get("/api/v1/chats?unread_only=true", user).await.body;
    assert_eq!(unread_only["total"], i64::from(unread > 0));
    (item["read_seq"].as_i64().expect("a seq"), unread)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_never_moves_back_nor_past_the_last() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    for _ in 0..5 {
        app.send(&chat, &alice, "hello").await;
    }
    let cases = [(0, 0, 5, false), (2, 2, 3, true), (1, 2, 3, false), (2, 2, 3, false), (i64::MAX, 5, 0, true)];
    for (read, read_seq, unread_count, changed) in cases {
        let marked = mark(&app, &chat, &bob, read).await.expect("marked");
        assert_eq!(marked, MarkReadResponse { read_seq, unread_count, changed }, "{read}");
        assert_eq!(listed(&app, &chat, &bob).await, (read_seq, unread_count));
    }
    app.send(&chat, &alice, "one more").await;
    assert_eq!(listed(&app, &chat, &bob).await, (5, 1));
    app.send(&chat, &bob, "an answer reads what was before it").await;
    assert_eq!((listed(&app, &chat, &bob).await, listed(&app, &chat, &alice).await), ((7, 0), (6, 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_devices_agree_on_the_furthest() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    for _ in 0..16 {
        app.send(&chat, &alice, "hello").await;
    }
    let marked = join_all((0..=16).map(|read| mark(&app, &chat, &bob, read))).await;
    for (read, marked) in (0..).zip(marked) {
        let marked = marked.expect("marked");
        assert!(marked.read_seq >= read, "{marked:?}");
        assert_eq!(marked.read_seq + marked.unread_count, 16);
    }
    assert_eq!(listed(&app, &chat, &bob).await, (16, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_are_the_messages_of_others_whatever_comes_between() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    // Both write and read, each on several devices, all at once.
    let writing = join_all((0..32).map(|n| app.send(&chat, if n % 2 == 0 { &alice } else { &bob }, "hello")));
    let reading = join_all((0..32).map(|n| mark(&app, &chat, if n % 2 == 0 { &alice } else { &bob }, n)));
    let (_, marked) = tokio::join!(writing, reading);
    assert!(marked.into_iter().all(|marked| marked.expect("marked").unread_count >= 0));

    let sql = app.sql().await;
    let unread = "SELECT count(*) FROM messages WHERE sender_id::text <> $1 AND seq > $2";
    for user in [&alice, &bob] {
        let (read_seq, unread_count) = listed(&app, &chat, user).await;
        let counted: i64 = sql.query_one(unread, &[&user.id, &read_seq]).await.expect("a count").get(0);
        assert_eq!(unread_count, counted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_members_read_and_only_what_is_there() {
    let app = TestApp::start().await;
    let (_, bob, chat) = app.pair().await;
    let mallory = app.user().await;
    let code = async |chat: &str, user, read| mark(&app, chat, user, read).await.expect_err("refused").code;
    assert_eq!(code(&chat, &mallory, 1).await, ErrorCode::NotFound);
    assert_eq!(code(&Uuid::now_v7().to_string(), &bob, 1).await, ErrorCode::NotFound);
    assert_eq!(code(&chat, &bob, -1).await, ErrorCode::ValidationFailed);
    assert_eq!(code("x", &bob, 1).await, ErrorCode::ValidationFailed);
    assert_eq!(mark(&app, &chat, &bob, 1).await.expect("an empty chat"), MarkReadResponse::default());
}
