//! Messages that disappear.

use neonchat_testbed::{
    client::{Answer, User},
    harness::until,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{TestApp, assert_problem};

/// Lets tests set the shortest timer.
const SHORT: [(&str, &str); 1] = [("TIMER_MIN_S", "1")];

impl TestApp {
    async fn set_timer(&self, chat: &str, user: &User, body: Value) -> Answer {
        self.put(&format!("/api/v1/chats/{chat}/timer"), user, &body).await
    }

    async fn chat_item(&self, chat: &str, user: &User) -> Value {
        self.get(&format!("/api/v1/chats/{chat}"), user).await.body
    }

    async fn event(&self, chat: &str, user: &User, seq: i64) -> Value {
        let events = self.get(&format!("/api/v1/chats/{chat}/events?after={}&limit=1", seq - 1), user).await;
        events.body["events"][0].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_members_of_a_direct_chat_set_its_timer() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    let stranger = app.user().await;
    assert_eq!(app.chat_item(&chat, &alice).await["settings"], json!({ "ttl_s": 0 }));
    for bad in [json!({ "ttl_s": 3599 }), json!({ "ttl_s": 7_776_001 }), json!({ "ttl_s": -1 })] {
        assert_problem(&app.set_timer(&chat, &alice, bad).await, 422, "validation_failed", &[("ttl_s", "range")]);
    }
    assert_problem(&app.set_timer(&chat, &stranger, json!({ "ttl_s": 3600 })).await, 404, "not_found", &[]);
    let request = json!({ "ttl_s": 3600, "request_id": Uuid::new_v4() });
    let first = app.set_timer(&chat, &alice, request.clone()).await;
    assert_eq!((first.status, &first.body), (200, &json!({ "seq": 1, "duplicate": false })), "{first:?}");
    let again = app.set_timer(&chat, &alice, request.clone()).await;
    assert_eq!(again.body, json!({ "seq": 1, "duplicate": true }));
    let mut other = request;
    other["ttl_s"] = json!(7200);
    assert_problem(&app.set_timer(&chat, &alice, other).await, 422, "idempotency_mismatch", &[]);
    let unchanged = app.set_timer(&chat, &bob, json!({ "ttl_s": 3600 })).await;
    assert_eq!(unchanged.body, json!({ "seq": null, "duplicate": false }));
    let event = app.event(&chat, &bob, 1).await;
    assert_eq!((&event["type"], &event["by"]), (&json!("chat_updated"), &json!(alice.id)), "{event}");
    assert_eq!((&event["settings"], event.get("title")), (&json!({ "ttl_s": 3600 }), None));
    assert_eq!(app.chat_item(&chat, &bob).await["settings"], json!({ "ttl_s": 3600 }));

    // Only messages that are sent while it is on disappear.
    let sent = async |text: &str| {
        let body = json!({ "text": text });
        app.post(&format!("/api/v1/chats/{chat}/messages"), &bob, &body).await.body
    };
    let with_timer = sent("x").await;
    assert!(with_timer["expires_at"].is_string(), "{with_timer}");
    assert_eq!(app.set_timer(&chat, &bob, json!({ "ttl_s": 0 })).await.body["seq"], 3);
    assert_eq!(sent("y").await.get("expires_at"), None);
    let read =
        app.get(&format!("/api/v1/chats/{chat}/messages/{}", with_timer["id"].as_str().expect("id")), &alice).await;
    assert_eq!(read.body["expires_at"], with_timer["expires_at"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn timer_of_a_group_needs_the_right_to_change_it() {
    let app = TestApp::start().await;
    let (owner, member) = (app.user().await, app.user().await);
    let new = json!({ "type": "group", "title": "Team", "member_ids": [member.id] });
    let chat = app.post("/api/v1/chats", &owner, &new).await.body;
    assert_eq!(chat["settings"]["ttl_s"], 0);
    let chat = chat["id"].as_str().expect("id as string").to_owned();
    assert_problem(&app.set_timer(&chat, &member, json!({ "ttl_s": 3600 })).await, 403, "forbidden", &[]);
    let patch = async |user: &User, body: Value| {
        let path = format!("/api/v1/chats/{chat}");
        app.api.call("PATCH", &path, Some(&user.token), Some(&body)).await.expect("call API")
    };
    let settings = |ttl_s: i64| json!({ "settings": { "ttl_s": ttl_s } });
    assert_problem(&patch(&member, settings(3600)).await, 403, "forbidden", &[]);
    assert_problem(&patch(&owner, settings(60)).await, 422, "validation_failed", &[("settings.ttl_s", "range")]);
    assert_eq!(patch(&owner, settings(3600)).await.body["settings"]["ttl_s"], 3600);
    assert_eq!(app.set_timer(&chat, &owner, json!({ "ttl_s": 3600 })).await.body["seq"], Value::Null);
    assert_eq!(app.set_timer(&chat, &owner, json!({ "ttl_s": 7200 })).await.body["seq"], 2);
    assert_eq!(app.event(&chat, &member, 2).await["settings"]["ttl_s"], 7200);
    // The other settings and the timer do not disturb each other.
    let renamed = patch(&owner, json!({ "title": "Crew", "settings": { "info": "member" } })).await;
    assert_eq!(renamed.body["settings"]["ttl_s"], 7200, "{renamed:?}");
    assert_eq!(app.set_timer(&chat, &member, json!({ "ttl_s": 0 })).await.body["seq"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_shows_a_message_that_has_disappeared() {
    let app = TestApp::start_with(&SHORT).await;
    let (alice, bob, chat) = app.pair().await;
    let messages = format!("/api/v1/chats/{chat}/messages");
    app.set_timer(&chat, &alice, json!({ "ttl_s": 2 })).await;
    let body = json!({ "text": "secret", "mentions": [bob.id], "silent": true, "request_id": Uuid::new_v4() });
    let sent = app.post(&messages, &alice, &body).await.body;
    let id = sent["id"].as_str().expect("id as string");
    let message = format!("{messages}/{id}");
    let edit = async |text: &str, request: Uuid| {
        let body = json!({ "text": text, "request_id": request });
        app.api.call("PATCH", &message, Some(&alice.token), Some(&body)).await.expect("call API")
    };
    let request = Uuid::new_v4();
    assert_eq!(edit("secret again", request).await.status, 200);
    assert_eq!(app.chat_item(&chat, &bob).await["last_message"]["text"], "secret again");
    until("it disappears", async || app.get(&message, &bob).await.body["deleted"] == json!(true)).await;

    let tombstone = app.get(&message, &bob).await.body;
    let names: Vec<_> = tombstone.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["changed_seq", "chat_id", "created_at", "deleted", "id", "sender_id", "seq", "text", "updated_at"]
    );
    assert_eq!(tombstone["text"], "");
    for path in [messages.clone(), format!("{messages}?ids={id}"), format!("{messages}?around_id={id}")] {
        assert_eq!(app.get(&path, &bob).await.body["messages"], json!([tombstone]), "{path}");
    }
    assert_eq!(app.event(&chat, &bob, 2).await["message"], tombstone);
    let edited = app.event(&chat, &bob, 3).await;
    assert_eq!((&edited["superseded"], edited.get("message")), (&json!(true), None), "{edited}");
    let page = neonchat_proto::chat::v1::GetEventsRequest { chat_id: chat.clone(), ..Default::default() };
    let page = app.chat_service().get_events(app.grpc.request(page)).await.expect("get events").into_inner();
    assert!(
        !format!("{page:?}").contains("secret")
            && !String::from_utf8_lossy(&prost::Message::encode_to_vec(&page)).contains("secret")
    );
    assert_eq!(app.chat_item(&chat, &bob).await["last_message"], Value::Null);
    assert_problem(&app.get(&format!("{message}/versions"), &alice).await, 404, "not_found", &[]);
    assert_problem(&app.get(&format!("{message}/replies"), &bob).await, 404, "not_found", &[]);
    assert_problem(&edit("new", Uuid::new_v4()).await, 404, "not_found", &[]);
    assert_eq!(app.get("/api/v1/mentions", &bob).await.body["mentions"], json!([]));
    let forward = json!({ "from_chat_id": chat, "message_ids": [id] });
    assert_problem(&app.post(&format!("/api/v1/chats/{chat}/forward"), &bob, &forward).await, 404, "not_found", &[]);
    let reply = app.post(&messages, &bob, &json!({ "text": "x", "reply_to": id })).await.body;
    assert_eq!(reply.get("reply_to"), None, "{reply}");
    // Repeated requests are recognized, and show nothing.
    let again = edit("secret again", request).await;
    assert_eq!((again.status, &again.body["text"]), (200, &json!("")), "{again:?}");
    let again = app.post(&messages, &alice, &body).await;
    assert_eq!((again.status, &again.body["deleted"], &again.body["duplicate"]), (200, &json!(true), &json!(true)));
    let deleted = app.api.call("DELETE", &message, Some(&alice.token), None).await.expect("call API");
    assert_eq!(deleted.body["seq"], Value::Null, "{deleted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn content_is_deleted_and_no_longer_counted() {
    let app = TestApp::start_with(&SHORT).await;
    let (alice, bob, chat) = app.pair().await;
    let messages = format!("/api/v1/chats/{chat}/messages");
    app.set_timer(&chat, &alice, json!({ "ttl_s": 3600 })).await;
    for text in ["first", "second"] {
        let body = json!({ "text": text, "mentions": [bob.id] });
        let sent = app.post(&messages, &alice, &body).await.body;
        let message = format!("{messages}/{}", sent["id"].as_str().expect("id as string"));
        let edit = json!({ "text": "edited", "mentions": [bob.id] });
        app.api.call("PATCH", &message, Some(&alice.token), Some(&edit)).await.expect("edit message");
        app.post(&messages, &alice, &json!({ "text": "reply", "reply_to": sent["id"] })).await;
    }
    assert_eq!(app.chat_item(&chat, &bob).await["unread_count"], 4);
    let sql = app.sql().await;
    // As if an hour had passed for all but the last message.
    let pass = "UPDATE messages SET expires_at = expires_at - interval '2 hours', text = text
                 WHERE seq < (SELECT max(seq) FROM messages);
                UPDATE expiring_messages SET expires_at = expires_at - interval '2 hours'
                 WHERE seq < (SELECT max(seq) FROM messages)";
    sql.batch_execute(pass).await.expect("change times");
    // The job of a new instance begins at once.
    let other = TestApp::launch(&app.database, &SHORT).await;
    let rows = "SELECT (SELECT count(*) FROM messages WHERE text <> ''), (SELECT count(*) FROM message_versions),
                       (SELECT count(*) FROM mentions), (SELECT count(*) FROM replies),
                       (SELECT count(*) FROM expiring_messages), (SELECT floor_seq FROM chats), (SELECT max(seq) FROM messages)";
    let left = async || {
        let row = sql.query_one(rows, &[]).await.expect("count rows");
        std::array::from_fn::<i64, 7, _>(|index| row.get(index))
    };
    until("the content is deleted", async || left().await[4] == 1).await;
    until("the floor is raised", async || left().await[5] > 0).await;
    let [texts, versions, mentions, replies, _, floor, last] = left().await;
    assert_eq!((texts, versions, mentions, replies, floor), (1, 0, 0, 1, last - 1));
    for reader in [&app, &other] {
        let item = reader.chat_item(&chat, &bob).await;
        assert_eq!((&item["unread_count"], &item["mention_count"]), (&json!(1), &json!(0)), "{item}");
        assert_eq!(item["last_message"]["text"], "reply");
    }
    let receipt = app.put(&format!("/api/v1/chats/{chat}/receipt"), &bob, &json!({ "read": 1 })).await;
    assert_eq!(receipt.body["unread_count"], 1);
    assert_eq!(app.get("/api/v1/chats?unread_only=true", &bob).await.body["total"], 1);
}
