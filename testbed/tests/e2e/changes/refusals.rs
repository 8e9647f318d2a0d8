//! Refused changes: the same code and reason over REST and WebSocket, and no event.

use neonchat_testbed::{
    client::{Socket, User, text},
    harness::until,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Change, Kind, Stage};

/// The longest text, in characters.
const MAX_TEXT: usize = 4096;

impl Stage {
    /// Makes the change over both transports. Both must refuse it with this status, code and reason.
    async fn is_refused(&self, user: &User, socket: &mut Socket, change: &Change, expected: (u16, &str, Option<&str>)) {
        let answer = self.change(user, change).await;
        let frame = self.change_over(socket, change).await;
        let (status, code, reason) = expected;
        assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{answer:?}");
        assert_eq!((&frame["type"], &frame["code"]), (&json!("error"), &json!(code)), "{frame}");
        assert_eq!([&answer.body["reason"], &frame["reason"]], [&json!(reason); 2], "{frame}");
        assert_eq!(frame["retryable"], false, "{frame}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_transports_refuse_with_the_same_code() {
    let stage = Stage::start(&[]).await;
    let Stage { alice, bob, .. } = &stage;
    let carol = stage.running.system.api().any_user().await.expect("register user");
    let message = stage.send(alice, "sent").await;
    let (mut alices, mut bobs, mut carols) =
        (stage.open(0, alice).await, stage.open(1, bob).await, stage.open(0, &carol).await);
    for change in [Change::edit(&message, "x"), Change::delete(&[&message])] {
        stage.is_refused(bob, &mut bobs, &change, (403, "forbidden", Some("author"))).await;
        // A stranger does not learn whether there is such a chat.
        stage.is_refused(&carol, &mut carols, &change, (404, "not_found", None)).await;
    }
    let unknown = Uuid::new_v4().to_string();
    let invalid = (422, "validation_failed", None);
    for (change, expected) in [
        (Change::edit(&unknown, "x"), (404, "not_found", None)),
        (Change::edit(&message, &"x".repeat(MAX_TEXT + 1)), invalid),
        (Change::edit(&message, " \n"), invalid),
        (Change::delete(&[]), invalid),
        (Change::delete(&vec![unknown.as_str(); 101]), invalid),
    ] {
        stage.is_refused(alice, &mut alices, &change, expected).await;
    }
    // Characters count, not bytes.
    let longest = "я".repeat(MAX_TEXT);
    let edited = stage.change(alice, &Change::edit(&message, &longest)).await;
    assert_eq!((edited.status, &edited.body["event_seq"]), (200, &json!(2)));
    alices.expect_beside_presence("message_edited").await.expect("receive event");

    let stored = Change::edit(&message, "stored");
    assert_eq!(stage.change_over(&mut alices, &stored).await["seq"], 3);
    let Kind::Edit { message, .. } = &stored.kind else { panic!("an edit") };
    let request_id = stored.request_id;
    let reused = [Change::edit(message, "another text"), Change::delete(&[message])];
    for change in reused.map(|change| Change { request_id, ..change }) {
        stage.is_refused(alice, &mut alices, &change, (422, "idempotency_mismatch", None)).await;
    }
    // Each request names the change that it expects.
    let conditional = async |seq: i64| {
        let body = json!({ "text": format!("after {seq}"), "if_changed_seq": seq });
        stage.call("PATCH", &format!("/messages/{message}"), alice, Some(&body)).await
    };
    let outdated = conditional(2).await;
    assert_eq!((outdated.status, &outdated.body["code"]), (409, &json!("changed_since")));
    assert_eq!(conditional(3).await.body["event_seq"], 4, "no refused change took a number");
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_edit_after_the_window_but_not_deletion() {
    let stage = Stage::start(&[("EDIT_WINDOW", "1ms")]).await;
    let alice = &stage.alice;
    let message = stage.send(alice, "sent").await;
    let edit = async || stage.change(alice, &Change::edit(&message, &Uuid::new_v4().to_string())).await;
    until("the window has closed", async || edit().await.status == 403).await;
    let mut alices = stage.open(0, alice).await;
    let late = Change::edit(&message, "late");
    stage.is_refused(alice, &mut alices, &late, (403, "forbidden", Some("window"))).await;
    assert!(stage.change_over(&mut alices, &Change::delete(&[&message])).await["seq"].is_i64());
}

/// A deployment starts the new versions with `EVENTS=off`, so that old instances get no events that they do not know.
#[tokio::test(flavor = "multi_thread")]
async fn refuses_changes_while_events_are_off() {
    let stage = Stage::start(&[("EVENTS", "off")]).await;
    let Stage { alice, bob, chat, .. } = &stage;
    let (mut alices, mut bobs) = (stage.open(0, alice).await, stage.open(1, bob).await);
    let ack = alices.send_message(chat, "sent").await.expect("receive ack");
    let message = text(&ack["message_id"]).expect("find ID");
    for change in [Change::edit(&message, "x"), Change::delete(&[&message])] {
        stage.is_refused(alice, &mut alices, &change, (403, "forbidden", Some("disabled"))).await;
    }
    // Messages are sent as before.
    alices.send_message(chat, "next").await.expect("receive ack");
    for seq in [1, 2] {
        let frame = bobs.expect_beside_presence("new_message").await.expect("receive message");
        assert_eq!(frame["seq"], seq);
    }
    let texts: Vec<Value> = stage.get("/messages", bob).await["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .map(|message| message["text"].clone())
        .collect();
    assert_eq!(texts, ["next", "sent"]);
}
