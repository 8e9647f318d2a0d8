//! Storing messages: once, in one order, and atomically.

use std::collections::HashSet;

use futures_util::future::join_all;
use neonchat_common::error::{ApiError, ErrorCode};
use neonchat_proto::chat::v1::{ValidateAndStoreMessageRequest, store_message_result::Result as Outcome};
use neonchat_testbed::client::User;
use uuid::Uuid;

use crate::support::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_sends_get_consecutive_seqs() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    let senders = (0..64).map(|n| if n % 2 == 0 { &alice } else { &bob });
    let mut sent = join_all(senders.map(|sender| app.send(&chat, sender, "hello"))).await;

    sent.sort_by_key(|message| message.seq);
    assert_eq!(sent.iter().map(|message| message.seq).collect::<Vec<_>>(), (1..=64).collect::<Vec<_>>());
    assert!(sent.is_sorted_by(|a, b| a.created_at_micros < b.created_at_micros));
    assert!(sent.iter().all(|message| message.success && !message.duplicate));

    let history = app.get(&format!("/api/v1/chats/{chat}/messages?limit=200"), &alice).await.body;
    let stored: Vec<_> = history["messages"].as_array().expect("array of messages").iter().rev().collect();
    let ids: Vec<_> = stored.iter().map(|message| message["id"].as_str().expect("id as string")).collect();
    assert_eq!(ids, sent.iter().map(|message| message.message_id.as_str()).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_send_gets_the_first_answer() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    let request = Uuid::new_v4();
    let first = app.send_again(&chat, &alice, "hello", request).await.expect("send message");
    app.send(&chat, &bob, "something between").await;

    let mut again = app.send_again(&chat, &alice, "hello", request).await.expect("repeat send");
    assert!(again.duplicate);
    again.duplicate = false;
    assert_eq!(again, first);
    // The duplicate has no `seq` of its own, and the `request_id` belongs to its sender.
    assert_eq!(app.send_again(&chat, &bob, "hello", request).await.expect("another").seq, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_repeats_store_one_message() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.pair().await;
    let request = Uuid::new_v4();
    let sent = join_all((0..8).map(|_| app.send_again(&chat, &alice, "hello", request))).await;
    let sent: Vec<_> = sent.into_iter().map(|sent| sent.expect("get answer")).collect();
    assert_eq!(sent.iter().filter(|sent| !sent.duplicate).count(), 1);
    let answers: HashSet<_> = sent.iter().map(|sent| (&sent.message_id, sent.seq, sent.created_at_micros)).collect();
    assert_eq!(answers.len(), 1);
    assert_eq!(app.send(&chat, &alice, "next").await.seq, 2);
}

fn code<T>(result: Result<T, ApiError>) -> Option<ErrorCode> {
    result.err().map(|error| error.code)
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_request_id_with_other_content_or_chat() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.pair().await;
    let other = app.api.chat(&alice, &app.user().await).await.expect("open chat");
    let request = Uuid::new_v4();
    app.send_again(&chat, &alice, "hello", request).await.expect("send message");

    let mismatch = Some(ErrorCode::IdempotencyMismatch);
    assert_eq!(code(app.send_again(&chat, &alice, "hello!", request).await), mismatch);
    assert_eq!(code(app.send_again(&other, &alice, "hello", request).await), mismatch);
    // A refused message uses no `seq`.
    assert_eq!(app.send(&chat, &alice, "next").await.seq, 2);
    assert_eq!(app.send(&other, &alice, "first").await.seq, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_sends_of_a_request_id_to_many_chats_store_one_message() {
    let app = TestApp::start().await;
    let alice = app.user().await;
    let mut chats = Vec::new();
    for _ in 0..4 {
        chats.push(app.api.chat(&alice, &app.user().await).await.expect("open chat"));
    }
    let request = Uuid::new_v4();
    let sent = join_all(chats.iter().map(|chat| app.send_again(chat, &alice, "hello", request))).await;
    let (stored, refused): (Vec<_>, Vec<_>) = sent.into_iter().partition(Result::is_ok);
    assert_eq!(stored.len(), 1);
    assert!(refused.into_iter().all(|refused| code(refused) == Some(ErrorCode::IdempotencyMismatch)));
    let seqs = join_all(chats.iter().map(|chat| app.send(chat, &alice, "next"))).await;
    let mut seqs: Vec<_> = seqs.iter().map(|sent| sent.seq).collect();
    seqs.sort_unstable();
    assert_eq!(seqs, [1, 1, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn message_times_ascend_after_the_clock_went_back() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.pair().await;
    app.send(&chat, &alice, "one").await;
    let sql = app.sql().await;
    let ahead = "UPDATE chats SET last_event_at = last_event_at + interval '1 hour' RETURNING \
                 (extract(epoch FROM last_event_at) * 1000000)::bigint";
    let last: i64 = sql.query_one(ahead, &[]).await.expect("chat in answer").get(0);
    for n in 1..=2 {
        assert_eq!(app.send(&chat, &alice, "later").await.created_at_micros, last + n);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn send_to_a_foreign_chat_reveals_nothing() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.pair().await;
    let mallory = app.user().await;
    let request = Uuid::new_v4();
    app.send_again(&chat, &alice, "hello", request).await.expect("send message");
    let foreign = app.send_again(&chat, &mallory, "hello", request).await.expect_err("refuse request");
    let unknown =
        app.send_again(&Uuid::now_v7().to_string(), &mallory, "hello", request).await.expect_err("refuse request");
    assert_eq!((foreign.code, &foreign.detail), (ErrorCode::NotFound, &unknown.detail));
    assert_eq!(unknown.code, ErrorCode::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_invalid_fields_of_a_send() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.pair().await;
    let good = ValidateAndStoreMessageRequest {
        chat_id: chat.clone(),
        sender_id: alice.id.clone(),
        text: "😀".repeat(4096),
        request_id: Uuid::new_v4().to_string(),
        traceparent: None,
        extra_json: String::new(),
    };
    let send = async |message: ValidateAndStoreMessageRequest| {
        app.chat_service().validate_and_store_message(app.grpc.request(message)).await.map_err(ApiError::from)
    };
    let bad = |change: fn(&mut ValidateAndStoreMessageRequest)| {
        let mut message = good.clone();
        change(&mut message);
        message
    };
    let cases = [
        (bad(|message| message.chat_id.clear()), "chat_id: should be a UUID"),
        (bad(|message| message.sender_id = "alice".to_owned()), "sender_id: should be a UUID"),
        (bad(|message| message.request_id.clear()), "request_id: should be a UUID"),
        (bad(|message| message.text.clear()), "text: should have at least 1 character"),
        (bad(|message| message.text = " \u{3164}".to_owned()), "text: should have at least one visible character"),
        (bad(|message| message.text.push('!')), "text: should have at most 4096 characters"),
        (bad(|message| message.text = "a\0b".to_owned()), "text: cannot contain the character U+0000"),
    ];
    for (message, detail) in cases {
        let error = send(message).await.expect_err("refuse request");
        assert_eq!((error.code, error.detail.as_ref()), (ErrorCode::ValidationFailed, detail));
    }
    assert_eq!(send(good).await.expect("send message").into_inner().seq, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_has_an_outcome_for_each_message_and_keeps_order() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    let mallory = app.user().await;
    let other = app.api.chat(&alice, &mallory).await.expect("open chat");
    let known = Uuid::new_v4();
    app.send_again(&chat, &alice, "before", known).await.expect("send message");
    let message = |chat_id: &str, sender: &User, text: &str, request: Uuid| ValidateAndStoreMessageRequest {
        chat_id: chat_id.to_owned(),
        sender_id: sender.id.clone(),
        text: text.to_owned(),
        request_id: request.to_string(),
        traceparent: None,
        extra_json: String::new(),
    };
    let [one, two, three, four, five] = [(); 5].map(|()| Uuid::new_v4());
    let messages = vec![
        message(&chat, &alice, "one", one),
        message(&chat, &bob, "two", two),
        message(&chat, &mallory, "no member", three),
        message(&chat, &alice, "", four),
        message(&chat, &alice, "before", known),
        message(&chat, &alice, "another content", known),
        message(&chat, &alice, "one", one),
        message(&chat, &alice, "not one", one),
        message(&other, &alice, "elsewhere", four),
        message(&chat, &bob, "three", five),
    ];
    let answer = app.store_messages(messages).await.expect("get answer");
    let results: Vec<_> = answer.into_iter().map(|result| result.result.expect("get result")).collect();
    let summary = |result: &Outcome| match result {
        Outcome::Stored(stored) => format!("{}{}", stored.seq, if stored.duplicate { " again" } else { "" }),
        Outcome::Refused(refusal) => refusal.code.clone(),
    };
    assert_eq!(
        results.iter().map(summary).collect::<Vec<_>>(),
        [
            "2",
            "3",
            "not_found",
            "validation_failed",
            "1 again",
            "idempotency_mismatch",
            "2 again",
            "idempotency_mismatch",
            "1",
            "4"
        ]
    );
    let history = app.get(&format!("/api/v1/chats/{chat}/messages"), &alice).await.body;
    let stored = history["messages"].as_array().expect("array of messages");
    let stored: Vec<_> = stored.iter().rev().map(|message| (&message["id"], &message["text"])).collect();
    assert_eq!(stored.iter().map(|(_, text)| *text).collect::<Vec<_>>(), ["before", "one", "two", "three"]);
    for (place, seq) in [(0, 2), (1, 3), (6, 2), (9, 4)] {
        let Outcome::Stored(result) = &results[place] else { panic!("{:?}", results[place]) };
        assert_eq!(stored[seq - 1].0, result.message_id.as_str());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_batches_that_are_too_large() {
    let app = TestApp::start().await;
    assert_eq!(app.store_messages(Vec::new()).await.expect("get answer"), []);
    let refused = app.store_messages(vec![ValidateAndStoreMessageRequest::default(); 1001]).await;
    assert_eq!(code(refused), Some(ErrorCode::ValidationFailed));
}
