//! Invites, public chats and bans.

use neonchat_testbed::client::User;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Group;
use crate::support::assert_problem;

impl Group {
    async fn code(&self, body: Value) -> String {
        let made = self.call("POST", &self.owner, "/invites", Some(body)).await;
        made.body["code"].as_str().unwrap_or_else(|| panic!("{made:?}")).to_owned()
    }

    async fn codes(&self) -> Vec<Value> {
        let list = self.call("GET", &self.owner, "/invites", None).await.body;
        list["invites"].as_array().expect("array").iter().map(|invite| invite["code"].clone()).collect()
    }

    async fn with_handle(&self, creator: &User, handle: &str) -> Value {
        let body = json!({ "type": "group", "title": handle, "handle": handle });
        let created = self.app.post("/api/v1/chats", creator, &body).await;
        assert_eq!(created.status, 201, "{created:?}");
        created.body
    }

    async fn handles(&self, query: &str) -> Vec<Value> {
        let rooms = self.app.get(&format!("/api/v1/rooms?{query}"), &self.member).await;
        assert_eq!(rooms.status, 200, "{rooms:?}");
        rooms.body["rooms"].as_array().expect("array").iter().map(|room| room["handle"].clone()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_is_no_code_is_an_unknown_invite() {
    let group = Group::start("group").await;
    for code in ["x", "%00", "wGx0VFg1Rn2x6tTtq1pY%00", "wGx0VFg1Rn2x6tTtq1pY3Q"] {
        let path = format!("/api/v1/invites/{code}");
        assert_problem(&group.app.get(&path, &group.stranger).await, 404, "not_found", &[]);
        assert_problem(&group.app.post(&path, &group.stranger, &json!({})).await, 404, "not_found", &[]);
        let revoked = group.call("DELETE", &group.owner, &format!("/invites/{code}"), None).await;
        assert_problem(&revoked, 404, "not_found", &[]);
    }
    for (path, code) in [("/invites", "format"), ("/bans", "format"), ("/requests", "format"), ("/audit", "range")] {
        let answer = group.call("GET", &group.owner, &format!("{path}?after=%00"), None).await;
        assert_problem(&answer, 422, "validation_failed", &[("after", code)]);
    }
    let rooms = group.app.get("/api/v1/rooms?after=%00", &group.owner).await;
    assert_problem(&rooms, 422, "validation_failed", &[("after", "format")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_and_lifting_again_changes_nothing() {
    let group = Group::start("group").await;
    let code = group.code(json!({})).await;
    group.call("POST", &group.owner, "/bans", Some(json!({ "user_id": group.stranger.id }))).await;
    let ban = format!("/bans/{}", group.stranger.id);
    for path in [format!("/invites/{code}"), ban] {
        for _ in 0..2 {
            let path = format!("{path}?request_id={}", Uuid::new_v4());
            assert_eq!(group.call("DELETE", &group.owner, &path, None).await.status, 204, "{path}");
        }
    }
    let audit = group.call("GET", &group.owner, "/audit", None).await.body;
    let actions: Vec<_> = audit["audit"].as_array().expect("array").iter().map(|entry| &entry["action"]).collect();
    let count = |action: &str| actions.iter().filter(|other| ***other == action).count();
    assert_eq!((count("invite_revoked"), count("unbanned")), (1, 1), "{actions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn invites_that_ceased_to_be_valid_are_deleted_after_a_day() {
    let group = Group::start("group").await;
    let (revoked, used) = (group.code(json!({})).await, group.code(json!({ "max_uses": 1 })).await);
    let (pending, valid) = (group.code(json!({ "approve": true })).await, group.code(json!({})).await);
    let newcomer = group.app.user().await;
    for (code, user) in [(&used, &newcomer), (&pending, &group.stranger)] {
        let joined = group.app.post(&format!("/api/v1/invites/{code}"), user, &json!({})).await;
        assert!(joined.status < 300, "{joined:?}");
    }
    for code in [&revoked, &pending] {
        assert_eq!(group.call("DELETE", &group.owner, &format!("/invites/{code}"), None).await.status, 204);
    }
    let stored = async || {
        let sql = "SELECT count(*) FROM chat_invites";
        group.app.sql().await.query_one(sql, &[]).await.expect("count").get::<_, i64>(0)
    };
    let new = group.code(json!({})).await;
    assert_eq!(stored().await, 5);
    let age = "UPDATE chat_invites SET created_at = created_at - interval '2 days',
                                       revoked_at = revoked_at - interval '2 days'";
    group.app.sql().await.execute(age, &[]).await.expect("age invites");
    let newest = group.code(json!({})).await;
    assert_eq!(stored().await, 4, "the pending request keeps its invite");
    let mut expected = [valid, new, newest];
    expected.sort_unstable();
    assert_eq!(group.codes().await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn finds_public_chats_by_text_and_by_the_beginning_of_the_handle() {
    let group = Group::start("group").await;
    let created = group.with_handle(&group.owner, "rust_users").await;
    assert_eq!(created["settings"]["history"], "all");
    for handle in ["ruby_users", "go_users"] {
        group.with_handle(&group.owner, handle).await;
    }
    for (query, expected) in [
        ("", vec!["go_users", "ruby_users", "rust_users"]),
        ("after=go_users", vec!["ruby_users", "rust_users"]),
        ("limit=1&after=go_users", vec!["ruby_users"]),
        ("q=RU", vec!["ruby_users", "rust_users"]),
        ("q=ru&after=ruby_users", vec!["rust_users"]),
        ("q=us", vec![]),
        ("q=_", vec![]),
        ("q=st_u", vec!["rust_users"]),
        ("q=users&after=ruby_users", vec!["rust_users"]),
    ] {
        assert_eq!(group.handles(query).await, expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_what_it_would_otherwise_ignore() {
    let group = Group::start("group").await;
    for history in [json!("all"), Value::Null] {
        let answer = group.call("PATCH", &group.owner, "", Some(json!({ "title": "x", "history": history }))).await;
        assert_problem(&answer, 422, "validation_failed", &[("history", "unknown")]);
    }
}
