//! Edits and deletions of messages.

use neonchat_common::{
    bus::{Channel, Envelope, Event},
    ids::SendId,
};
use neonchat_proto::chat::v1::{
    ChangeMessageRequest, ChangeMessagesRequest, DeleteMessages, EditMessage, React,
    change_message_request::Change as WireChange, change_message_result::Result as Outcome,
};
use neonchat_testbed::{
    client::{Answer, User},
    harness::until,
};
use serde_json::{Value, json, value::RawValue};
use uuid::Uuid;

use crate::support::{Listener, TestApp, assert_problem};

/// A chat with one message, and the path of the message.
struct Fixture {
    app: TestApp,
    author: User,
    other: User,
    chat: String,
    message: String,
    path: String,
}

impl Fixture {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let app = TestApp::start_with(settings).await;
        let (author, other, chat) = app.pair().await;
        let message = app.send(&chat, &author, "first").await.message_id;
        let path = format!("/api/v1/chats/{chat}/messages/{message}");
        Self { app, author, other, chat, message, path }
    }

    async fn edit(&self, user: &User, body: Value) -> Answer {
        self.app.api.call("PATCH", &self.path, Some(&user.token), Some(&body)).await.expect("call API")
    }

    async fn delete(&self, user: &User) -> Answer {
        self.app.api.call("DELETE", &self.path, Some(&user.token), None).await.expect("call API")
    }

    async fn events(&self, user: &User) -> Vec<Value> {
        let answer = self.app.get(&format!("/api/v1/chats/{}/events", self.chat), user).await;
        answer.body["events"].as_array().expect("array of events").clone()
    }

    async fn item(&self, user: &User) -> Value {
        self.app.get(&format!("/api/v1/chats/{}", self.chat), user).await.body
    }
}

