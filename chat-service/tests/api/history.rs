//! Reading the history of a chat in pages.

use neonchat_testbed::client::{Answer, User};
use serde_json::json;

use crate::support::{Fields, TestApp, assert_problem};

/// Creates a chat with messages. Returns it, the ids of the messages in order, and a member.
async fn chat_with(app: &TestApp, messages: usize) -> (User, String, Vec<String>) {
    let (alice, bob, chat) = app.pair().await;
    let mut ids = Vec::new();
    for n in 1..=messages {
        let sender = if n % 2 == 0 { &alice } else { &bob };
        ids.push(app.send(&chat, sender, &format!("message {n}")).await.message_id);
    }
    (alice, chat, ids)
}

fn page(answer: &Answer) -> (Vec<i64>, bool, bool) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let messages = answer.body["messages"].as_array().expect("array of messages");
    let seqs = messages.iter().map(|message| message["seq"].as_i64().expect("seq as integer")).collect();
    let flag = |name: &str| answer.body[name].as_bool().expect("flag as boolean");
    (seqs, flag("has_previous"), flag("has_next"))
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_meet_without_gap_or_overlap() {
    let app = TestApp::start().await;
    let (me, chat, ids) = chat_with(&app, 5).await;
    let get = async |query: String| app.get(&format!("/api/v1/chats/{chat}/messages?{query}"), &me).await;
    let id = |seq: usize| &ids[seq - 1];

    let cases = [
        (String::new(), vec![5, 4, 3, 2, 1], false, false),
        ("limit=5".to_owned(), vec![5, 4, 3, 2, 1], false, false),
        ("limit=4".to_owned(), vec![5, 4, 3, 2], true, false),
        (format!("limit=2&before_id={}", id(4)), vec![3, 2], true, true),
        (format!("limit=3&before_id={}", id(4)), vec![3, 2, 1], false, true),
        (format!("before_id={}", id(1)), vec![], false, true),
        (format!("limit=2&after_id={}", id(2)), vec![4, 3], true, true),
        (format!("limit=3&after_id={}", id(2)), vec![5, 4, 3], true, false),
        (format!("after_id={}", id(5)), vec![], true, false),
    ];
    for (query, seqs, has_previous, has_next) in cases {
        assert_eq!(page(&get(query.clone()).await), (seqs, has_previous, has_next), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn history_shows_message_as_sent() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    let text = " Привет, 😀\n\u{202e}\"quoted\" ".to_owned() + &"я".repeat(4000);
    let sent = app.send(&chat, &alice, &text).await;
    let created_at = neonchat_common::time::rfc3339(
        &neonchat_common::time::from_micros(sent.created_at_micros).expect("time in range"),
    );
    let mut expected = json!({
        "messages": [{
            "id": sent.message_id,
            "chat_id": chat,
            "sender_id": alice.id,
            "text": text,
            "created_at": created_at,
            "updated_at": created_at,
            "seq": 1,
        }],
        "has_previous": false,
        "has_next": false,
        "head_seq": 1,
        "first_seq": 1,
    });
    let history = async |user: &User| app.get(&format!("/api/v1/chats/{chat}/messages"), user).await;
    assert_eq!((history(&bob).await.status, &history(&bob).await.body), (200, &expected));
    // Only the sender sees the idempotency key.
    let mine = history(&alice).await.body;
    expected["messages"][0]["request_id"] = mine["messages"][0]["request_id"].clone();
    assert!(expected["messages"][0]["request_id"].is_string());
    assert_eq!(mine, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_chat_has_an_empty_history() {
    let app = TestApp::start().await;
    let (me, chat, _) = chat_with(&app, 0).await;
    let history = app.get(&format!("/api/v1/chats/{chat}/messages"), &me).await;
    assert_eq!(page(&history), (vec![], false, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_found_by_seq() {
    let app = TestApp::start().await;
    // The messages have the numbers 1 to 6 and 8 to 9. Number 7 is the deletion of message 2, whose tombstone stays.
    let (me, chat, ids) = chat_with(&app, 6).await;
    let path = format!("/api/v1/chats/{chat}/messages");
    let deleted = app.api.call("DELETE", &format!("{path}/{}", ids[1]), Some(&me.token), None).await.expect("delete");
    assert_eq!((deleted.status, &deleted.body["seq"]), (200, &json!(7)), "{deleted:?}");
    for text in ["8", "9"] {
        assert_eq!(app.post(&path, &me, &json!({ "text": text })).await.status, 201);
    }
    for (query, seqs, has_previous, has_next) in [
        ("before_seq=8&limit=2", vec![6, 5], true, true),
        ("before_seq=3", vec![2, 1], false, true),
        ("before_seq=1", vec![], false, true),
        ("before_seq=99&limit=1", vec![9], true, false),
        ("after_seq=6", vec![9, 8], true, false),
        ("after_seq=0&limit=3", vec![3, 2, 1], false, true),
        ("after_seq=9", vec![], true, false),
        ("after_seq=9223372036854775807", vec![], true, false),
        ("around_seq=7&limit=4", vec![9, 8, 6, 5], true, false),
        ("around_seq=5&limit=3", vec![6, 5, 4], true, true),
        ("around_seq=1&limit=4", vec![2, 1], false, true),
        ("around_seq=99&limit=3", vec![9, 8, 6], true, false),
        ("around_seq=4&limit=1", vec![4], true, true),
    ] {
        let found = page(&app.get(&format!("{path}?{query}"), &me).await);
        assert_eq!(found, (seqs, has_previous, has_next), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_invalid_pages() {
    let app = TestApp::start().await;
    let (me, chat, ids) = chat_with(&app, 1).await;
    let (_, _, foreign) = chat_with(&app, 1).await;
    let unknown = uuid::Uuid::now_v7();
    let cases: [(String, Fields<'_>); 12] = [
        ("limit=0".to_owned(), &[("limit", "range")]),
        ("limit=201".to_owned(), &[("limit", "range")]),
        ("before_id=1&limit=x".to_owned(), &[("limit", "range"), ("before_id", "format")]),
        (format!("before_id={0}&after_id={0}", ids[0]), &[("after_id", "exclusive")]),
        (format!("before_id={unknown}"), &[("before_id", "unknown")]),
        (format!("after_id={unknown}"), &[("after_id", "unknown")]),
        (format!("after_id={}", foreign[0]), &[("after_id", "unknown")]),
        ("before_seq=-1".to_owned(), &[("before_seq", "range")]),
        ("after_seq=x".to_owned(), &[("after_seq", "range")]),
        ("around_seq=0".to_owned(), &[("around_seq", "range")]),
        (format!("before_id={}&around_seq=1", ids[0]), &[("around_seq", "exclusive")]),
        ("after_seq=1&before_seq=1".to_owned(), &[("after_seq", "exclusive")]),
    ];
    for (query, fields) in cases {
        let answer = app.get(&format!("/api/v1/chats/{chat}/messages?{query}"), &me).await;
        assert_problem(&answer, 422, "validation_failed", fields);
    }
}
