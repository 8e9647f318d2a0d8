//! What a member has set ends with the membership.

use neonchat_common::error::ErrorCode;
use neonchat_testbed::{client::User, harness::until};
use serde_json::{Value, json};
use uuid::Uuid;

use super::settings;
use crate::support::{TestApp, assert_problem};

async fn group(app: &TestApp, owner: &User, body: Value) -> String {
    let mut group = json!({ "type": "group", "title": "Team" });
    group.as_object_mut().expect("object").extend(body.as_object().expect("object").clone());
    let created = app.post("/api/v1/chats", owner, &group).await;
    assert_eq!(created.status, 201, "{created:?}");
    created.body["id"].as_str().expect("id as string").to_owned()
}

async fn rows(app: &TestApp) -> i64 {
    app.sql().await.query_one("SELECT count(*) FROM chat_prefs", &[]).await.expect("count rows").get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_and_joining_again_resets_settings_and_clear() {
    let app = TestApp::start().await;
    let (owner, bob) = (app.user().await, app.user().await);
    let handle = format!("h{}", &Uuid::new_v4().simple().to_string()[..16]);
    let chat = group(&app, &owner, json!({ "handle": handle, "member_ids": [bob.id] })).await;
    let call = async |method: &str, user: &User, rest: &str, body: Option<Value>| {
        let path = format!("/api/v1/chats/{chat}{rest}");
        let answer = app.api.call(method, &path, Some(&user.token), body.as_ref()).await.expect("call API");
        assert!((200..300).contains(&answer.status), "{answer:?}");
        answer.body
    };
    let default = settings(&app.item(&bob, &chat).await);
    let changed = json!({
        "muted_until": super::FOR_EVER, "level": "none", "archived": true, "pin_place": 1, "marked_unread": true, "folder": "x"
    });
    let kick = json!({ "user_ids": [bob.id] });
    let ways = [("DELETE", &bob, "/members/me", None), ("POST", &owner, "/members/remove", Some(kick))];
    for (method, by, rest, body) in ways {
        app.send(&chat, &owner, "hello").await;
        call("PATCH", &bob, "/me", Some(changed.clone())).await;
        call("PUT", &bob, "/draft", Some(json!({ "text": "hello" }))).await;
        assert!(call("POST", &bob, "/clear", Some(json!({ "upto": 99 }))).await["first_seq"].as_i64() > Some(1));
        call(method, by, rest, body).await;
        assert_eq!(rows(&app).await, 0, "{rest}");
        let refused = app.set(&bob, &chat, json!({ "level": "none" })).await;
        assert_problem(&refused, 404, ErrorCode::NotFound.as_str(), &[]);
        call("POST", &bob, "/join", None).await;
        let item = app.item(&bob, &chat).await;
        assert_eq!((settings(&item), &item["draft"], &item["first_seq"]), (default.clone(), &Value::Null, &json!(1)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_that_is_gone_keeps_no_place() {
    let app = TestApp::start().await;
    let owner = app.user().await;
    let (closed, other) = (group(&app, &owner, json!({})).await, group(&app, &owner, json!({})).await);
    app.set_to(&owner, &closed, json!({ "pin_place": 20 })).await;
    let path = format!("/api/v1/chats/{closed}");
    let answer = app.api.call("DELETE", &path, Some(&owner.token), None).await.expect("call API");
    assert_eq!(answer.status, 200, "{answer:?}");
    let refused = app.set(&owner, &closed, json!({ "pin_place": 1 })).await;
    assert_problem(&refused, 404, "not_found", &[]);
    let pinned = app.set_to(&owner, &other, json!({ "pin_place": 20 })).await;
    assert_eq!(pinned["pin_place"], 20);
    // Its rows are deleted later.
    let age = "UPDATE chats SET last_event_at = now() - interval '1 hour' WHERE id::text = $1";
    app.sql().await.execute(age, &[&closed]).await.expect("update row");
    // Another instance looks for closed chats when it starts.
    let _other = TestApp::launch(&app.database, &[]).await;
    until("the rows are deleted", async || rows(&app).await == 1).await;
}
