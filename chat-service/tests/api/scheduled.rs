//! Messages that are sent later.

mod sending;

use chrono::{DateTime, TimeDelta, Utc};
use neonchat_testbed::{
    client::{Answer, User},
    harness::until,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{TestApp, assert_problem};

/// Lets tests schedule messages for the next moment.
const SOON: [(&str, &str); 1] = [("SCHEDULE_MIN", "0s")];

/// Returns the time after this number of milliseconds.
fn ahead(ms: i64) -> DateTime<Utc> {
    Utc::now() + TimeDelta::milliseconds(ms)
}

impl TestApp {
    async fn schedule(&self, chat: &str, sender: &User, body: Value) -> Answer {
        self.post(&format!("/api/v1/chats/{chat}/messages"), sender, &body).await
    }

    async fn scheduled(&self, chat: &str, user: &User) -> Answer {
        self.get(&format!("/api/v1/chats/{chat}/scheduled"), user).await
    }

    async fn call_scheduled(&self, method: &str, chat: &str, user: &User, id: &Value, body: Option<Value>) -> Answer {
        let path = format!("/api/v1/chats/{chat}/scheduled/{}", id.as_str().expect("id as string"));
        self.api.call(method, &path, Some(&user.token), body.as_ref()).await.expect("call API")
    }

    /// Returns the messages of a chat, the oldest first.
    async fn history(&self, chat: &str, user: &User) -> Vec<Value> {
        let answer = self.get(&format!("/api/v1/chats/{chat}/messages?limit=200"), user).await;
        let mut messages = answer.body["messages"].as_array().unwrap_or_else(|| panic!("{answer:?}")).clone();
        messages.reverse();
        messages
    }

    async fn until_sent(&self, chat: &str, user: &User, count: usize) -> Vec<Value> {
        until("the messages are sent", async || self.history(chat, user).await.len() >= count).await;
        self.history(chat, user).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn is_sent_at_its_time_with_all_that_was_given() {
    let app = TestApp::start_with(&SOON).await;
    let (alice, bob, chat) = app.pair().await;
    let answered = app.send(&chat, &bob, "question").await.message_id;
    let (send_at, request) = (ahead(1500), Uuid::new_v4());
    let body = json!({
        "text": "answer", "send_at": send_at, "request_id": request, "reply_to": answered, "silent": true,
        "mentions": [bob.id], "entities": [{ "type": "bold", "offset": 0, "length": 6 }],
    });
    let scheduled = app.schedule(&chat, &alice, body.clone()).await;
    assert_eq!((scheduled.status, &scheduled.body["duplicate"]), (202, &json!(false)), "{scheduled:?}");
    let id = scheduled.body["scheduled_id"].clone();
    let list = app.scheduled(&chat, &alice).await.body;
    let item = &list["scheduled"][0];
    assert_eq!((&item["id"], &item["text"], &item["reply_to"]), (&id, &json!("answer"), &json!(answered)), "{list}");
    assert_eq!((&item["send_at"], &list["next"]), (&scheduled.body["send_at"], &json!(null)));
    assert_eq!(app.scheduled(&chat, &bob).await.body["scheduled"], json!([]), "of another user");

    // The same request is one message, before and after it is sent. One without a time is another one.
    let again = app.schedule(&chat, &alice, body.clone()).await;
    assert_eq!((again.status, &again.body["scheduled_id"], &again.body["duplicate"]), (200, &id, &json!(true)));
    let now = |body: &Value| {
        let mut body = body.clone();
        body.as_object_mut().expect("an object").remove("send_at");
        body
    };
    let mut later = body.clone();
    later["send_at"] = json!(ahead(60_000));
    for other in [now(&body), later] {
        assert_problem(&app.schedule(&chat, &alice, other).await, 422, "idempotency_mismatch", &[]);
    }
    let messages = app.until_sent(&chat, &alice, 2).await;
    let sent = &messages[1];
    let created_at: DateTime<Utc> = sent["created_at"].as_str().expect("time").parse().expect("parse time");
    assert!((TimeDelta::zero()..TimeDelta::seconds(2)).contains(&(created_at - send_at)), "{created_at} {send_at}");
    assert_eq!(
        (&sent["text"], &sent["silent"], &sent["request_id"]),
        (&json!("answer"), &json!(true), &json!(request))
    );
    assert_eq!((&sent["reply_to"]["id"], &sent["mentions"]), (&json!(answered), &json!([bob.id])));
    assert_eq!(sent["entities"], body["entities"]);
    let chat_of = async |user: &User| app.get(&format!("/api/v1/chats/{chat}"), user).await.body;
    assert_eq!(chat_of(&alice).await["unread_count"], 1, "it does not read the chat for its sender");
    assert_eq!(chat_of(&bob).await["unread_count"], 1);
    until("the row is deleted", async || app.scheduled(&chat, &alice).await.body["scheduled"] == json!([])).await;
    let again = app.schedule(&chat, &alice, body.clone()).await;
    assert_eq!(
        (again.status, &again.body["id"], &again.body["duplicate"]),
        (200, &sent["id"], &json!(true)),
        "{again:?}"
    );
    assert_problem(&app.schedule(&chat, &alice, now(&body)).await, 422, "idempotency_mismatch", &[]);
    // The other way round.
    let body = json!({ "text": "x", "request_id": Uuid::new_v4() });
    assert_eq!(app.schedule(&chat, &alice, body.clone()).await.status, 201);
    let mut later = body;
    later["send_at"] = json!(ahead(60_000));
    assert_problem(&app.schedule(&chat, &alice, later).await, 422, "idempotency_mismatch", &[]);
    assert_eq!(app.history(&chat, &alice).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_bad_times_strangers_and_too_many() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.pair().await;
    let stranger = app.user().await;
    let body = |send_at: Value| json!({ "text": "x", "send_at": send_at });
    for (send_at, code) in [
        (json!(ahead(5_000)), "range"),
        (json!(ahead(-5_000)), "range"),
        (json!(ahead(367 * 86_400_000)), "range"),
        (json!("tomorrow"), "format"),
    ] {
        let refused = app.schedule(&chat, &alice, body(send_at)).await;
        assert_problem(&refused, 422, "validation_failed", &[("send_at", code)]);
    }
    let in_time = || body(json!(ahead(60_000)));
    assert_problem(&app.schedule(&chat, &stranger, in_time()).await, 404, "not_found", &[]);
    assert_problem(&app.scheduled(&chat, &stranger).await, 404, "not_found", &[]);
    for _ in 0..100 {
        assert_eq!(app.schedule(&chat, &alice, in_time()).await.status, 202);
    }
    let refused = app.schedule(&chat, &alice, in_time()).await;
    assert_problem(&refused, 409, "limit_reached", &[]);
    assert_eq!((&refused.body["limit"], &refused.body["max"]), (&json!("scheduled"), &json!(100)));

    let first = app.get(&format!("/api/v1/chats/{chat}/scheduled?limit=60"), &alice).await.body;
    let next = first["next"].as_str().expect("next as string");
    let second = app.get(&format!("/api/v1/chats/{chat}/scheduled?limit=60&after={next}"), &alice).await.body;
    let ids = [&first, &second].map(|page| page["scheduled"].as_array().expect("array").clone()).concat();
    assert!(ids.is_sorted_by_key(|item| item["send_at"].to_string()), "{ids:?}");
    assert_eq!((ids.len(), &second["next"]), (100, &json!(null)));
    let one = &ids[7]["id"];
    assert_eq!(app.call_scheduled("DELETE", &chat, &alice, one, None).await.status, 204);
    assert_eq!(app.schedule(&chat, &alice, in_time()).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_sender_changes_and_deletes_it_until_it_is_being_sent() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    let body = json!({
        "text": "old", "silent": true, "send_at": ahead(60_000),
        "entities": [{ "type": "bold", "offset": 0, "length": 3 }],
    });
    let id = app.schedule(&chat, &alice, body).await.body["scheduled_id"].clone();
    let send_at = ahead(120_000);
    let changed =
        app.call_scheduled("PATCH", &chat, &alice, &id, Some(json!({ "text": "new", "send_at": send_at }))).await;
    assert_eq!((changed.status, &changed.body["text"], &changed.body["silent"]), (200, &json!("new"), &json!(true)));
    assert_eq!(changed.body.get("entities"), None, "they were those of the old text");
    assert_eq!(app.scheduled(&chat, &alice).await.body["scheduled"], json!([changed.body]));
    for (bad, field, code) in [
        (json!({ "text": "" }), "text", "length"),
        (json!({ "send_at": ahead(5_000) }), "send_at", "range"),
        (json!({ "entities": [] }), "text", "required"),
    ] {
        let refused = app.call_scheduled("PATCH", &chat, &alice, &id, Some(bad)).await;
        assert_problem(&refused, 422, "validation_failed", &[(field, code)]);
    }
    let refused = async |user: &User| {
        for (method, body) in [("PATCH", Some(json!({ "text": "x" }))), ("DELETE", None)] {
            assert_problem(&app.call_scheduled(method, &chat, user, &id, body).await, 404, "not_found", &[]);
        }
    };
    refused(&bob).await;
    refused(&app.user().await).await;
    // An instance that dies may have stored it, so nobody changes it before it is settled.
    let sql = app.sql().await;
    sql.batch_execute("UPDATE scheduled_messages SET is_claimed = TRUE").await.expect("claim message");
    refused(&alice).await;
    assert_eq!(app.scheduled(&chat, &alice).await.body["scheduled"], json!([]));
    sql.batch_execute("UPDATE scheduled_messages SET is_claimed = FALSE").await.expect("release message");
    assert_eq!(app.call_scheduled("DELETE", &chat, &alice, &id, None).await.status, 204);
    refused(&alice).await;
}
