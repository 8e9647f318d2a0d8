//! Read and delivered markers of many members, and who is told of them.

use neonchat_common::{
    bus::{Channel, Envelope, Event},
    error::{ApiError, ErrorCode},
};
use neonchat_proto::chat::v1::{ChatClass, MarkReadManyRequest, MarkedMember, MarkedState};
use neonchat_testbed::{
    client::{Answer, User},
    harness::until,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Listener, TestApp, assert_problem};

/// How far the markers of a member are to be moved.
type Target<'a> = (&'a str, &'a User, i64, i64);

async fn mark(app: &TestApp, targets: &[Target<'_>]) -> Result<Vec<MarkedState>, ApiError> {
    let member = |&(chat, user, read, delivered): &Target<'_>| MarkedMember {
        chat_id: chat.to_owned(),
        user_id: user.id.clone(),
        read,
        delivered,
    };
    let request = MarkReadManyRequest { members: targets.iter().map(member).collect() };
    Ok(app.chat_service().mark_read_many(app.grpc.request(request)).await?.into_inner().states)
}

async fn group(app: &TestApp, owner: &User, members: &[&User]) -> String {
    let ids: Vec<_> = members.iter().map(|user| &user.id).collect();
    let body = json!({ "type": "group", "title": "Team", "member_ids": ids });
    let created = app.post("/api/v1/chats", owner, &body).await;
    assert_eq!(created.status, 201, "{created:?}");
    created.body["id"].as_str().expect("id as string").to_owned()
}

async fn resize(app: &TestApp, chat: &str, members: i32) {
    let id: Uuid = chat.parse().expect("parse id");
    let update = "UPDATE chats SET member_count = $2 WHERE id = $1";
    app.sql().await.execute(update, &[&id, &members]).await.expect("resize chat");
}

#[tokio::test(flavor = "multi_thread")]
async fn moves_markers_of_many_members_and_never_back() {
    let app = TestApp::start().await;
    let (alice, bob, direct) = app.pair().await;
    let (carol, mallory) = (app.user().await, app.user().await);
    let team = group(&app, &alice, &[&bob, &carol]).await;
    for _ in 0..4 {
        app.send(&direct, &alice, "hello").await;
        app.send(&team, &alice, "hello").await;
    }
    resize(&app, &team, 500).await;
    let unknown = Uuid::now_v7().to_string();
    let targets = [
        (&*team, &carol, 0, 99),
        (&direct, &mallory, 4, 4),
        (&direct, &bob, 2, 3),
        (&team, &bob, 3, 0),
        (&unknown, &bob, 1, 1),
        (&direct, &bob, 3, 0),
    ];
    let state = |read_seq, delivered_seq, changed, is_group| MarkedState {
        is_member: true,
        read_seq,
        delivered_seq,
        unread_count: 4 - read_seq,
        changed,
        class: (if is_group { ChatClass::Medium } else { ChatClass::Small }).into(),
        is_group,
    };
    let after = |changed| {
        let bob = state(3, 3, changed, false);
        let stranger = MarkedState::default();
        [state(0, 4, changed, true), stranger, bob, state(3, 3, changed, true), stranger, bob]
    };
    assert_eq!(mark(&app, &targets).await.expect("mark"), after(true));
    assert_eq!(mark(&app, &targets).await.expect("mark again"), after(false));
    let lower = [(&*team, &carol, 0, 1), (&direct, &bob, 1, 0), (&direct, &bob, 0, 3)];
    let [of_carol, _, of_bob, ..] = after(false);
    assert_eq!(mark(&app, &lower).await.expect("mark lower"), [of_carol, of_bob, of_bob]);

    let closed = app.api.call("DELETE", &format!("/api/v1/chats/{team}"), Some(&alice.token), None).await;
    assert_eq!(closed.expect("close chat").status, 200);
    assert_eq!(mark(&app, &[(&team, &bob, 4, 4)]).await.expect("mark closed"), [MarkedState::default()]);
    let metrics = reqwest::get(format!("{}/metrics", app.base)).await.expect("get answer").text().await;
    assert!(metrics.expect("read text").contains("chat_read_markers_written_total"));
}

