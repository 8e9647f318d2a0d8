//! What members set for themselves about their chats.

mod drafts;
mod list;
mod pins;
mod resets;
mod unread;

use neonchat_common::bus::{Channel, Envelope, Event};
use neonchat_testbed::client::{Answer, User};
use serde_json::{Value, json};

use crate::support::{Fields, Listener, TestApp, assert_problem};

const FOR_EVER: &str = "2999-01-01T00:00:00.000000Z";

impl TestApp {
    /// Changes what a user has set about a chat.
    async fn set(&self, user: &User, chat: &str, change: Value) -> Answer {
        let path = format!("/api/v1/chats/{chat}/me");
        self.api.call("PATCH", &path, Some(&user.token), Some(&change)).await.expect("call API")
    }

    /// Does the same as [`TestApp::set`], and returns the item.
    async fn set_to(&self, user: &User, chat: &str, change: Value) -> Value {
        let answer = self.set(user, chat, change).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    async fn item(&self, user: &User, chat: &str) -> Value {
        self.get(&format!("/api/v1/chats/{chat}"), user).await.body
    }

    /// Opens chats of a user with new partners.
    async fn chats(&self, user: &User, count: usize) -> Vec<String> {
        let mut chats = Vec::new();
        for _ in 0..count {
            chats.push(self.api.chat(user, &self.user().await).await.expect("open chat"));
        }
        chats
    }
}

/// Returns the settings in an item.
fn settings(item: &Value) -> Value {
    let names = ["muted_until", "level", "archived", "pin_place", "marked_unread", "folder"];
    names.into_iter().map(|name| (name.to_owned(), item[name].clone())).collect()
}

/// Returns the next frame for a user, and the `seq` up to which events do not exist for the user.
async fn next_frame(listener: &mut Listener) -> (Value, Option<i64>) {
    let (_, text) = listener.next().await;
    let envelope: Envelope<'_> = serde_json::from_str(&text).expect("parse envelope");
    match envelope.event {
        Event::ChatSettings { frame, from_seq, .. } => {
            (serde_json::from_str(frame.get()).expect("parse frame"), Some(from_seq))
        }
        Event::Personal { frame, .. } => (serde_json::from_str(frame.get()).expect("parse frame"), None),
        other => panic!("{other:?}"),
    }
}

async fn listen(app: &TestApp, user: &User) -> Listener {
    app.until_redis().await;
    Listener::on([Channel::User(user.id.parse().expect("parse id"))]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_change_key_by_key_for_one_member_alone() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    let default = settings(&app.item(&alice, &chat).await);
    let mut expected = default.clone();
    for (change, name, value) in [
        (json!({ "muted_until": FOR_EVER }), "muted_until", json!(FOR_EVER)),
        (json!({ "level": "mentions" }), "level", json!("mentions")),
        (json!({ "archived": true }), "archived", json!(true)),
        (json!({ "pin_place": 20 }), "pin_place", json!(20)),
        (json!({ "marked_unread": true }), "marked_unread", json!(true)),
        (json!({ "folder": "Работа 💼" }), "folder", json!("Работа 💼")),
        (json!({}), "folder", json!("Работа 💼")),
        (json!({ "mood": 1 }), "level", json!("mentions")),
    ] {
        expected[name] = value;
        let item = app.set_to(&alice, &chat, change.clone()).await;
        assert_eq!(settings(&item), expected, "{change}");
        assert_eq!(app.item(&alice, &chat).await, item);
        let listed = app.get("/api/v1/chats?archived=true", &alice).await.body;
        assert!(item["archived"] != true || listed["chats"] == json!([item]), "{listed}");
    }
    assert_eq!(settings(&app.item(&bob, &chat).await), default);
    let undone = json!({
        "muted_until": null, "level": "all", "archived": false, "pin_place": null, "marked_unread": false, "folder": null
    });
    assert_eq!(undone, default);
    assert_eq!(settings(&app.set_to(&alice, &chat, undone).await), default);
    let past = app.set_to(&alice, &chat, json!({ "muted_until": "2020-01-01T00:00:00Z" })).await;
    assert_eq!(past["muted_until"], Value::Null, "a time that has passed");
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_learn_of_changes_only() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.pair().await;
    let mut listener = listen(&app, &alice).await;
    let change = json!({ "muted_until": "2999-01-01T00:00:00.0000009Z", "level": "none", "folder": "Work" });
    for _ in 0..2 {
        app.set_to(&alice, &chat, change.clone()).await;
    }
    app.set_to(&alice, &chat, json!({ "archived": true })).await;
    let frame = |archived: bool| {
        json!({
            "type": "chat_settings", "chat_id": chat, "muted_until": FOR_EVER, "level": "none", "archived": archived,
            "pin_place": null, "marked_unread": false, "folder": "Work", "first_seq": 1,
        })
    };
    for archived in [false, true] {
        assert_eq!(next_frame(&mut listener).await, (frame(archived), Some(0)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_invalid_settings() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.pair().await;
    let long = "я".repeat(65);
    let cases: [(Value, Fields<'_>); 9] = [
        (json!({ "muted_until": "tomorrow" }), &[("muted_until", "format")]),
        (json!({ "muted_until": 5 }), &[("muted_until", "format")]),
        (json!({ "level": "some", "pin_place": 0 }), &[("level", "value"), ("pin_place", "range")]),
        (json!({ "pin_place": 21, "folder": "" }), &[("pin_place", "range"), ("folder", "length")]),
        (json!({ "pin_place": 1.5 }), &[("pin_place", "format")]),
        (json!({ "archived": "yes" }), &[("archived", "format")]),
        (json!({ "folder": long }), &[("folder", "length")]),
        (json!({ "folder": "a\nb" }), &[("folder", "format")]),
        (json!({ "folder": "\u{200b}" }), &[("folder", "length")]),
    ];
    for (change, fields) in cases {
        assert_problem(&app.set(&alice, &chat, change).await, 422, "validation_failed", fields);
    }
    let item = app.item(&alice, &chat).await;
    assert_eq!((&item["pin_place"], &item["folder"]), (&Value::Null, &Value::Null));
}
