//! Who sends scheduled messages, and what becomes of those that cannot be sent.

use neonchat_common::bus::{Channel, Envelope, Event};
use neonchat_testbed::{client::User, harness::until};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{SOON, ahead};
use crate::{
    stand_in::{StandIn, notification_port},
    support::{Listener, TestApp, assert_problem},
};

/// Creates a group of the owner with these members.
async fn group(app: &TestApp, owner: &User, members: &[&User]) -> String {
    let members: Vec<_> = members.iter().map(|member| &member.id).collect();
    let body = json!({ "type": "group", "title": "Team", "member_ids": members });
    app.post("/api/v1/chats", owner, &body).await.body["id"].as_str().expect("id as string").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_send_each_message_once() {
    let first = TestApp::start_with(&SOON).await;
    let second = TestApp::launch(&first.database, &SOON).await;
    second.api.until_ready().await.expect("become ready");
    let (alice, bob, chat) = first.pair().await;
    let sql = first.sql().await;
    let insert = format!(
        "INSERT INTO scheduled_messages (id, chat_id, sender_id, request_id, digest, send_at, due_at, body)
         SELECT gen_random_uuid(), '{chat}', CASE n % 2 WHEN 0 THEN '{}' ELSE '{}' END::uuid, gen_random_uuid(), 0,
                now() + n * interval '1 us', now(), jsonb_build_object('text', n::text)
           FROM generate_series(1, 500) AS n",
        alice.id, bob.id
    );
    sql.batch_execute(&insert).await.expect("schedule messages");
    let left =
        async || sql.query_one("SELECT count(*) FROM scheduled_messages", &[]).await.expect("count").get::<_, i64>(0);
    until("all are sent", async || left().await == 0).await;
    let sent = "SELECT count(*), count(DISTINCT text), max(seq) FROM messages";
    let row = sql.query_one(sent, &[]).await.expect("count messages");
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)), (500, 500, 500));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_sent_in_the_order_of_their_times() {
    let app = TestApp::start_with(&SOON).await;
    let (alice, _, chat) = app.pair().await;
    let sql = app.sql().await;
    // More than are claimed together, in another order than that of their ids.
    let insert = format!(
        "INSERT INTO scheduled_messages (id, chat_id, sender_id, request_id, digest, send_at, due_at, body)
         SELECT gen_random_uuid(), '{chat}', '{}', gen_random_uuid(), 0, at, at, jsonb_build_object('text', n::text)
           FROM generate_series(1, 300) AS n, LATERAL (SELECT now() - interval '1 s' + n * interval '1 us' AS at) AS due
          ORDER BY md5(n::text)",
        alice.id
    );
    sql.batch_execute(&insert).await.expect("schedule messages");
    let sent = "SELECT count(*), array_agg(text::int ORDER BY seq) FROM messages";
    until("all are sent", async || sql.query_one(sent, &[]).await.expect("count").get::<_, i64>(0) == 300).await;
    let order: Vec<i32> = sql.query_one(sent, &[]).await.expect("read order").get(1);
    assert_eq!(order, (1..=300).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn message_of_an_instance_that_died_is_sent_once() {
    let (address, serve) = notification_port().await;
    let (sender, mut delivered) = tokio::sync::mpsc::channel(10);
    let address = address.to_string();
    let app = TestApp::start_with(&[SOON[0], ("NOTIFICATION_SERVICE_ADDR", &address)]).await;
    serve(StandIn { delivered: Some(sender), ..StandIn::default() });
    let (alice, _, chat) = app.pair().await;
    let sql = app.sql().await;
    let request = Uuid::new_v4();
    let body = json!({ "text": "x", "request_id": request, "send_at": ahead(60_000) });
    assert_eq!(app.schedule(&chat, &alice, body).await.status, 202);
    let save = "CREATE TABLE saved AS SELECT * FROM scheduled_messages;
                UPDATE scheduled_messages SET due_at = now()";
    sql.batch_execute(save).await.expect("save row");
    let first = delivered.recv().await.expect("deliver message");
    until("the row is deleted", async || {
        sql.query("SELECT FROM scheduled_messages", &[]).await.expect("read rows").is_empty()
    })
    .await;
    // As if the instance had died before it deleted the row.
    let restore =
        "UPDATE saved SET due_at = now(), is_claimed = TRUE; INSERT INTO scheduled_messages SELECT * FROM saved";
    sql.batch_execute(restore).await.expect("restore row");
    let second = delivered.recv().await.expect("deliver message again");
    assert_eq!((&first.message_id, &first.metadata), (&second.message_id, &second.metadata));
    assert_eq!(app.history(&chat, &alice).await.len(), 1);
    until("the row is deleted", async || {
        sql.query("SELECT FROM scheduled_messages", &[]).await.expect("read rows").is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claim_ends_when_the_database_works_again() {
    let app = TestApp::start_with(&SOON).await;
    let (alice, _, chat) = app.pair().await;
    let sql = app.sql().await;
    let fail = "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'failed'; END $$;
                CREATE TRIGGER fail BEFORE DELETE ON scheduled_messages FOR EACH ROW EXECUTE FUNCTION fail()";
    sql.batch_execute(fail).await.expect("let deletions fail");
    let body = json!({ "text": "x", "send_at": ahead(100) });
    assert_eq!(app.schedule(&chat, &alice, body).await.status, 202);
    app.until_sent(&chat, &alice, 1).await;
    // As the clock of the database was ahead.
    sql.batch_execute("UPDATE scheduled_messages SET due_at = now() + interval '1 hour'").await.expect("change row");
    sql.batch_execute("DROP TRIGGER fail ON scheduled_messages").await.expect("let deletions succeed");
    until("the row is deleted", async || {
        sql.query("SELECT FROM scheduled_messages", &[]).await.expect("read rows").is_empty()
    })
    .await;
    assert_eq!(app.history(&chat, &alice).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn message_is_sent_after_the_clock_of_postgres_was_set_back() {
    let app = TestApp::start_with(&SOON).await;
    let (alice, _, chat) = app.pair().await;
    assert_eq!(app.schedule(&chat, &alice, json!({ "text": "x", "send_at": ahead(3_600_000) })).await.status, 202);
    let claim = "UPDATE scheduled_messages SET send_at = now(), due_at = now() + interval '1 hour', is_claimed = TRUE";
    assert_eq!(app.sql().await.execute(claim, &[]).await.expect("change row"), 1);
    app.until_sent(&chat, &alice, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sender_learns_that_a_message_is_not_sent() {
    let app = TestApp::start_with(&SOON).await;
    app.until_redis().await;
    let (owner, member) = (app.user().await, app.user().await);
    let chat = group(&app, &owner, &[&member]).await;
    let restrict = json!({ "restricted_until": "2100-01-01T00:00:00Z" });
    let restricted = format!("/api/v1/chats/{chat}/members/{}", member.id);
    let scheduled = async || {
        let scheduled = app.schedule(&chat, &member, json!({ "text": "x", "send_at": ahead(300) })).await;
        assert_eq!(scheduled.status, 202, "{scheduled:?}");
        scheduled.body["scheduled_id"].clone()
    };
    let mut listener = Listener::on([Channel::User(member.id.parse().expect("parse id"))]).await;
    let mut failure = async || loop {
        let (_, text) = listener.next().await;
        let envelope: Envelope<'_> = serde_json::from_str(&text).expect("parse envelope");
        if let Event::Personal { frame, .. } = envelope.event {
            return serde_json::from_str::<Value>(frame.get()).expect("parse frame");
        }
    };
    let id = scheduled().await;
    app.api.call("PATCH", &restricted, Some(&owner.token), Some(&restrict)).await.expect("restrict member");
    let expected = json!({
        "type": "scheduled_failed", "scheduled_id": id, "chat_id": chat, "code": "forbidden", "reason": "restricted",
    });
    assert_eq!(failure().await, expected);
    let refused = app.schedule(&chat, &member, json!({ "text": "x", "send_at": ahead(300) })).await;
    assert_problem(&refused, 403, "forbidden", &[]);
    app.api
        .call("PATCH", &restricted, Some(&owner.token), Some(&json!({ "restricted_until": null })))
        .await
        .expect("lift");
    let id = scheduled().await;
    app.post(&format!("/api/v1/chats/{chat}/members/remove"), &owner, &json!({ "user_ids": [member.id] })).await;
    let expected = json!({ "type": "scheduled_failed", "scheduled_id": id, "chat_id": chat, "code": "not_found" });
    assert_eq!(failure().await, expected);
    assert_eq!(app.history(&chat, &owner).await, [Value::Null; 0]);
    let rows =
        app.sql().await.query("SELECT FROM scheduled_messages WHERE NOT is_claimed", &[]).await.expect("read rows");
    assert_eq!(rows.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_in_slow_mode() {
    let app = TestApp::start_with(&SOON).await;
    let (owner, member) = (app.user().await, app.user().await);
    let chat = group(&app, &owner, &[&member]).await;
    let path = format!("/api/v1/chats/{chat}");
    let slow = json!({ "settings": { "slow_s": 1 } });
    app.api.call("PATCH", &path, Some(&owner.token), Some(&slow)).await.expect("set slow mode");
    let at = ahead(300);
    for text in ["first", "second"] {
        assert_eq!(app.schedule(&chat, &member, json!({ "text": text, "send_at": at })).await.status, 202);
    }
    let messages = app.until_sent(&chat, &member, 2).await;
    assert_eq!([&messages[0]["text"], &messages[1]["text"]], ["first", "second"]);
}