#[tokio::test(flavor = "multi_thread")]
async fn member_whose_row_is_locked_does_not_hold_up_others() {
    let app = TestApp::start().await;
    let (alice, bob, direct) = app.pair().await;
    let team = group(&app, &alice, &[&bob]).await;
    for chat in [&direct, &team] {
        app.send(chat, &alice, "hello").await;
    }
    let (mut locking, sql) = (app.sql().await, app.sql().await);
    let transaction = locking.transaction().await.expect("begin");
    let lock = "UPDATE chat_members SET read_seq = read_seq WHERE chat_id::text = $1";
    transaction.execute(lock, &[&direct]).await.expect("lock rows");

    let targets = [(&*direct, &bob, 1, 0), (&team, &bob, 1, 0)];
    let marking = mark(&app, &targets);
    let unlocking = async {
        let read = "SELECT read_seq FROM chat_members WHERE chat_id::text = $1 AND user_id::text = $2";
        until("the other row is written", async || {
            let row = sql.query_one(read, &[&team, &bob.id]).await.expect("query row");
            row.get::<_, i64>(0) == 1
        })
        .await;
        transaction.commit().await.expect("unlock rows");
    };
    let (marked, ()) = tokio::join!(marking, unlocking);
    let marked = marked.expect("mark");
    assert!(marked.iter().all(|state| state.read_seq == 1 && state.changed), "{marked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_invalid_calls() {
    let app = TestApp::start().await;
    let (_, bob, chat) = app.pair().await;
    let one = (&*chat, &bob, 1, 1);
    for targets in
        [vec![], vec![("x", &bob, 1, 1)], vec![(&*chat, &bob, -1, 1)], vec![(&*chat, &bob, 1, -1)], vec![one; 1001]]
    {
        let error = mark(&app, &targets).await.expect_err("refuse request");
        assert_eq!(error.code, ErrorCode::ValidationFailed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn partner_sees_what_is_delivered_and_then_read() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    app.until_redis().await;
    let mut listener = Listener::on([Channel::Chat(chat.parse().expect("parse id"))]).await;
    for _ in 0..3 {
        app.send(&chat, &alice, "hello").await;
    }
    let put = async |body: Value| app.put(&format!("/api/v1/chats/{chat}/receipt"), &bob, &body).await.body;
    let shown = async |user| {
        let item = app.get(&format!("/api/v1/chats/{chat}"), user).await.body;
        ["read_seq", "partner_read_seq", "partner_delivered_seq"].map(|name| item[name].as_i64().expect("seq"))
    };
    for (body, read, delivered) in [
        (json!({ "delivered": 2 }), 0, 2),
        (json!({ "read": 1, "delivered": 1 }), 1, 2),
        (json!({ "read": 3 }), 3, 3),
        (json!({ "delivered": 99 }), 3, 3),
    ] {
        let state = json!({ "read_seq": read, "delivered_seq": delivered, "unread_count": 3 - read });
        assert_eq!(put(body).await, state);
        assert_eq!(shown(&alice).await, [3, read, delivered]);
        assert_eq!(shown(&bob).await, [read, 3, 3], "sending reads");
    }
    for expected in [(0, Some(2), Some(3)), (1, Some(2), Some(2)), (3, Some(3), Some(0))] {
        let (_, text) = listener.next().await;
        let envelope: Envelope<'_> = serde_json::from_str(&text).expect("parse envelope");
        let Event::Receipt { read, delivered, unread_count, .. } = envelope.event else { panic!("{text}") };
        assert_eq!((read, delivered, unread_count), expected);
    }
    let receipts = app.get(&format!("/api/v1/chats/{chat}/receipts"), &alice).await;
    let all = json!({ &alice.id: 3, &bob.id: 3 });
    assert_eq!((receipts.status, receipts.body), (200, json!({ "read": all, "delivered": all })));
}

#[tokio::test(flavor = "multi_thread")]
async fn announces_to_own_sockets_alone_in_larger_groups() {
    let app = TestApp::start().await;
    let (alice, bob, _) = app.pair().await;
    let team = group(&app, &alice, &[&bob]).await;
    app.send(&team, &alice, "hello").await;
    app.send(&team, &alice, "hello").await;
    app.until_redis().await;
    let chat = Channel::Chat(team.parse().expect("parse id"));
    let own = Channel::User(bob.id.parse().expect("parse id"));
    let mut listener = Listener::on([chat, own]).await;
    for (members, read, expected) in [(100, 1, chat), (101, 2, own)] {
        resize(&app, &team, members).await;
        let answer = app.put(&format!("/api/v1/chats/{team}/receipt"), &bob, &json!({ "read": read })).await;
        assert_eq!(answer.status, 200);
        let (channel, text) = listener.next().await;
        let envelope: Envelope<'_> = serde_json::from_str(&text).expect("parse envelope");
        let is_shown_to_all = matches!(envelope.event, Event::Receipt { is_group: true, .. });
        let is_own = matches!(envelope.event, Event::OwnReceipt { unread_count: Some(0), .. });
        assert_eq!((channel, is_shown_to_all, is_own), (expected, expected == chat, expected == own), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn small_groups_tell_who_has_read_what() {
    let app = TestApp::start().await;
    let (alice, bob, _) = app.pair().await;
    let (carol, newcomer) = (app.user().await, app.user().await);
    let team = group(&app, &alice, &[&bob, &carol]).await;
    let message = app.send(&team, &alice, "hello").await.message_id;
    let later = app.send(&team, &alice, "hello").await.message_id;
    let added = json!({ "user_ids": [newcomer.id] });
    assert_eq!(app.post(&format!("/api/v1/chats/{team}/members"), &alice, &added).await.status, 200);
    mark(&app, &[(&team, &bob, 2, 0), (&team, &carol, 1, 2)]).await.expect("mark");

    let seen =
        async |user, message: &str| app.get(&format!("/api/v1/chats/{team}/messages/{message}/seen"), user).await;
    let seen_by = |answer: Answer| {
        assert_eq!((answer.status, &answer.body["next"]), (200, &Value::Null), "{answer:?}");
        let users = answer.body["seen"].as_array().expect("array").iter();
        let mut users: Vec<_> = users.map(|seen| seen["user_id"].as_str().expect("id").to_owned()).collect();
        users.sort_unstable();
        users
    };
    let mut both = vec![bob.id.clone(), carol.id.clone()];
    both.sort_unstable();
    assert_eq!(seen_by(seen(&alice, &message).await), both, "neither the sender nor who joined later");
    assert_eq!(seen_by(seen(&carol, &later).await), [&*bob.id]);
    assert_problem(&seen(&newcomer, &message).await, 404, "not_found", &[]);
    let receipts = async |user| app.get(&format!("/api/v1/chats/{team}/receipts"), user).await;
    let shown = receipts(&newcomer).await.body;
    assert_eq!([&shown["read"][&carol.id], &shown["delivered"][&carol.id]], [&json!(1), &json!(2)]);
    assert_eq!(shown["read"].as_object().map(serde_json::Map::len), Some(4));

    let mallory = app.user().await;
    for answer in [seen(&mallory, &message).await, receipts(&mallory).await] {
        assert_problem(&answer, 404, "not_found", &[]);
    }
    assert_problem(&seen(&alice, &Uuid::now_v7().to_string()).await, 404, "not_found", &[]);
    assert_problem(&seen(&alice, "x").await, 422, "validation_failed", &[("id", "format")]);
    let delete = format!("/api/v1/chats/{team}/messages/{message}");
    let deleted = app.api.call("DELETE", &delete, Some(&alice.token), None).await.expect("delete message");
    assert_eq!(deleted.status, 200);
    assert_problem(&seen(&alice, &message).await, 404, "not_found", &[]);

    resize(&app, &team, 101).await;
    for answer in [seen(&alice, &later).await, receipts(&alice).await] {
        assert_problem(&answer, 403, "forbidden", &[]);
        assert_eq!(answer.body.get("reason"), None, "no role helps");
    }
}
