//! Pinned messages.

use futures_util::future::join_all;
use neonchat_testbed::client::{Answer, User};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Group, assert_forbidden};
use crate::support::{TestApp, assert_problem};

impl Group {
    async fn pin(&self, user: &User, message: &str) -> Answer {
        self.call("PUT", user, &format!("/pins/{message}"), None).await
    }

    async fn unpin(&self, user: &User, message: &str) -> Answer {
        self.call("DELETE", user, &format!("/pins/{message}"), None).await
    }

    /// Returns the texts of the pinned messages.
    async fn pinned(&self, user: &User) -> Value {
        let pins = self.get(user, "/pins").await.body;
        assert_eq!(pins["next"], Value::Null);
        pins["pins"].as_array().expect("array of pins").iter().map(|pin| pin["message"]["text"].clone()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pin_is_an_event_and_in_the_list() {
    let f = Group::start("group").await;
    let (a, b) = (f.sent(&f.member, "a").await, f.sent(&f.member, "b").await);
    assert_eq!(f.pin(&f.admin, &a).await.body, json!({ "seq": 3, "duplicate": false }));
    assert_eq!(f.pin(&f.owner, &b).await.body["seq"], 4);
    assert_eq!(f.pin(&f.owner, &a).await.body["seq"], Value::Null, "it is pinned already");
    let pins = f.get(&f.other, "/pins").await.body;
    assert_eq!(json!([pins["pins"][0]["by"], pins["pins"][1]["by"]]), json!([f.owner.id, f.admin.id]));
    assert_eq!(pins["pins"][1]["message"], f.get(&f.other, &format!("/messages/{a}")).await.body);
    assert!(pins["pins"][0]["at"].as_str() > pins["pins"][1]["at"].as_str());
    assert_eq!(f.unpin(&f.owner, &a).await.body["seq"], 5);
    let none = f.unpin(&f.owner, &a).await;
    assert_eq!((none.status, &none.body["seq"]), (200, &Value::Null));
    assert_eq!(f.pinned(&f.other).await, json!(["b"]));
    let events = f.get(&f.other, "/events?after=2").await.body["events"].clone();
    let shown = |event: &Value| json!([event["type"], event["seq"], event["by"], event["message_id"], event["on"]]);
    let shown: Vec<_> = events.as_array().expect("array of events").iter().map(shown).collect();
    assert_eq!(
        shown,
        [
            json!(["pinned", 3, f.admin.id, a, true]),
            json!(["pinned", 4, f.owner.id, b, true]),
            json!(["pinned", 5, f.owner.id, a, false]),
        ]
    );
    assert!(events[0]["at"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn pins_need_the_right_and_a_message() {
    let f = Group::start("group").await;
    let (message, stranger) = (f.sent(&f.member, "x").await, f.app.user().await);
    assert_forbidden(&f.pin(&f.member, &message).await, "role");
    assert_forbidden(&f.unpin(&f.member, &message).await, "role");
    for (user, message) in [(&stranger, &*message), (&f.owner, &*Uuid::new_v4().to_string())] {
        assert_problem(&f.pin(user, message).await, 404, "not_found", &[]);
        assert_problem(&f.unpin(user, message).await, 404, "not_found", &[]);
    }
    assert_problem(&f.get(&stranger, "/pins").await, 404, "not_found", &[]);
    f.execute("UPDATE chats SET pin_role = 1 WHERE id = 'CHAT'").await;
    f.change_member(&f.owner, &f.other, json!({ "restricted_until": "2999-01-01T00:00:00Z" })).await;
    assert_forbidden(&f.pin(&f.other, &message).await, "restricted");
    assert_eq!(f.pin(&f.member, &message).await.status, 200);
    let bad = f.call("PUT", &f.owner, &format!("/pins/{message}?request_id=x"), None).await;
    assert_problem(&bad, 422, "validation_failed", &[("request_id", "format")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_members_of_a_direct_chat_pin() {
    let app = TestApp::start().await;
    let (a, b, chat) = app.pair().await;
    let message = app.send(&chat, &a, "x").await.message_id;
    let path = format!("/api/v1/chats/{chat}/pins/{message}");
    for (method, user, seq) in [("PUT", &b, 2), ("DELETE", &a, 3), ("PUT", &a, 4)] {
        let changed = app.api.call(method, &path, Some(&user.token), None).await.expect("call API");
        assert_eq!(changed.body["seq"], seq, "{changed:?}");
    }
    let reaction = format!("/api/v1/chats/{chat}/messages/{message}/reactions/👍");
    let reacted = app.api.call("PUT", &reaction, Some(&b.token), None).await.expect("call API");
    assert_eq!((&reacted.body["seq"], &reacted.body["reactions"][0]["recent"][0]), (&json!(5), &json!(b.id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_has_fifty_pins() {
    let f = Group::start("group").await;
    let mut messages = Vec::new();
    for n in 0..52 {
        messages.push(f.sent(&f.member, &n.to_string()).await);
    }
    let fill = "INSERT INTO pins SELECT 'CHAT', n, gen_random_uuid(), now() FROM generate_series(1, 48) AS n";
    f.execute(fill).await;
    // At the same time, so that none sees the others.
    let answers = join_all(messages[48..].iter().map(|message| f.pin(&f.owner, message))).await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert_eq!(refused.len(), 2, "{answers:?}");
    assert_problem(refused[0], 409, "limit_reached", &[]);
    assert_eq!(json!([refused[0].body["limit"], refused[0].body["max"]]), json!(["pins", 50]));
    assert_eq!(f.get(&f.owner, "/pins").await.body["pins"].as_array().map(Vec::len), Some(50));
    f.unpin(&f.owner, &messages[0]).await;
    let free = messages[48..].iter().zip(&answers).find(|(_, answer)| answer.status != 200).expect("refused pin").0;
    assert_eq!(f.pin(&f.owner, free).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn gone_and_hidden_messages_are_not_listed() {
    let f = Group::start("group").await;
    let (early, deleted, expired, kept) = (
        f.sent(&f.owner, "early").await,
        f.sent(&f.owner, "d").await,
        f.sent(&f.owner, "e").await,
        f.sent(&f.owner, "k").await,
    );
    for message in [&early, &deleted, &expired, &kept] {
        f.pin(&f.owner, message).await;
    }
    f.delete(&f.owner, &[&deleted]).await;
    let events = f.get(&f.owner, "/events?after=8").await.body["events"].clone();
    assert_eq!((&events[0]["type"], events.as_array().map(Vec::len)), (&json!("messages_deleted"), Some(1)));
    f.execute("UPDATE messages SET expires_at = now() WHERE text = 'e'").await;
    assert_eq!(f.pinned(&f.member).await, json!(["k", "early"]));
    f.execute(&format!("UPDATE chat_members SET from_seq = 1 WHERE user_id = '{}'", f.member.id)).await;
    assert_eq!(f.pinned(&f.member).await, json!(["k"]));
    f.execute("UPDATE chats SET pin_role = 1 WHERE id = 'CHAT'").await;
    assert_problem(&f.unpin(&f.member, &early).await, 404, "not_found", &[]);
    assert_problem(&f.pin(&f.owner, &deleted).await, 404, "not_found", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_pin_never_acts_again() {
    let f = Group::start("group").await;
    let (message, other) = (f.sent(&f.member, "x").await, f.sent(&f.member, "y").await);
    let path = |message: &str, request: Uuid| format!("/pins/{message}?request_id={request}");
    let request = Uuid::new_v4();
    assert_eq!(f.call("PUT", &f.owner, &path(&message, request), None).await.body["seq"], 3);
    f.unpin(&f.owner, &message).await;
    let again = f.call("PUT", &f.owner, &path(&message, request), None).await;
    assert_eq!(again.body, json!({ "seq": 3, "duplicate": true }));
    assert_eq!(f.pinned(&f.owner).await, json!([]));
    for (method, message) in [("DELETE", &message), ("PUT", &other)] {
        let other = f.call(method, &f.owner, &path(message, request), None).await;
        assert_problem(&other, 422, "idempotency_mismatch", &[]);
    }
}
