//! Drafts, and the beginning of the history.

use futures_util::future::join_all;
use neonchat_common::error::{ApiError, ErrorCode};
use neonchat_proto::chat::v1::{SetDraftRequest, SetDraftResponse};
use neonchat_testbed::client::{Answer, User};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{listen, next_frame};
use crate::support::{Fields, TestApp, assert_problem};

async fn put(app: &TestApp, user: &User, chat: &str, draft: Value) -> Answer {
    app.put(&format!("/api/v1/chats/{chat}/draft"), user, &draft).await
}

#[tokio::test(flavor = "multi_thread")]
async fn draft_is_kept_for_its_author_until_it_is_empty() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    let reply_to = Uuid::now_v7();
    let longest = "я".repeat(4096);
    let mut last = String::new();
    for draft in [json!({ "text": "hel" }), json!({ "text": "hel", "reply_to": reply_to }), json!({ "text": longest })]
    {
        let stored = put(&app, &alice, &chat, draft.clone()).await;
        let updated_at = stored.body["updated_at"].as_str().expect("time as string").to_owned();
        assert!(updated_at > last, "the last write is the latest");
        last = updated_at;
        let mut expected = draft.clone();
        expected["updated_at"] = json!(last);
        assert_eq!((stored.status, &stored.body), (200, &expected));
        let again = put(&app, &alice, &chat, draft).await;
        assert_eq!(again.body, expected, "nothing changes");
        app.send(&chat, &alice, "sending does not delete it").await;
        assert_eq!(app.item(&alice, &chat).await["draft"], expected);
        assert_eq!(app.item(&bob, &chat).await["draft"], Value::Null);
    }
    for _ in 0..2 {
        let gone = put(&app, &alice, &chat, json!({ "text": "", "reply_to": reply_to })).await;
        assert_eq!((gone.status, &gone.body["text"], gone.body.get("reply_to")), (200, &json!(""), None));
        assert_eq!(app.item(&alice, &chat).await["draft"], Value::Null);
    }
    let never = put(&app, &bob, &chat, json!({ "text": "" })).await;
    assert_eq!(never.status, 200);
    let rows = app.sql().await.query_one("SELECT count(*) FROM chat_prefs", &[]).await.expect("count rows");
    assert_eq!(rows.get::<_, i64>(0), 1, "no row without a reason");
}

