//! Requests that are repeated with their `request_id`.

use futures_util::future::join;
use neonchat_testbed::client::{Answer, PASSWORD, User};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Group;
use crate::support::assert_problem;

impl Group {
    /// Makes a change with a `request_id`.
    async fn change(&self, user: &User, (method, rest, body): (&str, &str, Value), request_id: Uuid) -> Answer {
        if body.is_null() {
            return self.call(method, user, &format!("{rest}?request_id={request_id}"), None).await;
        }
        let mut body = body;
        body["request_id"] = json!(request_id);
        self.call(method, user, rest, Some(body)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn request_id_is_of_one_change_only() {
    let group = Group::start("group").await;
    let (admin, member, other, stranger) = (&group.admin.id, &group.member.id, &group.other.id, &group.stranger.id);
    let patch = |user: &str| ("PATCH", format!("/members/{user}"));
    let remove = || ("POST", "/members/remove".to_owned());
    let until = |year: i32| json!({ "restricted_until": format!("{year}-01-01T00:00:00Z") });
    let transfer = json!({ "user_id": admin, "password": PASSWORD });
    for ((method, path), body, (other_method, other_path), other_body) in [
        (remove(), json!({ "user_ids": [other] }), remove(), json!({ "user_ids": [other], "ban": true })),
        (remove(), json!({ "user_ids": [other] }), remove(), json!({ "user_ids": [member] })),
        (remove(), json!({ "user_ids": [other] }), remove(), json!({ "user_ids": [other, member] })),
        (remove(), json!({ "user_ids": [other] }), ("DELETE", "/members/me".to_owned()), Value::Null),
        (patch(member), until(2998), patch(member), until(2999)),
        (patch(member), until(2997), patch(member), json!({ "restricted_until": null })),
        (patch(member), json!({ "role": "admin" }), patch(member), json!({ "role": "member" })),
        (
            patch(member),
            json!({ "role": "member", "restricted_until": null }),
            patch(member),
            json!({ "role": "member" }),
        ),
        (patch(admin), json!({ "role": "member" }), patch(member), json!({ "role": "member" })),
        (patch(admin), json!({ "role": "admin" }), ("PUT", "/owner".to_owned()), transfer),
    ] {
        group.add(&group.owner, &group.other).await;
        let request_id = Uuid::new_v4();
        let first = group.change(&group.owner, (method, &path, body.clone()), request_id).await;
        assert!(first.body["seq"].is_i64(), "{path} {body}: {first:?}");
        let again = group.change(&group.owner, (method, &path, body), request_id).await;
        assert_eq!((&again.body["seq"], &again.body["duplicate"]), (&first.body["seq"], &json!(true)), "{again:?}");
        let changed = group.change(&group.owner, (other_method, &other_path, other_body), request_id).await;
        assert_problem(&changed, 422, "idempotency_mismatch", &[]);
    }
    let body = json!({ "user_ids": [stranger] });
    let request_id = Uuid::new_v4();
    group.change(&group.owner, ("POST", "/members", body.clone()), request_id).await;
    let again = group.change(&group.owner, ("POST", "/members", body.clone()), request_id).await;
    assert_eq!((&again.body["added"], &again.body["duplicate"]), (&json!([stranger]), &json!(true)));
    let more = json!({ "user_ids": [stranger, group.app.user().await.id] });
    let more = group.change(&group.owner, ("POST", "/members", more), request_id).await;
    assert_problem(&more, 422, "idempotency_mismatch", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_change_of_a_large_chat_does_not_act_again() {
    let channel = Group::start("channel").await;
    let (add, leave) = (Uuid::new_v4(), Uuid::new_v4());
    let stranger = &channel.stranger;
    let added = async || {
        let body = json!({ "user_ids": [stranger.id] });
        channel.change(&channel.owner, ("POST", "/members", body), add).await.body
    };
    let leave = async || channel.change(stranger, ("DELETE", "/members/me", Value::Null), leave).await.body;
    let shown = |answer: &Value| json!([answer["added"], answer["seq"], answer["duplicate"]]);
    assert_eq!(shown(&added().await), json!([[stranger.id], null, false]));
    assert_eq!(leave().await, json!({ "seq": null, "duplicate": false }));
    assert_eq!(shown(&added().await), json!([[stranger.id], null, true]));
    assert_eq!(channel.item(&channel.owner).await["member_count"], 4, "the user stays away");

    channel.add(&channel.owner, stranger).await;
    assert_eq!(leave().await, json!({ "seq": null, "duplicate": true }));
    assert_eq!(channel.item(stranger).await["role"], "member", "the user stays");
    let other = json!({ "user_ids": [channel.app.user().await.id] });
    let other = channel.change(&channel.owner, ("POST", "/members", other), add).await;
    assert_problem(&other, 422, "idempotency_mismatch", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_update_has_the_same_content() {
    let group = Group::start("group").await;
    for (body, others) in [
        (
            json!({ "title": "a" }),
            vec![json!({ "title": "b" }), json!({ "title": "a", "description": "x" }), json!({})],
        ),
        (json!({ "settings": { "slow_s": 5 } }), vec![json!({ "settings": { "slow_s": 6 } }), json!({ "title": "a" })]),
        (json!({ "handle": "rust_users" }), vec![json!({ "handle": null }), json!({ "handle": "go_users" })]),
        (json!({ "handle": null }), vec![json!({}), json!({ "handle": "rust_users" })]),
    ] {
        let request_id = Uuid::new_v4();
        let update = async |body: &Value| group.change(&group.owner, ("PATCH", "", body.clone()), request_id).await;
        let first = update(&body).await;
        let again = update(&body).await;
        assert_eq!((first.status, &again.body), (200, &first.body), "{body}");
        for other in others {
            assert_problem(&update(&other).await, 422, "idempotency_mismatch", &[]);
        }
        assert_eq!(group.item(&group.owner).await, first.body, "{body}");
    }
    // An event of an earlier version does not say what was asked for.
    let request_id = Uuid::new_v4();
    group.change(&group.owner, ("PATCH", "", json!({ "title": "old" })), request_id).await;
    group.execute("UPDATE chat_events SET body = NULL WHERE kind = 9").await;
    let again = group.change(&group.owner, ("PATCH", "", json!({ "title": "new" })), request_id).await;
    assert_eq!((again.status, &again.body["title"]), (200, &json!("old")));

    let audit = group.call("GET", &group.owner, "/audit", None).await.body;
    assert!(!audit.to_string().contains("digest"), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_creation_has_the_same_content() {
    let group = Group::start("group").await;
    let request_id = Uuid::new_v4();
    let create = async |changes: Value| {
        let members = json!([group.member.id, group.other.id]);
        let mut body = json!({ "type": "group", "title": "x", "member_ids": members, "request_id": request_id });
        for (name, value) in changes.as_object().expect("object of changes") {
            body[name] = value.clone();
        }
        group.app.post("/api/v1/chats", &group.owner, &body).await
    };
    let first = create(json!({})).await;
    assert_eq!(first.status, 201, "{first:?}");
    for same in [json!({}), json!({ "member_ids": [group.other.id, group.member.id, group.owner.id] })] {
        let again = create(same).await;
        assert_eq!((again.status, &again.body["id"]), (200, &first.body["id"]), "{again:?}");
    }
    for other in [
        json!({ "type": "channel" }),
        json!({ "title": "y" }),
        json!({ "description": "y" }),
        json!({ "handle": "rust_users" }),
        json!({ "history": "all" }),
        json!({ "member_ids": [group.member.id] }),
    ] {
        assert_problem(&create(other).await, 422, "idempotency_mismatch", &[]);
    }
    // A chat of an earlier version.
    group.execute("UPDATE chat_profiles SET request_digest = NULL").await;
    assert_eq!(create(json!({ "title": "y" })).await.body["title"], "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_is_created_once_by_two_requests_at_the_same_time() {
    let group = Group::start("group").await;
    for _ in 0..5 {
        let body = json!({ "type": "group", "title": "x", "request_id": Uuid::new_v4() });
        let create = || group.app.post("/api/v1/chats", &group.owner, &body);
        let (first, second) = join(create(), create()).await;
        let mut statuses = [first.status, second.status];
        statuses.sort_unstable();
        assert_eq!((statuses, &first.body["id"]), ([200, 201], &second.body["id"]), "{first:?} {second:?}");
    }
}
