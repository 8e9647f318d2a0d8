//! Replies, mentions and formatting.

use neonchat_testbed::client::{Answer, User};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Group, assert_problem};

impl Group {
    async fn post(&self, user: &User, body: Value) -> Answer {
        self.call("POST", user, "/messages", Some(body)).await
    }

    /// Sends a message and returns it.
    async fn posted(&self, user: &User, body: Value) -> Value {
        let sent = self.post(user, body).await;
        assert_eq!(sent.status, 201, "{sent:?}");
        sent.body
    }

    async fn mention_counts<const N: usize>(&self, users: [&User; N]) -> Vec<i64> {
        let mut counts = Vec::new();
        for user in users {
            counts.push(self.get(user, "").await.body["mention_count"].as_i64().expect("read count"));
        }
        counts
    }

    async fn rows_of_mentions(&self) -> i64 {
        let sql = self.app.sql().await;
        sql.query_one("SELECT count(*) FROM mentions", &[]).await.expect("count rows").get(0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mentions_and_replies_are_counted_for_members_until_they_read() {
    let f = Group::start("group").await;
    let stranger = f.app.user().await;
    let first = f.posted(&f.owner, json!({ "text": "first" })).await;
    let text = format!("@{} and @{}, look. @{}", f.other.name, stranger.name, f.member.name);
    let reply = f.posted(&f.member, json!({ "text": text, "reply_to": first["id"], "silent": true })).await;
    assert_eq!(reply["reply_to"], json!({ "id": first["id"], "seq": 1, "sender_id": f.owner.id }));
    assert_eq!(reply["mentions"], json!([f.other.id, f.member.id]), "the stranger is left out");
    assert_eq!((&reply["silent"], reply.get("mention_all"), reply.get("entities")), (&json!(true), None, None));

    let everybody = [&f.owner, &f.admin, &f.member, &f.other];
    assert_eq!(f.mention_counts(everybody).await, [1, 0, 0, 1], "nobody is mentioned by themselves");
    let history = f.get(&f.other, "/messages").await.body["messages"].clone();
    assert_eq!((&history[0]["reply_to"], &history[0]["mentions"]), (&reply["reply_to"], &reply["mentions"]));
    let events = f.get(&f.other, "/events").await.body["events"].clone();
    assert_eq!(events[1]["message"], history[0]);
    f.call("PUT", &f.other, "/receipt", Some(json!({ "read": 2 }))).await;
    assert_eq!(f.mention_counts(everybody).await, [1, 0, 0, 0]);

    f.posted(&f.admin, json!({ "text": "explicit", "mentions": [f.other.id, stranger.id, f.admin.id] })).await;
    let entity = json!([{ "type": "mention", "offset": 0, "length": 2, "user_id": f.other.id }]);
    let formatted = f.posted(&f.admin, json!({ "text": format!("hi @{}", f.owner.name), "entities": entity })).await;
    assert_eq!(formatted["mentions"], json!([f.other.id]), "with entities the text is not searched");
    assert_eq!(f.mention_counts(everybody).await, [1, 0, 0, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_send_is_compared_with_all_that_was_given() {
    let f = Group::start("group").await;
    let first = f.sent(&f.owner, "first").await;
    let request = Uuid::new_v4();
    let text = format!("@{}", f.other.name);
    let body = json!({ "text": text, "reply_to": first, "request_id": request });
    let sent = f.posted(&f.member, body.clone()).await;
    f.kick(&f.other).await;
    let again = f.post(&f.member, body).await;
    assert_eq!((again.status, &again.body["mentions"]), (200, &json!([f.other.id])), "as it was stored: {again:?}");
    assert_eq!((&again.body["id"], &again.body["reply_to"]), (&sent["id"], &sent["reply_to"]));
    for other in [
        json!({ "text": text, "request_id": request }),
        json!({ "text": text, "reply_to": first, "silent": true, "request_id": request }),
        json!({ "text": text, "reply_to": first, "entities": [], "request_id": request }),
    ] {
        assert_problem(&f.post(&f.member, other).await, 422, "idempotency_mismatch", &[]);
    }
    let plain = Uuid::new_v4();
    f.posted(&f.member, json!({ "text": "x", "request_id": plain })).await;
    let richer = f.post(&f.member, json!({ "text": "x", "silent": true, "request_id": plain })).await;
    assert_problem(&richer, 422, "idempotency_mismatch", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn reply_to_what_the_sender_does_not_see_is_a_plain_message() {
    let f = Group::start("group").await;
    let (elsewhere, deleted) = (Group::start("group").await, f.sent(&f.owner, "gone").await);
    let foreign = elsewhere.sent(&elsewhere.owner, "x").await;
    f.delete(&f.owner, &[&deleted]).await;
    for unknown in [foreign, deleted, Uuid::now_v7().to_string()] {
        let sent = f.posted(&f.member, json!({ "text": "x", "reply_to": unknown })).await;
        assert_eq!(sent.get("reply_to"), None);
    }
    assert_eq!(f.rows_of_mentions().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_mentioned_by_right_and_rarely() {
    let f = Group::start_with("group", &[("RATE_LIMIT_PER_MINUTE", "1000")]).await;
    let by_member = f.posted(&f.member, json!({ "text": "@all" })).await;
    assert_eq!(by_member.get("mention_all"), None);
    let request = Uuid::new_v4();
    let by_admin = f.posted(&f.admin, json!({ "text": "@all!", "request_id": request })).await;
    assert_eq!((&by_admin["mention_all"], by_admin.get("mentions")), (&json!(true), None));
    assert_eq!(f.mention_counts([&f.owner, &f.admin, &f.member, &f.other]).await, [1, 0, 1, 1]);
    let again = f.post(&f.admin, json!({ "text": "@all!", "request_id": request })).await;
    assert_eq!((again.status, &again.body["mention_all"]), (200, &json!(true)));
    let entities = json!([{ "type": "mention_all", "offset": 0, "length": 1 }]);
    let too_soon = f.posted(&f.owner, json!({ "text": "x", "entities": entities })).await;
    assert_eq!((too_soon.get("mention_all"), too_soon["entities"].as_array().map(Vec::len)), (None, Some(1)));
    f.execute("UPDATE chat_profiles SET all_mentioned_at = all_mentioned_at - interval '10 minutes'").await;
    let later = f.posted(&f.owner, json!({ "text": "x", "entities": entities })).await;
    assert_eq!(later["mention_all"], true);
    assert_eq!(f.rows_of_mentions().await, 2, "a row for all members");

    let unlimited = Group::start_with("channel", &[("RATE_LIMIT_PER_MINUTE", "0")]).await;
    for _ in 0..2 {
        assert_eq!(unlimited.posted(&unlimited.admin, json!({ "text": "@all" })).await["mention_all"], true);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn edit_replaces_formatting_and_mentions_and_deletion_erases_them() {
    let f = Group::start("group").await;
    let first = f.sent(&f.owner, "first").await;
    let bold = json!([{ "type": "bold", "offset": 0, "length": 1 }]);
    let mentions = json!([f.admin.id]);
    let body = json!({ "text": "hello", "entities": bold, "mentions": mentions, "reply_to": first });
    let sent = f.posted(&f.member, body).await;
    let id = sent["id"].as_str().expect("read id");
    let edit = async |body: Value| f.call("PATCH", &f.member, &format!("/messages/{id}"), Some(body)).await.body;

    let same = edit(json!({ "text": "hello", "entities": bold })).await;
    assert_eq!(same["event_seq"], Value::Null, "text and entities are the same: {same}");
    let edited = edit(json!({ "text": format!("@{} @all", f.other.name) })).await;
    assert_eq!((&edited["mentions"], edited.get("entities")), (&json!([f.other.id]), None));
    assert_eq!(
        (&edited["reply_to"], edited.get("mention_all")),
        (&sent["reply_to"], None),
        "an edit mentions no one anew"
    );
    assert_eq!(f.mention_counts([&f.owner, &f.admin, &f.other]).await, [1, 0, 1]);
    let event = f.get(&f.other, "/events?after=2").await.body["events"][0].clone();
    assert_eq!((&event["type"], &event["message"]["mentions"]), (&json!("message_edited"), &json!([f.other.id])));
    let versions = f.get(&f.member, &format!("/messages/{id}/versions")).await.body["versions"].clone();
    assert_eq!((&versions[0]["text"], &versions[0]["entities"]), (&json!("hello"), &bold));

    f.delete(&f.member, &[id]).await;
    let tombstone = f.get(&f.other, "/messages").await.body["messages"][0].clone();
    let mut names: Vec<_> = tombstone.as_object().expect("object").keys().map(String::as_str).collect();
    names.sort_unstable();
    let bare = ["changed_seq", "chat_id", "created_at", "deleted", "id", "sender_id", "seq", "text", "updated_at"];
    assert_eq!(names, bare);
    assert_eq!((f.rows_of_mentions().await, f.mention_counts([&f.owner, &f.other]).await), (0, vec![0, 0]));
    let replies = f.app.sql().await.query_one("SELECT count(*) FROM replies", &[]).await.expect("count rows");
    assert_eq!(replies.get::<_, i64>(0), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_invalid_formatting() {
    let f = Group::start("group").await;
    let link = |url: &str| json!([{ "type": "link", "offset": 0, "length": 1, "url": url }]);
    let many: Vec<_> = (0..51).map(|_| Uuid::new_v4()).collect();
    for (body, field, code) in [
        (json!({ "text": "x", "entities": link("javascript:x") }), "entities", "url"),
        (json!({ "text": "😀", "entities": [{ "type": "bold", "offset": 0, "length": 1 }] }), "entities", "range"),
        (json!({ "text": "x", "entities": [{ "type": "blink", "offset": 0, "length": 1 }] }), "entities", "type"),
        (json!({ "text": "x", "mentions": many }), "mentions", "length"),
        (json!({ "text": "x", "mentions": ["x"] }), "mentions", "format"),
        (json!({ "text": "x", "reply_to": "x" }), "reply_to", "format"),
    ] {
        assert_problem(&f.post(&f.member, body).await, 422, "validation_failed", &[(field, code)]);
    }
    let wrong_shape =
        f.post(&f.member, json!({ "text": "x", "entities": [{ "type": "bold", "offset": "0", "length": 1 }] }));
    assert_problem(&wrong_shape.await, 422, "validation_failed", &[("entities[0].offset", "format")]);
    let message = f.sent(&f.member, "x").await;
    let path = format!("/messages/{message}");
    let edited = f.call("PATCH", &f.member, &path, Some(json!({ "text": "y", "entities": link("") }))).await;
    assert_problem(&edited, 422, "validation_failed", &[("entities", "url")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn last_message_in_the_list_has_its_entities() {
    let f = Group::start("group").await;
    let spoiler = json!([{ "type": "spoiler", "offset": 6, "length": 3 }]);
    let mut message = f.posted(&f.owner, json!({ "text": "It is Bob", "entities": spoiler })).await;
    let last_message = async || {
        let list = f.app.get("/api/v1/chats", &f.member).await.body["chats"][0]["last_message"].clone();
        assert_eq!(f.get(&f.member, "").await.body["last_message"], list);
        list
    };
    let expected = json!({
        "id": message["id"].take(), "seq": 1, "text": "It is Bob", "entities": spoiler, "sender_id": f.owner.id,
        "created_at": message["created_at"],
    });
    assert_eq!(last_message().await, expected);

    let path = format!("/messages/{}", expected["id"].as_str().expect("id as string"));
    let edited = f.call("PATCH", &f.owner, &path, Some(json!({ "text": "It is nobody" }))).await;
    assert_eq!(edited.status, 200, "{edited:?}");
    let last = last_message().await;
    assert_eq!((&last["text"], last.get("entities")), (&json!("It is nobody"), None), "{last}");
    f.posted(&f.owner, json!({ "text": format!("hi @{}", f.member.name) })).await;
    assert_eq!(last_message().await.get("entities"), None, "what else a message has is not in the list");
}
