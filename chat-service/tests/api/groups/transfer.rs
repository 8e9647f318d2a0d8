//! A chat is given to another owner.

use neonchat_testbed::client::{Answer, PASSWORD, User};
use serde_json::json;
use uuid::Uuid;

use super::{Group, assert_forbidden};
use crate::support::{assert_problem, own_redis};

impl Group {
    async fn transfer(&self, user: &User, password: &str, request_id: Uuid) -> Answer {
        let body = json!({ "user_id": self.admin.id, "password": password, "request_id": request_id });
        self.call("PUT", user, "/owner", Some(body)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn password_is_checked_only_for_those_who_may_give_the_chat_away() {
    let (redis, _folder) = own_redis().await;
    let settings =
        [("REDIS_URL", &*redis.url()), ("RATE_LIMIT_PER_MINUTE", "1000000"), ("AUTH_RATE_LIMIT_PER_MINUTE", "0")];
    let group = Group::start_with("group", &[&settings[..], &[("LOGIN_FAILURES_PER_NAME", "2")]].concat()).await;
    group.app.until_redis().await;
    let wrong = async |user: &User| group.transfer(user, "wrong password", Uuid::new_v4()).await;
    for _ in 0..3 {
        assert_problem(&wrong(&group.stranger).await, 404, "not_found", &[]);
        assert_forbidden(&wrong(&group.member).await, "role");
    }
    let (alice, bob, direct) = group.app.pair().await;
    let body = json!({ "user_id": bob.id, "password": "wrong password" });
    let answer = group.app.put(&format!("/api/v1/chats/{direct}/owner"), &alice, &body).await;
    assert_problem(&answer, 409, "conflict", &[]);

    // Failures count as failed logins, of the owner only.
    for _ in 0..2 {
        assert_problem(&wrong(&group.owner).await, 422, "validation_failed", &[("password", "wrong")]);
    }
    assert_problem(&wrong(&group.owner).await, 429, "rate_limited", &[]);
    let log_in = async |user: &User| {
        let body = json!({ "username": user.name, "password": PASSWORD });
        group.app.api.call("POST", "/api/v1/auth/login", None, Some(&body)).await.expect("call API").status
    };
    assert_eq!(
        (log_in(&group.owner).await, log_in(&group.member).await, log_in(&group.stranger).await),
        (429, 200, 200)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_transfer_is_answered_to_the_former_owner() {
    let group = Group::start("group").await;
    let request_id = Uuid::new_v4();
    let first = group.transfer(&group.owner, PASSWORD, request_id).await;
    assert_eq!((first.status, &first.body["duplicate"]), (200, &json!(false)), "{first:?}");
    let again = group.transfer(&group.owner, PASSWORD, request_id).await;
    assert_eq!((again.status, &again.body["seq"]), (200, &first.body["seq"]), "{again:?}");
    assert_eq!(again.body["duplicate"], true);
    assert_forbidden(&group.transfer(&group.owner, PASSWORD, Uuid::new_v4()).await, "role");
}

#[tokio::test(flavor = "multi_thread")]
async fn transfer_ends_a_restriction_of_the_new_owner() {
    let group = Group::start("group").await;
    let until = json!({ "restricted_until": "2999-01-01T00:00:00Z" });
    assert_eq!(group.change_member(&group.owner, &group.admin, until).await.status, 200);
    assert_eq!(group.transfer(&group.owner, PASSWORD, Uuid::new_v4()).await.status, 200);
    let events = group.call("GET", &group.admin, "/events?after_seq=0", None).await;
    let last = events.body["events"].as_array().and_then(|events| events.last()).expect("an event");
    assert_eq!((&last["role"], &last["restricted_until"]), (&json!("owner"), &json!(null)), "{last}");
    let sent = group.call("POST", &group.admin, "/messages", Some(json!({ "text": "Hello" }))).await;
    assert_eq!(sent.status, 201, "{}", sent.body);
}