#[tokio::test(flavor = "multi_thread")]
async fn draft_leaves_the_other_settings_alone() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.pair().await;
    app.set_to(&alice, &chat, json!({ "pin_place": 3 })).await;
    put(&app, &alice, &chat, json!({ "text": "hello" })).await;
    let item = app.set_to(&alice, &chat, json!({ "level": "none" })).await;
    assert_eq!(json!([item["pin_place"], item["level"], item["draft"]["text"]]), json!([3, "none", "hello"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_of_the_author_learn_of_another_draft() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.pair().await;
    let mut listener = listen(&app, &alice).await;
    let reply_to = Uuid::now_v7();
    let draft = json!({ "text": "hello", "reply_to": reply_to });
    let stored = put(&app, &alice, &chat, draft.clone()).await.body;
    put(&app, &alice, &chat, draft).await;
    let gone = put(&app, &alice, &chat, json!({ "text": "" })).await.body;
    let (first, second) = (&stored["updated_at"], &gone["updated_at"]);
    let expected = [
        json!({ "type": "draft", "chat_id": chat, "text": "hello", "reply_to": reply_to, "updated_at": first }),
        json!({ "type": "draft", "chat_id": chat, "text": "", "updated_at": second }),
    ];
    for frame in expected {
        assert_eq!(next_frame(&mut listener).await, (frame, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_invalid_drafts() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.pair().await;
    let cases: [(Value, Fields<'_>); 5] = [
        (json!({}), &[("text", "required")]),
        (json!({ "text": null }), &[("text", "format")]),
        (json!({ "text": "x".repeat(4097) }), &[("text", "length")]),
        (json!({ "text": "a\0" }), &[("text", "format")]),
        (json!({ "text": "a", "reply_to": "x" }), &[("reply_to", "format")]),
    ];
    for (draft, fields) in cases {
        assert_problem(&put(&app, &alice, &chat, draft).await, 422, "validation_failed", fields);
    }
    assert_eq!(app.item(&alice, &chat).await["draft"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn notification_service_stores_drafts() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.pair().await;
    let set = async |chat: &str, user: &User, text: &str| {
        let request = SetDraftRequest {
            chat_id: chat.to_owned(),
            user_id: user.id.clone(),
            text: text.to_owned(),
            reply_to: String::new(),
        };
        let answer = app.chat_service().set_draft(app.grpc.request(request)).await.map_err(ApiError::from)?;
        Ok::<SetDraftResponse, ApiError>(answer.into_inner())
    };
    let stored = set(&chat, &alice, "hello").await.expect("store draft");
    assert!(stored.changed);
    let again = set(&chat, &alice, "hello").await.expect("store draft");
    assert_eq!(again, SetDraftResponse { changed: false, ..stored });
    assert_eq!(app.item(&alice, &chat).await["draft"]["text"], "hello");
    let code = |refused: Result<SetDraftResponse, ApiError>| refused.expect_err("refuse draft").code;
    assert_eq!(code(set(&chat, &app.user().await, "hello").await), ErrorCode::NotFound);
    assert_eq!(code(set(&chat, &alice, &"x".repeat(4097)).await), ErrorCode::ValidationFailed);
}

#[tokio::test(flavor = "multi_thread")]
async fn cleared_history_does_not_exist_for_the_member_alone() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    let mut listener = listen(&app, &bob).await;
    for text in ["one", "two", "three", "four"] {
        app.send(&chat, &alice, text).await;
    }
    let clear =
        async |upto: i64| app.post(&format!("/api/v1/chats/{chat}/clear"), &bob, &json!({ "upto": upto })).await;
    let texts = async |user: &User| {
        let page = app.get(&format!("/api/v1/chats/{chat}/messages"), user).await.body;
        page["messages"].as_array().expect("array of messages").iter().map(|message| message["text"].clone()).collect()
    };
    for (upto, first_seq, unread_count) in [(0, 1, 4), (2, 3, 2), (1, 3, 2), (2, 3, 2), (99, 5, 0)] {
        let cleared = clear(upto).await;
        let expected = json!({ "first_seq": first_seq, "unread_count": unread_count });
        assert_eq!((cleared.status, cleared.body), (200, expected), "{upto}");
        let item = app.item(&bob, &chat).await;
        assert_eq!((&item["first_seq"], &item["unread_count"]), (&json!(first_seq), &json!(unread_count)));
        let shown: Vec<Value> = texts(&bob).await;
        let expected: Vec<_> =
            ["four", "three", "two", "one"].iter().take(5 - first_seq).map(|text| json!(text)).collect();
        assert_eq!(shown, expected, "{upto}");
    }
    assert_eq!(app.item(&bob, &chat).await["last_message"], Value::Null);
    let events = app.get(&format!("/api/v1/chats/{chat}/events?after=0"), &bob).await.body;
    assert_eq!((&events["events"], &events["first_seq"]), (&json!([]), &json!(5)));
    assert_eq!(texts(&alice).await.len(), 4);
    // Each change is announced once, with the settings.
    for first_seq in [3, 5] {
        let (frame, from_seq) = next_frame(&mut listener).await;
        assert_eq!((&frame["type"], &frame["first_seq"]), (&json!("chat_settings"), &json!(first_seq)));
        assert_eq!(from_seq, Some(first_seq - 1));
    }
    let cases: [(Value, Fields<'_>); 3] = [
        (json!({}), &[("upto", "required")]),
        (json!({ "upto": -1 }), &[("upto", "range")]),
        (json!({ "upto": "1" }), &[("upto", "format")]),
    ];
    for (body, fields) in cases {
        let refused = app.post(&format!("/api/v1/chats/{chat}/clear"), &bob, &body).await;
        assert_problem(&refused, 422, "validation_failed", fields);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn history_can_be_read_while_it_is_cleared() {
    let app = TestApp::start().await;
    let alice = app.user().await;
    let group = app.post("/api/v1/chats", &alice, &json!({ "type": "group", "title": "Team" })).await.body;
    let chat = group["id"].as_str().expect("id as string");
    for _ in 0..20 {
        app.send(chat, &alice, "hello").await;
    }
    let clearing = async {
        for upto in 1..=20 {
            let cleared = app.post(&format!("/api/v1/chats/{chat}/clear"), &alice, &json!({ "upto": upto })).await;
            assert_eq!(cleared.body["first_seq"], upto + 1, "{cleared:?}");
        }
    };
    let history = format!("/api/v1/chats/{chat}/messages");
    let reading = join_all((0..60).map(|_| app.get(&history, &alice)));
    let ((), pages) = tokio::join!(clearing, reading);
    for page in pages {
        assert_eq!(page.status, 200, "{page:?}");
    }
}
