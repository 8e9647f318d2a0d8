//! Catch-up over REST: events of a chat after a `seq`.

use neonchat_testbed::client::Answer;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Fields, TestApp, assert_problem};

fn path(chat: impl std::fmt::Display, query: &str) -> String {
    format!("/api/v1/chats/{chat}/events?{query}")
}

/// Returns the `seq`s of a page of events, the head, and whether more follow.
fn page(answer: &Answer) -> (Vec<i64>, i64, bool) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let events = answer.body["events"].as_array().expect("array of events");
    let seqs = events.iter().map(|event| event["seq"].as_i64().expect("seq as integer")).collect();
    let head = answer.body["head_seq"].as_i64().expect("seq as integer");
    (seqs, head, answer.body["has_more"].as_bool().expect("flag as boolean"))
}

#[tokio::test(flavor = "multi_thread")]
async fn event_contains_the_message_as_in_history() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    app.send(&chat, &alice, "hello").await;
    for user in [&alice, &bob] {
        let message = app.get(&format!("/api/v1/chats/{chat}/messages"), user).await.body["messages"][0].clone();
        assert_eq!((&message["text"], message["request_id"].is_string()), (&json!("hello"), user.id == alice.id));
        let expected = json!({
            "events": [{ "seq": 1, "type": "message", "message": message }],
            "head_seq": 1,
            "first_seq": 1,
            "has_more": false,
        });
        let answer = app.get(&path(&chat, ""), user).await;
        assert_eq!((answer.status, &answer.body), (200, &expected));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_ascend_without_gap_or_overlap() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    let get = async |query: &str| app.get(&path(&chat, query), &bob).await;
    assert_eq!(page(&get("").await), (vec![], 0, false));
    for n in 0..5 {
        app.send(&chat, if n % 2 == 0 { &alice } else { &bob }, "hello").await;
    }
    let cases = [
        ("", vec![1, 2, 3, 4, 5], false),
        ("after=0&limit=1000", vec![1, 2, 3, 4, 5], false),
        ("limit=5", vec![1, 2, 3, 4, 5], false),
        ("limit=2", vec![1, 2], true),
        ("after=2&limit=2", vec![3, 4], true),
        ("after=4&limit=2", vec![5], false),
        ("after=5", vec![], false),
        ("after=9223372036854775807", vec![], false),
    ];
    for (query, seqs, has_more) in cases {
        assert_eq!(page(&get(query).await), (seqs, 5, has_more), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn catches_up_with_many_long_messages_page_by_page() {
    const MESSAGES: i64 = 1300;

    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    let fill = format!(
        "INSERT INTO messages (id, chat_id, seq, sender_id, request_id, text, created_at, updated_at)
         SELECT gen_random_uuid(), '{chat}', seq, '{}', gen_random_uuid(), repeat('я', 4096), now(), now()
           FROM generate_series(1, {MESSAGES}) AS seq;
         UPDATE chats SET last_seq = {MESSAGES};",
        alice.id
    );
    app.sql().await.batch_execute(&fill).await.expect("insert messages");

    let (seqs, ..) = page(&app.get(&path(&chat, ""), &bob).await);
    assert_eq!(seqs, (1..=200).collect::<Vec<_>>());
    let (mut seqs, mut more) = (Vec::new(), true);
    while more {
        let after = seqs.last().copied().unwrap_or(0);
        let (events, head, has_more) = page(&app.get(&path(&chat, &format!("after={after}&limit=1000")), &bob).await);
        // The events are long, so a page has fewer than `limit`, but at least one.
        assert!((1..1000).contains(&events.len()), "{}", events.len());
        assert_eq!((head, has_more), (MESSAGES, events.last() != Some(&MESSAGES)));
        seqs.extend(events);
        more = has_more;
    }
    assert_eq!(seqs, (1..=MESSAGES).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_events_of_foreign_chats_and_invalid_ranges() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    let mallory = app.user().await;
    app.send(&chat, &alice, "hello").await;
    assert_problem(&app.get(&path(&chat, ""), &mallory).await, 404, "not_found", &[]);
    assert_problem(&app.get(&path(Uuid::now_v7(), ""), &bob).await, 404, "not_found", &[]);
    assert_problem(&app.get(&path("x", ""), &bob).await, 422, "validation_failed", &[("id", "format")]);
    let nobody = app.api.call("GET", &path(&chat, ""), None, None).await.expect("call API");
    assert_problem(&nobody, 401, "unauthorized", &[]);

    let cases: [(&str, Fields<'_>); 6] = [
        ("limit=0", &[("limit", "range")]),
        ("limit=1001", &[("limit", "range")]),
        ("after=-1", &[("after", "range")]),
        ("after=9223372036854775808", &[("after", "range")]),
        ("after=x&limit=", &[("after", "range"), ("limit", "range")]),
        ("after=1&after=2", &[("after", "duplicate")]),
    ];
    for (query, fields) in cases {
        assert_problem(&app.get(&path(&chat, query), &bob).await, 422, "validation_failed", fields);
    }
}
