//! Opening and listing chats.

use futures_util::future::join_all;
use neonchat_testbed::client::{Answer, PASSWORD};
use serde_json::{Value, json};

use crate::support::{Fields, TestApp, assert_problem};

#[tokio::test(flavor = "multi_thread")]
async fn opens_one_chat_for_both_members() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.user().await, app.user().await);

    let created = app.post("/api/v1/chats", &alice, &json!({ "partner_id": bob.id })).await;
    let item = |partner: &neonchat_testbed::client::User| {
        json!({
            "id": created.body["id"],
            "type": "direct",
            "partner": { "id": partner.id, "username": partner.name, "online": false, "status": "offline", "last_seen_at": null },
            "settings": { "ttl_s": 0 },
            "last_message": null,
            "unread_count": 0,
            "mention_count": 0,
            "first_seq": 1,
            "last_seq": 0,
            "read_seq": 0,
            "muted_until": null,
            "level": "all",
            "archived": false,
            "pin_place": null,
            "marked_unread": false,
            "folder": null,
            "draft": null,
            "partner_read_seq": 0,
            "partner_delivered_seq": 0,
            "updated_at": created.body["updated_at"],
        })
    };
    assert_eq!((created.status, &created.body), (201, &item(&bob)));
    assert_eq!(
        uuid::Uuid::parse_str(created.body["id"].as_str().expect("id as string"))
            .expect("parse UUID")
            .get_version_num(),
        7
    );

    for (user, partner) in [(&alice, &bob), (&bob, &alice)] {
        let again = app.post("/api/v1/chats", user, &json!({ "partner_id": partner.id })).await;
        assert_eq!((again.status, &again.body), (200, &item(partner)));
        let one = app.get(&format!("/api/v1/chats/{}", created.body["id"].as_str().expect("id as string")), user).await;
        assert_eq!((one.status, &one.body), (200, &item(partner)));
        let list = app.get("/api/v1/chats", user).await;
        let expected = json!({ "chats": [item(partner)], "total": 1, "has_more": false, "next": null });
        assert_eq!((list.status, list.body), (200, expected));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_chat_with_oneself_or_unknown_user() {
    let app = TestApp::start().await;
    let alice = app.user().await;
    let unknown = json!({ "partner_id": uuid::Uuid::new_v4() });
    assert_problem(&app.post("/api/v1/chats", &alice, &unknown).await, 404, "not_found", &[]);
    let answer = app.post("/api/v1/chats", &alice, &json!({ "partner_id": alice.id })).await;
    assert_problem(&answer, 422, "validation_failed", &[("partner_id", "oneself")]);
    assert_eq!(app.get("/api/v1/chats", &alice).await.body["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_the_chats_that_a_user_can_open() {
    let app = TestApp::start_with(&[("DIRECT_CHATS_PER_USER", "3")]).await;
    let alice = app.user().await;
    let mut partners = Vec::new();
    for _ in 0..8 {
        partners.push(app.user().await);
    }
    // Groups are not counted.
    let group = app.post("/api/v1/chats", &alice, &json!({ "type": "group", "title": "x" })).await;
    assert_eq!(group.status, 201);
    // Concurrent requests are all counted.
    let opened = partners.iter().map(async |partner| {
        let answer = app.post("/api/v1/chats", &alice, &json!({ "partner_id": partner.id })).await;
        if answer.status != 201 {
            assert_problem(&answer, 409, "limit_reached", &[]);
        }
        (partner, answer.status == 201)
    });
    let opened = join_all(opened).await;
    assert_eq!(opened.iter().filter(|(_, is_new)| *is_new).count(), 3);
    assert_eq!(app.get("/api/v1/chats", &alice).await.body["total"], 4);
    for (partner, is_open) in opened {
        let again = app.post("/api/v1/chats", &alice, &json!({ "partner_id": partner.id })).await;
        assert_eq!(again.status, if is_open { 200 } else { 409 });
        if !is_open {
            // The partner is below the limit.
            let answer = app.post("/api/v1/chats", partner, &json!({ "partner_id": alice.id })).await;
            assert_eq!(answer.status, 201);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_opens_create_one_chat() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.user().await, app.user().await);
    let opened = join_all((0..16).map(|turn| {
        let (user, partner) = if turn % 2 == 0 { (&alice, &bob) } else { (&bob, &alice) };
        let body = json!({ "partner_id": partner.id });
        let app = &app;
        async move { app.post("/api/v1/chats", user, &body).await }
    }))
    .await;
    let mut ids: Vec<_> = opened.iter().map(|answer| answer.body["id"].as_str().expect("id as string")).collect();
    ids.dedup();
    assert_eq!(ids.len(), 1, "{opened:?}");
    let mut statuses: Vec<_> = opened.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!((statuses[14], statuses[15]), (200, 201));
    assert_eq!(app.get("/api/v1/chats", &alice).await.body["total"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_chat_looks_like_an_unknown_one() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.pair().await;
    let message = app.send(&chat, &alice, "hello").await.message_id;
    let mallory = app.user().await;
    let (one, versions) = (format!("/messages/{message}"), format!("/messages/{message}/versions"));
    let seen = format!("/messages/{message}/seen");
    let group = json!({ "type": "group", "title": "Team" });
    let group = app.post("/api/v1/chats", &alice, &group).await;
    let group = group.body["id"].as_str().expect("id as string").to_owned();
    let target = |list: &str| format!("/{list}/{}", alice.id);
    let (member, request, ban) = (target("members"), target("requests"), target("bans"));
    let users = Some(json!({ "user_ids": [alice.id] }));
    let owner = json!({ "user_id": mallory.id, "password": PASSWORD });
    let requests = [
        ("GET", "", None),
        ("GET", "/messages", None),
        ("GET", "/events", None),
        ("POST", "/messages", Some(json!({ "text": "hello" }))),
        ("PUT", "/receipt", Some(json!({ "read": 1 }))),
        ("GET", "/receipts", None),
        ("GET", &seen, None),
        ("PATCH", "/me", Some(json!({ "pin_place": 1 }))),
        ("PUT", "/draft", Some(json!({ "text": "hello" }))),
        ("PUT", "/draft", Some(json!({ "text": "" }))),
        ("POST", "/clear", Some(json!({ "upto": 1 }))),
        ("PATCH", &one, Some(json!({ "text": "hello" }))),
        ("DELETE", &one, None),
        ("POST", "/messages/delete", Some(json!({ "ids": [message] }))),
        ("GET", &versions, None),
        ("PATCH", "", Some(json!({ "title": "hello" }))),
        ("DELETE", "", None),
        ("GET", "/members", None),
        ("POST", "/members", users.clone()),
        ("POST", "/members/remove", users),
        ("DELETE", "/members/me", None),
        ("PATCH", &member, Some(json!({ "role": "admin" }))),
        ("PUT", "/owner", Some(owner)),
        ("GET", "/invites", None),
        ("POST", "/invites", Some(json!({}))),
        ("DELETE", "/invites/wGx0VFg1Rn2x6tTtq1pY3Q", None),
        ("POST", "/join", None),
        ("GET", "/requests", None),
        ("PUT", &request, Some(json!({ "accept": true }))),
        ("GET", "/bans", None),
        ("POST", "/bans", Some(json!({ "user_id": alice.id }))),
        ("DELETE", &ban, None),
        ("GET", "/audit", None),
    ];
    for (method, tail, body) in requests {
        let mut answers = Vec::new();
        for id in [&uuid::Uuid::now_v7().to_string(), &chat, &group] {
            let path = format!("/api/v1/chats/{id}{tail}");
            let mut answer = app.api.call(method, &path, Some(&mallory.token), body.as_ref()).await.expect("call API");
            assert_problem(&answer, 404, "not_found", &[]);
            answer.body["request_id"] = Value::Null;
            answers.push(answer.body);
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{method} {tail}: {answers:?}");
    }
}

fn ids(list: &Answer) -> Vec<&str> {
    assert_eq!(list.status, 200, "{list:?}");
    let chats = list.body["chats"].as_array().expect("array of chats");
    chats.iter().map(|chat| chat["id"].as_str().expect("id as string")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_chats_by_latest_activity_in_pages() {
    let app = TestApp::start().await;
    let me = app.user().await;
    let mut chats = Vec::new();
    for _ in 0..3 {
        let partner = app.user().await;
        let chat = app.api.chat(&me, &partner).await.expect("open chat");
        chats.push((chat, partner));
    }
    // A message makes the first chat the latest one.
    app.send(&chats[0].0, &chats[0].1, "hello").await;
    let expected = [&*chats[0].0, &chats[2].0, &chats[1].0];

    let list = async |query: &str| app.get(&format!("/api/v1/chats?{query}"), &me).await;
    let page = |list: &Answer| (list.body["total"].as_i64(), list.body["has_more"].as_bool());
    let all = list("").await;
    assert_eq!((ids(&all).as_slice(), page(&all)), (&expected[..], (Some(3), Some(false))));
    let first = list("limit=2").await;
    assert_eq!((ids(&first).as_slice(), page(&first)), (&expected[..2], (Some(3), Some(true))));
    let second = list("limit=2&offset=2").await;
    assert_eq!((ids(&second).as_slice(), page(&second)), (&expected[2..], (Some(3), Some(false))));
    let beyond = list("offset=3").await;
    assert_eq!((ids(&beyond).len(), page(&beyond)), (0, (Some(3), Some(false))));
    let unread = list("unread_only=true").await;
    assert_eq!((ids(&unread).as_slice(), page(&unread)), (&expected[..1], (Some(1), Some(false))));
    let latest = all.body["chats"][0]["updated_at"].as_str().expect("read time");
    let (since, later) =
        (list("updated_after=2020-01-01T00:00:00Z").await, list(&format!("updated_after={latest}")).await);
    assert_eq!((ids(&since).as_slice(), page(&since)), (&expected[..], (Some(3), Some(false))));
    assert_eq!((ids(&later).len(), page(&later)), (0, (Some(0), Some(false))), "the time itself is not after it");

    // An edit does not move the chat up, but changes it.
    let (chat, partner) = &chats[0];
    let message = all.body["chats"][0]["last_message"]["id"].as_str().expect("read id");
    let path = format!("/api/v1/chats/{chat}/messages/{message}");
    let edit = json!({ "text": "hello!" });
    let edited = app.api.call("PATCH", &path, Some(&partner.token), Some(&edit)).await.expect("edit message");
    assert_eq!(edited.status, 200, "{edited:?}");
    assert_eq!(ids(&list(&format!("updated_after={latest}")).await), [chat.as_str()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_list_parameters_out_of_range() {
    let app = TestApp::start().await;
    let me = app.user().await;
    let cases: &[(&str, Fields<'_>)] = &[
        ("limit=0", &[("limit", "range")]),
        (
            "limit=101&offset=-1&unread_only=maybe",
            &[("limit", "range"), ("offset", "range"), ("unread_only", "format")],
        ),
        ("offset=99999999999", &[("offset", "range")]),
        ("type=room", &[("type", "value")]),
        ("updated_after=yesterday", &[("updated_after", "format")]),
        ("archived=1&folder=", &[("archived", "format"), ("folder", "length")]),
        ("after=x", &[("after", "format")]),
        ("after=&offset=1", &[("offset", "conflict")]),
    ];
    for (query, fields) in cases {
        assert_problem(&app.get(&format!("/api/v1/chats?{query}"), &me).await, 422, "validation_failed", fields);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_messages_of_others_after_the_read_marker() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    let item = async |user| {
        let body = app.get(&format!("/api/v1/chats/{chat}"), user).await.body;
        (body["unread_count"].as_i64(), body["last_seq"].as_i64(), body["read_seq"].as_i64())
    };
    app.send(&chat, &alice, "one").await;
    app.send(&chat, &alice, "two").await;
    assert_eq!(item(&alice).await, (Some(0), Some(2), Some(2)));
    assert_eq!(item(&bob).await, (Some(2), Some(2), Some(0)));

    // Sending a message marks the earlier ones as read.
    let answer = app.send(&chat, &bob, "three").await;
    assert_eq!(item(&bob).await, (Some(0), Some(3), Some(3)));
    assert_eq!(item(&alice).await, (Some(1), Some(3), Some(2)));

    let list = app.get("/api/v1/chats", &alice).await.body;
    let created_at = neonchat_common::time::rfc3339(
        &neonchat_common::time::from_micros(answer.created_at_micros).expect("time in range"),
    );
    let last_message = json!({
        "id": answer.message_id, "seq": 3, "text": "three", "sender_id": bob.id, "created_at": created_at
    });
    assert_eq!(
        (&list["chats"][0]["last_message"], &list["chats"][0]["updated_at"]),
        (&last_message, &json!(created_at))
    );
}
