//! The presence of users who share a chat.

use neonchat_common::error::{ApiError, ErrorCode};
use neonchat_proto::chat::v1::{LastSeen, RecordLastSeenRequest};
use neonchat_testbed::client::User;
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
    record(&app, &[(&carol, 1_767_323_045_000_006)]).await.expect("record time");

    let unknown = Uuid::new_v4().to_string();
    let ids = [&bob.id, &carol.id, &stranger.id, &alice.id, &bob.id, &unknown].map(String::as_str);
    let answer = app.get(&format!("/api/v1/users/status?ids={}", ids.join(",")), &alice).await;
    let mut statuses = answer.body["statuses"].as_array().expect("array").clone();
    statuses.sort_by_key(|status| status["user_id"] != json!(bob.id));
    let expected = [
        json!({ "user_id": bob.id, "online": true, "status": "online", "last_seen": LAST_SEEN, "last_seen_at": null }),
        json!({ "user_id": carol.id, "online": false, "status": "offline", "last_seen": null,
            "last_seen_at": "2026-01-02T03:04:05.000006Z" }),
    ];
    assert_eq!((answer.status, statuses.as_slice()), (200, expected.as_slice()));
    let of_stranger = app.get(&format!("/api/v1/users/status?ids={}", stranger.id), &bob).await;
    assert_eq!(of_stranger.body["statuses"][0]["status"], "away");
    let partner = app.get("/api/v1/chats", &stranger).await.body["chats"][0]["partner"].clone();
    assert_eq!([&partner["online"], &partner["status"]], [&json!(true), &json!("online")]);
    let partner = app.get("/api/v1/chats", &carol).await.body["chats"][0]["partner"].clone();
    assert_eq!([&partner["online"], &partner["status"]], [&json!(false), &json!("offline")]);
}

async fn record(app: &TestApp, users: &[(&User, i64)]) -> Result<(), ApiError> {
    let seen = |(user, at_micros): &(&User, i64)| LastSeen { user_id: user.id.clone(), at_micros: *at_micros };
    let request = RecordLastSeenRequest { users: users.iter().map(seen).collect() };
    app.chat_service().record_last_seen(app.grpc.request(request)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn last_seen_time_never_moves_back_or_into_the_future() {
    let app = TestApp::start().await;
    let (alice, bob, _) = app.pair().await;
    let shown = async || {
        let list = app.get("/api/v1/chats", &alice).await.body;
        list["chats"][0]["partner"]["last_seen_at"].as_str().map(str::to_owned)
    };
    assert_eq!(shown().await, None, "nothing is known");
    let second = |second: i64| 1_767_323_040_000_000 + second * 1_000_000;
    let (first, later) = ("2026-01-02T03:04:05.000000Z", "2026-01-02T03:04:09.000000Z");
    for (times, expected) in [(&[5][..], first), (&[4], first), (&[7, 9, 8], later)] {
        let stranger = User { id: Uuid::new_v4().to_string(), ..bob.clone() };
        let users: Vec<_> = times.iter().map(|at| (&bob, second(*at))).chain([(&stranger, second(1))]).collect();
        record(&app, &users).await.expect("record times");
        assert_eq!(shown().await.as_deref(), Some(expected), "{times:?}");
    }
    record(&app, &[(&bob, 4_000_000_000_000_000)]).await.expect("record time");
    let shown = shown().await.expect("time");
    assert!(shown.as_str() > later && shown.as_str() < "2090", "{shown}");

    let code = async |users: &[(&User, i64)]| record(&app, users).await.expect_err("refuse request").code;
    let nobody = User { id: "x".to_owned(), ..bob.clone() };
    for users in [&[][..], &[(&nobody, 5)], &[(&bob, i64::MAX)], &vec![(&bob, 5); 1001]] {
        assert_eq!(code(users).await, ErrorCode::ValidationFailed);
    }
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
