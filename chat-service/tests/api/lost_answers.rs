//! Commits whose answer is lost: the repeated work publishes and returns what the first attempt did.

use chrono::{TimeDelta, Utc};
use neonchat_common::bus::{Channel, Envelope, Event};
use neonchat_testbed::{
    client::{PASSWORD, User},
    harness,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    lossy_link::LossyLink,
    support::{Listener, TestApp},
};

/// Starts a service, and its link to Postgres.
async fn start() -> (TestApp, LossyLink) {
    let url = harness::test_database().await;
    let port = url.parse::<tokio_postgres::Config>().expect("parse URL").get_ports()[0];
    let link = LossyLink::to(port).await;
    let app = TestApp::launch(&url.replace(&format!(":{port}/"), &format!(":{}/", link.port())), &[]).await;
    app.api.until_ready().await.expect("become ready");
    app.until_redis().await;
    (app, link)
}

fn channel(user: &User) -> Channel {
    Channel::User(user.id.parse().expect("parse id"))
}

#[tokio::test(flavor = "multi_thread")]
async fn announces_chat_whose_first_commit_was_not_answered() {
    let (app, link) = start().await;
    let (alice, bob) = (app.user().await, app.user().await);
    let mut listener = Listener::on([&alice, &bob].map(channel)).await;
    link.lose_answer("COMMIT\0");
    let answer = app.post("/api/v1/chats", &alice, &json!({ "partner_id": bob.id })).await;
    assert!(link.has_lost());
    assert_eq!(answer.status, 201, "{}", answer.body);

    let mut notified = Vec::new();
    for _ in 0..2 {
        let (published_on, text) = listener.next().await;
        let envelope: Envelope<'_> = serde_json::from_str(&text).expect("parse envelope");
        let Event::ChatCreated { chat_id, .. } = envelope.event else { panic!("{text}") };
        assert_eq!(answer.body["id"], chat_id.to_string());
        notified.push(published_on);
    }
    assert!(notified.contains(&channel(&alice)) && notified.contains(&channel(&bob)), "{notified:?}");
    let again = app.post("/api/v1/chats", &alice, &json!({ "partner_id": bob.id })).await;
    assert_eq!((again.status, &again.body["id"]), (200, &answer.body["id"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn announces_group_whose_first_commit_was_not_answered() {
    let (app, link) = start().await;
    let (alice, bob, carol, nobody) = (app.user().await, app.user().await, app.user().await, Uuid::new_v4());
    let mut listener = Listener::on([channel(&bob), channel(&carol)]).await;
    let created_for = async |listener: &mut Listener| {
        let (published_on, text) = listener.next().await;
        let envelope: Envelope<'_> = serde_json::from_str(&text).expect("parse envelope");
        assert!(matches!(envelope.event, Event::ChatCreated { .. }), "{text}");
        published_on
    };
    link.lose_answer("COMMIT\0");
    let body = json!({ "type": "group", "title": "Team", "member_ids": [bob.id, nobody] });
    let answer = app.post("/api/v1/chats", &alice, &body).await;
    assert!(link.has_lost());
    let not_added = json!([{ "user_id": nobody, "reason": "unknown" }]);
    assert_eq!((answer.status, &answer.body["not_added"]), (201, &not_added), "{answer:?}");
    assert_eq!(created_for(&mut listener).await, channel(&bob));

    let path = format!("/api/v1/chats/{}", answer.body["id"].as_str().expect("id"));
    link.lose_answer("COMMIT\0");
    let body = json!({ "user_ids": [carol.id] });
    let answer = app.post(&format!("{path}/members"), &alice, &body).await;
    assert!(link.has_lost());
    assert_eq!((answer.status, &answer.body["added"]), (200, &body["user_ids"]), "{answer:?}");
    assert_eq!(created_for(&mut listener).await, channel(&carol));

    let before = app.get(&format!("{path}/invites"), &alice).await.body;
    let count = |invites: &Value| invites["invites"].as_array().expect("invites").len();
    link.lose_answer("COMMIT\0");
    let answer = app.post(&format!("{path}/invites"), &alice, &json!({})).await;
    assert!(link.has_lost());
    assert_eq!(answer.status, 201, "{answer:?}");
    let after = app.get(&format!("{path}/invites"), &alice).await.body;
    assert_eq!(count(&after), count(&before) + 1, "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn announces_receipt_whose_first_commit_was_not_answered() {
    let (app, link) = start().await;
    let (alice, bob, chat) = app.pair().await;
    app.send(&chat, &alice, "hello").await;
    let mut listener = Listener::on([Channel::Chat(chat.parse().expect("parse id"))]).await;
    link.lose_answer("UPDATE 1\0");
    let answer = app.put(&format!("/api/v1/chats/{chat}/receipt"), &bob, &json!({ "read": 1 })).await;
    assert!(link.has_lost());
    assert_eq!((answer.status, answer.body), (200, json!({ "read_seq": 1, "delivered_seq": 1, "unread_count": 0 })));

    let (_, text) = listener.next().await;
    let envelope: Envelope<'_> = serde_json::from_str(&text).expect("parse envelope");
    let Event::Receipt { user_id, read, .. } = envelope.event else { panic!("{text}") };
    assert_eq!((user_id.to_string(), read), (bob.id, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn closes_sockets_of_logout_whose_first_commit_was_not_answered() {
    let (app, link) = start().await;
    let alice = app.user().await;
    let mut listener = Listener::on([channel(&alice)]).await;
    // The session ends in a transaction, and then the token is revoked.
    for tag in ["COMMIT\0", "INSERT 0 1\0"] {
        let alice = app.api.user(&alice.name).await.expect("log in");
        link.lose_answer(tag);
        let logout = app.api.call("POST", "/api/v1/auth/logout", Some(&alice.token), None).await.expect("call API");
        assert!(link.has_lost());
        assert_eq!(logout.status, 204);
        let (_, text) = listener.next().await;
        let envelope: Envelope<'_> = serde_json::from_str(&text).expect("parse envelope");
        assert!(matches!(&envelope.event, Event::SessionsEnded(ended) if ended.session_ids.len() == 1), "{text}");
        let (_, text) = listener.next().await;
        let envelope: Envelope<'_> = serde_json::from_str(&text).expect("parse envelope");
        assert!(matches!(envelope.event, Event::SessionRevoked { .. }), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refreshes_session_whose_first_commit_was_not_answered() {
    let (app, link) = start().await;
    let alice = app.user().await;
    let credentials = json!({ "username": alice.name, "password": PASSWORD });
    let login = app.api.call("POST", "/api/v1/auth/login", None, Some(&credentials)).await.expect("log in").body;
    let refresh = async |answer: &Value| {
        let body = json!({ "refresh_token": answer["refresh_token"] });
        app.api.call("POST", "/api/v1/auth/refresh", None, Some(&body)).await.expect("call API")
    };
    link.lose_answer("COMMIT\0");
    let first = refresh(&login).await;
    assert!(link.has_lost());
    let second = refresh(&first.body).await;
    assert_eq!((first.status, second.status), (200, 200));

    // The end of a session by a reused token is announced all the same.
    let mut listener = Listener::on([channel(&alice)]).await;
    link.lose_answer("COMMIT\0");
    let reused = refresh(&login).await;
    assert!(link.has_lost());
    assert_eq!((reused.status, &reused.body["code"]), (401, &json!("session_reused")));
    let (_, text) = listener.next().await;
    assert!(text.contains("sessions_ended"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn returns_user_whose_first_commit_was_not_answered() {
    let (app, link) = start().await;
    link.lose_answer("COMMIT\0");
    let credentials = json!({ "username": "alice", "password": PASSWORD });
    let register = async || app.api.call("POST", "/api/v1/auth/register", None, Some(&credentials)).await;
    let answer = register().await.expect("get answer");
    assert!(link.has_lost(), "{} {}", answer.status, answer.body);
    assert_eq!((answer.status, &answer.body["username"]), (201, &json!("alice")));
    assert_eq!(register().await.expect("get answer").status, 409);
    let users = app.sql().await.query("SELECT id::text FROM users", &[]).await.expect("query rows");
    assert_eq!(
        users.iter().map(|row| row.get(0)).collect::<Vec<&str>>(),
        [answer.body["id"].as_str().expect("id as string")]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn cancels_scheduled_message_whose_first_deletion_was_not_answered() {
    let (app, link) = start().await;
    let (alice, _, chat) = app.pair().await;
    let body = json!({ "text": "x", "send_at": Utc::now() + TimeDelta::hours(1) });
    let scheduled = app.post(&format!("/api/v1/chats/{chat}/messages"), &alice, &body).await;
    let id = scheduled.body["scheduled_id"].as_str().expect("id as string");
    let path = format!("/api/v1/chats/{chat}/scheduled/{id}");
    let cancel = async || app.api.call("DELETE", &path, Some(&alice.token), None).await.expect("call API");
    link.lose_answer("DELETE 1\0");
    assert_eq!(cancel().await.status, 204);
    assert!(link.has_lost());
    assert_eq!(cancel().await.status, 404);
}
