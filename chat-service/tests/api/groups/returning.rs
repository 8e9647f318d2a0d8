//! Users who leave and join again.

use neonchat_testbed::{
    client::{Answer, User},
    harness::until,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Group, assert_forbidden};
use crate::support::TestApp;

const FOR_EVER: &str = "2999-01-01T00:00:00Z";

impl Group {
    /// Makes the chat public.
    async fn publish(&self) {
        let body = json!({ "handle": format!("h{}", &Uuid::new_v4().simple().to_string()[..16]) });
        assert_eq!(self.call("PATCH", &self.owner, "", Some(body)).await.status, 200);
    }

    async fn leave_and_join(&self, user: &User) {
        for (method, rest) in [("DELETE", "/members/me"), ("POST", "/join")] {
            let answer = self.call(method, user, rest, None).await;
            assert_eq!(answer.status, 200, "{method} {rest}: {answer:?}");
        }
    }

    async fn restrict(&self, user: &User, until: Value) -> Answer {
        self.change_member(&self.owner, user, json!({ "restricted_until": until })).await
    }

    async fn restricted_until(&self, user: &User) -> Value {
        let members = self.call("GET", &self.owner, "/members", None).await.body;
        let members = members["members"].as_array().expect("array of members");
        members.iter().find(|member| member["user_id"] == user.id).expect("a member")["restricted_until"].clone()
    }

    async fn kept(&self) -> i64 {
        let count = "SELECT count(*) FROM chat_former_members";
        self.app.sql().await.query_one(count, &[]).await.expect("count rows").get(0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn restriction_holds_again_after_joining_again() {
    for kind in ["group", "channel"] {
        let group = Group::start(kind).await;
        group.publish().await;
        group.call("PATCH", &group.owner, "", Some(json!({ "settings": { "send": "member" } }))).await;
        assert_eq!(group.restrict(&group.member, json!(FOR_EVER)).await.status, 200);
        for _ in 0..2 {
            group.leave_and_join(&group.member).await;
            assert_forbidden(&group.send(&group.member, "x").await, "restricted");
        }
        group.kick(&group.admin, &group.member).await;
        assert_eq!(group.kept().await, 1);
        assert_eq!(group.add(&group.admin, &group.member).await.status, 200);
        assert_forbidden(&group.send(&group.member, "x").await, "restricted");
        let shown = group.restricted_until(&group.member).await;
        assert!(shown.as_str().is_some_and(|time| time.starts_with("2999-01-01")), "{shown}");

        assert!(group.restrict(&group.member, Value::Null).await.body["seq"].is_i64());
        group.leave_and_join(&group.member).await;
        assert_eq!(group.send(&group.member, "x").await.status, 201, "a lifted restriction does not come back");
        assert_eq!(group.kept().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_mode_holds_again_after_joining_again() {
    let group = Group::start("group").await;
    group.publish().await;
    let slow = async |slow_s: i32| {
        let body = json!({ "settings": { "slow_s": slow_s } });
        assert_eq!(group.call("PATCH", &group.owner, "", Some(body)).await.status, 200);
    };
    slow(3600).await;
    assert_eq!(group.send(&group.member, "x").await.status, 201);
    group.leave_and_join(&group.member).await;
    assert_forbidden(&group.send(&group.member, "y").await, "slow_mode");
    group.leave_and_join(&group.other).await;
    assert_eq!(group.send(&group.other, "x").await.status, 201, "who has sent nothing does not wait");

    slow(0).await;
    assert_eq!(group.send(&group.member, "y").await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_hold_any_more_is_not_kept() {
    let group = Group::start("group").await;
    group.publish().await;
    group.restrict(&group.member, json!(FOR_EVER)).await;
    let left = group.call("DELETE", &group.member, "/members/me", None).await;
    assert_eq!((left.status, group.kept().await), (200, 1));
    group.call("DELETE", &group.other, "/members/me", None).await;
    assert_eq!(group.kept().await, 1, "nothing held for this user");

    group.execute("UPDATE chat_former_members SET kept_until = now() - interval '1 s'").await;
    // Another instance looks for such rows when it starts.
    let _other = TestApp::launch(&group.app.database, &[]).await;
    until("the row is deleted", async || group.kept().await == 0).await;
}