fn is_forbidden(answer: &Answer, reason: &str) {
    assert_problem(answer, 403, "forbidden", &[]);
    assert_eq!(answer.body["reason"], reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn edit_takes_the_next_seq_and_replaces_the_text() {
    let f = Fixture::start(&[]).await;
    let edited = f.edit(&f.author, json!({ "text": "second" })).await;
    assert_eq!(edited.status, 200, "{edited:?}");
    let shown = json!([edited.body["text"], edited.body["seq"], edited.body["changed_seq"], edited.body["event_seq"]]);
    assert_eq!((shown, &edited.body["duplicate"]), (json!(["second", 1, 2, 2]), &json!(false)));

    let history = f.app.get(&format!("/api/v1/chats/{}/messages", f.chat), &f.other).await.body;
    assert_eq!(history["head_seq"], 2);
    let message = &history["messages"][0];
    assert_eq!(json!([message["text"], message["changed_seq"]]), json!(["second", 2]));
    assert!(message.get("request_id").is_none(), "only the sender sees the request_id");
    assert!(history["messages"][0]["updated_at"].as_str() > history["messages"][0]["created_at"].as_str());

    let events = f.events(&f.other).await;
    assert_eq!(json!([events[0]["type"], events[0]["message"]["text"]]), json!(["message", "second"]));
    assert_eq!((&events[1]["type"], &events[1]["by"]), (&json!("message_edited"), &json!(f.author.id)));
    assert_eq!(&events[1]["message"], message);
    assert!(f.events(&f.author).await[1]["message"]["request_id"].is_string());
    assert_eq!(f.item(&f.other).await["unread_count"], 1, "an edit is not unread");
    assert_eq!(f.item(&f.other).await["last_message"]["text"], "second");

    f.edit(&f.author, json!({ "text": "third" })).await;
    let events = f.events(&f.other).await;
    assert_eq!(
        json!([events[1]["superseded"], events[1]["message_id"], events[1]["message"]]),
        json!([true, f.message, null]),
        "a replaced text is in no event"
    );
    assert_eq!(events[2]["message"]["text"], "third");
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_edit_is_applied_once() {
    let f = Fixture::start(&[]).await;
    let request = Uuid::new_v4();
    let body = json!({ "text": "second", "request_id": request });
    let first = f.edit(&f.author, body.clone()).await;
    let again = f.edit(&f.author, body.clone()).await;
    assert_eq!((&again.body["event_seq"], &again.body["duplicate"]), (&first.body["event_seq"], &json!(true)));
    let other_text = f.edit(&f.author, json!({ "text": "another", "request_id": request })).await;
    assert_problem(&other_text, 422, "idempotency_mismatch", &[]);
    f.edit(&f.author, json!({ "text": "third" })).await;
    let late = f.edit(&f.author, body).await;
    assert_eq!(json!([late.body["text"], late.body["event_seq"], late.body["duplicate"]]), json!(["third", 2, true]));
    let same = f.edit(&f.author, json!({ "text": "third" })).await;
    assert_eq!((same.status, &same.body["event_seq"]), (200, &Value::Null), "an edit to the same text has no event");
    assert_eq!(f.events(&f.author).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_send_of_a_changed_message_shows_it_as_it_is() {
    let f = Fixture::start(&[]).await;
    let path = format!("/api/v1/chats/{}/messages", f.chat);
    let body = json!({ "text": "sent", "request_id": Uuid::new_v4() });
    let sent = f.app.post(&path, &f.author, &body).await;
    assert_eq!(sent.status, 201);
    let f = Fixture { path: format!("{path}/{}", sent.body["id"].as_str().expect("id")), ..f };
    f.edit(&f.author, json!({ "text": "edited" })).await;
    let repeated = f.app.post(&path, &f.author, &body).await;
    assert_eq!(
        json!([repeated.status, repeated.body["text"], repeated.body["duplicate"]]),
        json!([200, "edited", true])
    );
    f.delete(&f.author).await;
    let repeated = f.app.post(&path, &f.author, &body).await;
    assert_eq!(json!([repeated.status, repeated.body["text"], repeated.body["deleted"]]), json!([200, "", true]));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_edits_are_numbered_without_gaps() {
    let f = Fixture::start(&[]).await;
    let edits = (0..40).map(|n| {
        let (request, text) = (Uuid::from_u128(n / 2), format!("text {}", n / 2));
        f.edit(&f.author, json!({ "text": text, "request_id": request }))
    });
    let answers = futures_util::future::join_all(edits).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let mut first: Vec<_> = answers
        .iter()
        .filter(|answer| answer.body["duplicate"] == false)
        .map(|a| a.body["event_seq"].as_i64())
        .collect();
    first.sort_unstable();
    assert_eq!(first, (2..=21).map(Some).collect::<Vec<_>>());
    let events = f.events(&f.other).await;
    let seqs: Vec<_> = events.iter().map(|event| event["seq"].as_i64()).collect();
    assert_eq!(seqs, (1..=21).map(Some).collect::<Vec<_>>());
    assert_eq!(events.iter().filter(|event| event["superseded"] == true).count(), 19);
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_edits_with_the_reason() {
    let f = Fixture::start(&[("EDIT_WINDOW", "1h")]).await;
    is_forbidden(&f.edit(&f.other, json!({ "text": "x" })).await, "author");
    let stranger = f.app.user().await;
    assert_problem(&f.edit(&stranger, json!({ "text": "x" })).await, 404, "not_found", &[]);
    let invalid = f.edit(&f.author, json!({ "text": " ", "if_changed_seq": -1, "request_id": "x" })).await;
    let fields = [("text", "blank"), ("if_changed_seq", "range"), ("request_id", "format")];
    assert_problem(&invalid, 422, "validation_failed", &fields);
    let expecting = |seq: i64| json!({ "text": format!("after {seq}"), "if_changed_seq": seq });
    assert_problem(&f.edit(&f.author, expecting(2)).await, 409, "changed_since", &[]);
    assert_eq!(f.edit(&f.author, expecting(1)).await.body["event_seq"], 2);
    assert_eq!(f.edit(&f.author, expecting(2)).await.body["event_seq"], 3);
    let unknown = Fixture { path: format!("/api/v1/chats/{}/messages/{}", f.chat, Uuid::new_v4()), ..f };
    assert_problem(&unknown.edit(&unknown.author, json!({ "text": "x" })).await, 404, "not_found", &[]);
    let f = Fixture { path: format!("/api/v1/chats/{}/messages/{}", unknown.chat, unknown.message), ..unknown };
    let older = "UPDATE messages SET created_at = created_at - interval '61 min'";
    f.app.sql().await.batch_execute(older).await.expect("run statement");
    is_forbidden(&f.edit(&f.author, json!({ "text": "x" })).await, "window");
    assert_eq!(f.events(&f.author).await.len(), 3, "a refused edit takes no seq");
}

#[tokio::test(flavor = "multi_thread")]
async fn earlier_texts_are_read_by_those_allowed() {
    for (setting, for_other, kept) in [("admins", 403, 1), ("members", 200, 1), ("off", 403, 0)] {
        let f = Fixture::start(&[("EDIT_HISTORY", setting)]).await;
        f.edit(&f.author, json!({ "text": "second" })).await;
        let path = format!("{}/versions", f.path);
        let mine = f.app.get(&path, &f.author).await;
        let texts: Vec<_> = mine.body["versions"].as_array().expect("versions").iter().map(|v| &v["text"]).collect();
        assert_eq!((texts.len(), &mine.body["next"]), (kept, &Value::Null), "{setting}");
        assert!(texts.iter().all(|text| *text == "first"));
        assert_eq!(f.app.get(&path, &f.other).await.status, for_other, "{setting}");
    }
    let f = Fixture::start(&[]).await;
    for text in ["second", "third", "fourth"] {
        f.edit(&f.author, json!({ "text": text })).await;
    }
    let first = f.app.get(&format!("{}/versions?limit=2", f.path), &f.author).await.body;
    let rest = format!("{}/versions?limit=2&after={}", f.path, first["next"].as_str().expect("next"));
    let rest = f.app.get(&rest, &f.author).await.body;
    assert_eq!(json!([first["versions"][1]["text"], rest["versions"][0]["text"]]), json!(["second", "third"]));
    assert_eq!((rest["versions"].as_array().map(Vec::len), &rest["next"]), (Some(1), &Value::Null));
    assert_eq!(f.delete(&f.author).await.status, 200);
    assert_eq!(f.app.get(&format!("{}/versions", f.path), &f.author).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_erases_the_text_everywhere() {
    let f = Fixture::start(&[]).await;
    f.app.send(&f.chat, &f.author, "kept").await;
    f.edit(&f.author, json!({ "text": "secret" })).await;
    is_forbidden(&f.delete(&f.other).await, "author");
    assert_eq!(f.item(&f.other).await["unread_count"], 2);
    assert_eq!(f.delete(&f.author).await.body, json!({ "seq": 4, "duplicate": false }));
    assert_eq!(f.delete(&f.author).await.body, json!({ "seq": null, "duplicate": false }), "it is deleted already");

    let sql = f.app.sql().await;
    let texts = "SELECT text FROM messages UNION ALL SELECT text FROM message_versions ORDER BY 1";
    let texts: Vec<String> = sql.query(texts, &[]).await.expect("query").iter().map(|row| row.get(0)).collect();
    assert_eq!(texts, ["", "kept"]);
    let history = f.app.get(&format!("/api/v1/chats/{}/messages", f.chat), &f.other).await.body;
    let tombstone = &history["messages"][1];
    assert_eq!(
        json!([tombstone["id"], tombstone["text"], tombstone["deleted"], tombstone["changed_seq"]]),
        json!([f.message, "", true, 4])
    );
    let events = f.events(&f.other).await;
    assert_eq!(json!([events[0]["message"]["deleted"], events[2]["superseded"]]), json!([true, true]));
    assert_eq!(
        (&events[3]["type"], &events[3]["messages"]),
        (&json!("messages_deleted"), &json!([{ "id": f.message, "seq": 1 }]))
    );
    let item = f.item(&f.other).await;
    assert_eq!(json!([item["unread_count"], item["last_message"]["text"], item["last_seq"]]), json!([1, "kept", 4]));
    assert_problem(&f.edit(&f.author, json!({ "text": "x" })).await, 404, "not_found", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_several_messages_by_one_event_or_none() {
    let f = Fixture::start(&[]).await;
    let second = f.app.send(&f.chat, &f.author, "second").await.message_id;
    let theirs = f.app.send(&f.chat, &f.other, "theirs").await.message_id;
    let path = format!("/api/v1/chats/{}/messages/delete", f.chat);
    let unknown = Uuid::new_v4().to_string();
    let not_mine = f.app.post(&path, &f.author, &json!({ "ids": [f.message, theirs] })).await;
    is_forbidden(&not_mine, "author");
    assert_eq!(f.events(&f.author).await.len(), 3);

    let request = Uuid::new_v4();
    let body = json!({ "ids": [second, f.message, unknown, second], "request_id": request });
    let deleted = f.app.post(&path, &f.author, &body).await;
    assert_eq!(deleted.body, json!({ "seq": 4, "duplicate": false }), "unknown ids are skipped");
    assert_eq!(f.app.post(&path, &f.author, &body).await.body, json!({ "seq": 4, "duplicate": true }));
    let other_ids = f.app.post(&path, &f.author, &json!({ "ids": [second], "request_id": request })).await;
    assert_problem(&other_ids, 422, "idempotency_mismatch", &[]);
    let seqs = f.events(&f.author).await[3]["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .map(|m| m["seq"].clone())
        .collect::<Vec<_>>();
    assert_eq!(json!(seqs), json!([1, 2]));
    for (ids, code) in [(json!([]), "length"), (json!(["x"]), "format"), (json!(vec![unknown; 101]), "length")] {
        let answer = f.app.post(&path, &f.author, &json!({ "ids": ids })).await;
        assert_problem(&answer, 422, "validation_failed", &[("ids", code)]);
    }
    let item = f.item(&f.other).await;
    assert_eq!(json!([item["unread_count"], item["last_message"]["text"]]), json!([0, "theirs"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn publishes_changes_with_what_each_side_may_see() {
    let f = Fixture::start(&[]).await;
    f.app.until_redis().await;
    let mut listener = Listener::on([Channel::Chat(f.chat.parse().expect("parse id"))]).await;
    let request_id = SendId::new();
    f.edit(&f.author, json!({ "text": "second", "request_id": request_id })).await;
    f.delete(&f.author).await;
    let (_, text) = listener.next().await;
    let envelope: Envelope<'_> = serde_json::from_str(&text).expect("parse envelope");
    let Event::Durable { seq, user_id, change_id, frame, actor_frame, .. } = envelope.event else { panic!("{text}") };
    assert_eq!((seq, user_id.to_string(), change_id), (2, f.author.id.clone(), Some(request_id)));
    let [others, actor] = [frame, actor_frame.expect("frame of the actor")]
        .map(|f| serde_json::from_str::<Value>(f.get()).expect("JSON"));
    assert_eq!(json!([others["type"], others["seq"], others["chat_id"]]), json!(["message_edited", 2, f.chat]));
    assert_eq!(json!([others["message"]["text"], others["message"].get("request_id")]), json!(["second", null]));
    assert!(actor["message"]["request_id"].is_string());
    let (_, text) = listener.next().await;
    assert!(text.contains("messages_deleted") && !text.contains("actor_frame"), "{text}");
}

/// Returns the next published event: for other members, and for the actor.
async fn published(listener: &mut Listener) -> (Value, Value) {
    let (_, text) = listener.next().await;
    let envelope: Envelope<'_> = serde_json::from_str(&text).expect("parse envelope");
    let Event::Durable { frame, actor_frame, .. } = envelope.event else { panic!("{text}") };
    let json = |frame: &RawValue| serde_json::from_str::<Value>(frame.get()).expect("parse frame");
    (json(frame), json(actor_frame.unwrap_or(frame)))
}

#[tokio::test(flavor = "multi_thread")]
async fn publishes_changes_as_they_are_read_later() {
    let f = Fixture::start(&[]).await;
    f.app.until_redis().await;
    let others: Vec<_> = [f.app.send(&f.chat, &f.author, "2").await, f.app.send(&f.chat, &f.author, "3").await].into();
    let mut listener = Listener::on([Channel::Chat(f.chat.parse().expect("parse id"))]).await;
    f.edit(&f.author, json!({ "text": "second" })).await;
    let ids: Vec<_> = others.iter().rev().map(|message| &message.message_id).collect();
    f.app.post(&format!("/api/v1/chats/{}/messages/delete", f.chat), &f.author, &json!({ "ids": ids })).await;
    for index in [3, 4] {
        let (for_others, for_actor) = published(&mut listener).await;
        assert_eq!(for_others, f.events(&f.other).await[index]);
        assert_eq!(for_actor, f.events(&f.author).await[index]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn publishes_changes_without_reading_them_back() {
    let f = Fixture::start(&[]).await;
    f.app.until_redis().await;
    // The service does not know the kind of the stored event.
    let replace_kind = "
        CREATE FUNCTION replace_kind() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.kind := 99; RETURN NEW; END';
        CREATE TRIGGER replace_kind BEFORE INSERT ON chat_events FOR EACH ROW EXECUTE FUNCTION replace_kind()";
    f.app.sql().await.batch_execute(replace_kind).await.expect("create trigger");
    let mut listener = Listener::on([Channel::Chat(f.chat.parse().expect("parse id"))]).await;
    f.edit(&f.author, json!({ "text": "second" })).await;
    f.delete(&f.author).await;
    for kind in ["message_edited", "messages_deleted"] {
        assert_eq!(published(&mut listener).await.0["type"], kind);
    }
    assert_eq!(f.events(&f.author).await[1]["type"], "unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn finds_a_message_of_a_long_chat_by_its_id_alone() {
    let f = Fixture::start(&[]).await;
    let sql = f.app.sql().await;
    let fill = format!(
        "INSERT INTO messages (id, chat_id, seq, sender_id, request_id, text, created_at, updated_at)
         SELECT gen_random_uuid(), '{0}', n, '{1}', gen_random_uuid(), 'x', now(), now() FROM generate_series(2, 1000) AS n;
         UPDATE chats SET last_seq = 1000 WHERE id = '{0}'",
        f.chat, f.author.id
    );
    sql.batch_execute(&fill).await.expect("insert messages");
    assert_eq!(f.edit(&f.author, json!({ "text": "second" })).await.body["event_seq"], 1001);
    assert_eq!(f.edit(&f.author, json!({ "text": "second" })).await.body["text"], "second");
    let page = format!("/api/v1/chats/{}/messages?before_id={}", f.chat, f.message);
    assert_eq!(f.app.get(&page, &f.author).await.status, 200);

    // A session reports what it read when it ends.
    let end = "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let ended: Vec<i32> = sql.query(end, &[]).await.expect("end sessions").iter().map(|row| row.get(0)).collect();
    let left = "SELECT FROM pg_stat_activity WHERE pid = ANY ($1)";
    until("the sessions have ended", async || sql.query(left, &[&ended]).await.expect("query").is_empty()).await;
    let read = async |index: &str| {
        let read = "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = $1";
        sql.query_one(read, &[&index]).await.expect("find index").get::<_, i64>(0)
    };
    let by_id = read("messages_pkey").await;
    assert!(by_id >= 3, "{by_id} entries by id");
    let of_chat = read("messages_chat_seq_unique").await;
    assert!(of_chat < 100, "{of_chat} entries of the chat");
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_changes_that_are_switched_off() {
    let f = Fixture::start(&[("EVENTS", "off")]).await;
    is_forbidden(&f.edit(&f.author, json!({ "text": "x" })).await, "disabled");
    is_forbidden(&f.delete(&f.author).await, "disabled");
    assert_eq!(f.events(&f.author).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_has_an_outcome_for_each_change() {
    let f = Fixture::start(&[]).await;
    let second = f.app.send(&f.chat, &f.other, "second").await.message_id;
    let third = f.app.send(&f.chat, &f.other, "third").await.message_id;
    let change = |actor: &User, request: Uuid, change: Option<WireChange>| ChangeMessageRequest {
        chat_id: f.chat.clone(),
        actor_id: actor.id.clone(),
        request_id: request.to_string(),
        change,
        traceparent: None,
    };
    let edit = |message: &str, text: &str| {
        let (message_id, text) = (message.to_owned(), text.to_owned());
        Some(WireChange::Edit(EditMessage { message_id, text, extra_json: String::new() }))
    };
    let react = |emoji: &str| {
        Some(WireChange::React(React { message_id: f.message.clone(), emoji: emoji.to_owned(), on: true }))
    };
    let delete = Some(WireChange::Delete(DeleteMessages { message_ids: vec![third] }));
    let [one, two, three] = [(); 3].map(|()| Uuid::new_v4());
    let changes = vec![
        change(&f.author, one, edit(&f.message, "edited")),
        change(&f.author, two, edit(&second, "not the author")),
        change(&f.author, three, edit(&f.message, "")),
        change(&f.author, one, edit(&f.message, "edited")),
        change(&f.other, one, react("👍")),
        change(&f.other, two, react("no emoji")),
        change(&f.author, three, None),
        change(&f.other, three, delete),
    ];
    let call = f.app.grpc.request(ChangeMessagesRequest { changes });
    let results = f.app.chat_service().change_messages(call).await.expect("get answer").into_inner().results;
    let summary = |result: Outcome| match result {
        Outcome::Made(made) => {
            let has_event = made.event.is_some_and(|event| !event.frame.is_empty());
            format!("made {} {} {}", made.duplicate, has_event, made.personal_frame.is_some())
        }
        Outcome::Refused(refusal) => refusal.reason.unwrap_or(refusal.code),
    };
    assert_eq!(
        results.into_iter().map(|result| summary(result.result.expect("get result"))).collect::<Vec<_>>(),
        [
            "made false true false",
            "author",
            "validation_failed",
            "made true true false",
            "made false true true",
            "validation_failed",
            "validation_failed",
            "made false true false"
        ]
    );
    let events = f.events(&f.author).await;
    let mut kinds: Vec<_> = events[3..].iter().map(|event| event["type"].as_str().expect("type")).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["message_edited", "messages_deleted", "reactions"]);
}

/// The first edit takes longer to prepare than the second one: it has a mention to look up.
#[tokio::test(flavor = "multi_thread")]
async fn batch_keeps_the_order_of_a_users_changes_in_a_chat() {
    let f = Fixture::start(&[]).await;
    let change = |change: WireChange| ChangeMessageRequest {
        chat_id: f.chat.clone(),
        actor_id: f.author.id.clone(),
        request_id: Uuid::new_v4().to_string(),
        change: Some(change),
        traceparent: None,
    };
    let edit = |text: String| {
        change(WireChange::Edit(EditMessage { message_id: f.message.clone(), text, extra_json: String::new() }))
    };
    let react = |on| change(WireChange::React(React { message_id: f.message.clone(), emoji: "👍".to_owned(), on }));
    let changes = vec![edit(format!("hello @{}", f.other.name)), edit("hello".to_owned()), react(true), react(false)];
    let call = f.app.grpc.request(ChangeMessagesRequest { changes });
    let results = f.app.chat_service().change_messages(call).await.expect("get answer").into_inner().results;
    let seq = |result: Outcome| match result {
        Outcome::Made(made) => made.seq,
        Outcome::Refused(refusal) => panic!("{refusal:?}"),
    };
    let seqs: Vec<_> = results.into_iter().map(|result| seq(result.result.expect("get result"))).collect();
    assert_eq!(seqs, [2, 3, 4, 5]);
    let last = f.item(&f.author).await["last_message"].clone();
    assert_eq!((&last["text"], last.get("reactions")), (&json!("hello"), None), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_batches_of_changes_that_are_too_large() {
    let app = TestApp::start().await;
    let call = async |changes| {
        let call = app.grpc.request(ChangeMessagesRequest { changes });
        app.chat_service().change_messages(call).await.map(|answer| answer.into_inner().results.len())
    };
    assert_eq!(call(Vec::new()).await.expect("get answer"), 0);
    let refused = call(vec![ChangeMessageRequest::default(); 1001]).await.expect_err("refuse call");
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
}
