//! The presence of users who share a chat.

use serde_json::json;
use uuid::Uuid;

use crate::{
    stand_in::{LAST_SEEN, StandIn, notification_port},
    support::{TestApp, assert_problem},
};

#[tokio::test(flavor = "multi_thread")]
async fn returns_statuses_only_of_partners() {
    let (address, serve) = notification_port().await;
    let app = TestApp::start_with(&[("NOTIFICATION_SERVICE_ADDR", &address.to_string())]).await;
    let (alice, bob, _) = app.pair().await;
    let (carol, stranger) = (app.user().await, app.user().await);
    app.api.chat(&carol, &alice).await.expect("open chat");
    app.api.chat(&stranger, &bob).await.expect("open chat");
    serve(StandIn { online: bob.id.clone(), away: stranger.id.clone(), ..StandIn::default() });

    let unknown = Uuid::new_v4().to_string();
    let ids = [&bob.id, &carol.id, &stranger.id, &alice.id, &bob.id, &unknown].map(String::as_str);
    let answer = app.get(&format!("/api/v1/users/status?ids={}", ids.join(",")), &alice).await;
    let mut statuses = answer.body["statuses"].as_array().expect("array").clone();
    statuses.sort_by_key(|status| status["user_id"] != json!(bob.id));
    let expected = [
        json!({ "user_id": bob.id, "status": "online", "last_seen": LAST_SEEN }),
        json!({ "user_id": carol.id, "status": "offline", "last_seen": null }),
    ];
    assert_eq!((answer.status, statuses.as_slice()), (200, expected.as_slice()));
    let of_stranger = app.get(&format!("/api/v1/users/status?ids={}", stranger.id), &bob).await;
    assert_eq!(of_stranger.body["statuses"][0]["status"], "away");
}

#[tokio::test(flavor = "multi_thread")]
async fn returns_statuses_of_members_of_small_groups() {
    let (address, serve) = notification_port().await;
    let app = TestApp::start_with(&[("NOTIFICATION_SERVICE_ADDR", &address.to_string())]).await;
    let (alice, bob) = (app.user().await, app.user().await);
    serve(StandIn { online: bob.id.clone(), ..StandIn::default() });
    let found = async || {
        let answer = app.get(&format!("/api/v1/users/status?ids={}", bob.id), &alice).await;
        answer.body["statuses"].as_array().expect("array").len()
    };
    let body = |kind: &str| json!({ "type": kind, "title": "Team", "member_ids": [bob.id] });
    assert_eq!(app.post("/api/v1/chats", &alice, &body("channel")).await.status, 201);
    assert_eq!(found().await, 0, "in a channel");
    let group = app.post("/api/v1/chats", &alice, &body("group")).await.body["id"].as_str().expect("id").to_owned();
    assert_eq!(found().await, 1, "in a group");
    let sql = app.sql().await;
    for (members, expected) in [(20, 1), (21, 0), (2, 1)] {
        sql.execute("UPDATE chats SET member_count = $1 WHERE kind = 'group'", &[&members]).await.expect("resize");
        assert_eq!(found().await, expected, "{members} members");
    }
    let closed = app.api.call("DELETE", &format!("/api/v1/chats/{group}"), Some(&alice.token), None).await;
    assert_eq!(closed.expect("close group").status, 200);
    assert_eq!(found().await, 0, "in a closed group");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_unavailable_without_notification_service() {
    let app = TestApp::start().await;
    let (alice, bob, _) = app.pair().await;
    let answer = app.get(&format!("/api/v1/users/status?ids={}", bob.id), &alice).await;
    assert_problem(&answer, 503, "unavailable", &[]);
    // A list without partners needs no notification-service.
    let answer = app.get(&format!("/api/v1/users/status?ids={}", Uuid::new_v4()), &alice).await;
    assert_eq!((answer.status, answer.body), (200, json!({ "statuses": [] })));
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_invalid_list_of_ids() {
    let app = TestApp::start().await;
    let alice = app.user().await;
    let many = vec![alice.id.as_str(); 101].join(",");
    for (query, code) in [
        ("", "required"),
        ("?ids=", "format"),
        ("?ids=x", "format"),
        (&format!("?ids={},", alice.id), "format"),
        (&format!("?ids={many}"), "length"),
    ] {
        let answer = app.get(&format!("/api/v1/users/status{query}"), &alice).await;
        assert_problem(&answer, 422, "validation_failed", &[("ids", code)]);
    }
    let nobody = app.api.call("GET", "/api/v1/users/status?ids=x", None, None).await.expect("call API");
    assert_problem(&nobody, 401, "unauthorized", &[]);
}
