//! Groups and channels over REST.

mod cleanup;
mod joining;
mod large;
mod limits;
mod locks;
mod members;
mod naming;
mod repeats;
mod returning;
mod rights;
mod transfer;

use neonchat_common::{
    bus::{Channel, Envelope, Event},
    chat::{RemovalReason, Role},
};
use neonchat_testbed::{
    client::{Answer, User},
    harness::until,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Listener, TestApp, assert_problem};

/// A group with an owner, an admin, two members, and a user who is not in it.
struct Group {
    app: TestApp,
    owner: User,
    admin: User,
    member: User,
    other: User,
    stranger: User,
    chat: String,
}

impl Group {
    async fn start(kind: &str) -> Self {
        Self::start_with(kind, &[]).await
    }

    async fn start_with(kind: &str, settings: &[(&str, &str)]) -> Self {
        let app = TestApp::start_with(settings).await;
        let mut users = Vec::new();
        for _ in 0..5 {
            users.push(app.user().await);
        }
        let [owner, admin, member, other, stranger] = users.try_into().expect("five users");
        let members = [&admin, &member, &other].map(|user| user.id.clone());
        // A repeated request has the effect of the first one.
        let (token, request_id) = (Some(&*owner.token), Uuid::new_v4());
        let body = json!({ "type": kind, "title": "Team", "member_ids": members, "request_id": request_id });
        let created = app.api.call_patiently("POST", "/api/v1/chats", token, &body).await.expect("create group");
        assert!(matches!(created.status, 200 | 201), "{created:?}");
        let chat = created.body["id"].as_str().expect("read id").to_owned();
        let path = format!("/api/v1/chats/{chat}/members/{}", admin.id);
        let body = json!({ "role": "admin", "request_id": request_id });
        let made = app.api.call_patiently("PATCH", &path, token, &body).await.expect("make admin");
        assert_eq!((made.status, &made.body["seq"]), (200, &json!(1)), "{made:?}");
        Self { app, owner, admin, member, other, stranger, chat }
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/v1/chats/{}{rest}", self.chat)
    }

    async fn call(&self, method: &str, user: &User, rest: &str, body: Option<Value>) -> Answer {
        self.app.api.call(method, &self.path(rest), Some(&user.token), body.as_ref()).await.expect("call API")
    }

    async fn change_member(&self, user: &User, target: &User, body: Value) -> Answer {
        self.call("PATCH", user, &format!("/members/{}", target.id), Some(body)).await
    }

    async fn kick(&self, user: &User, target: &User) -> Answer {
        self.call("POST", user, "/members/remove", Some(json!({ "user_ids": [target.id] }))).await
    }

    async fn add(&self, user: &User, target: &User) -> Answer {
        self.call("POST", user, "/members", Some(json!({ "user_ids": [target.id] }))).await
    }

    async fn send(&self, user: &User, text: &str) -> Answer {
        self.call("POST", user, "/messages", Some(json!({ "text": text }))).await
    }

    async fn events(&self, user: &User) -> Vec<Value> {
        let answer = self.call("GET", user, "/events", None).await;
        answer.body["events"].as_array().unwrap_or_else(|| panic!("{answer:?}")).clone()
    }

    async fn item(&self, user: &User) -> Value {
        self.call("GET", user, "", None).await.body
    }
}

fn assert_forbidden(answer: &Answer, reason: &str) {
    assert_problem(answer, 403, "forbidden", &[]);
    assert_eq!(answer.body["reason"], reason, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn founding_members_see_the_group_without_an_event() {
    let app = TestApp::start().await;
    let (owner, bob) = (app.user().await, app.user().await);
    let request_id = Uuid::new_v4();
    let nobody = Uuid::new_v4();
    let body = json!({
        "type": "group", "title": "Team", "description": "We.", "member_ids": [bob.id, nobody], "request_id": request_id
    });
    let created = app.post("/api/v1/chats", &owner, &body).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(created.body["not_added"], json!([{ "user_id": nobody, "reason": "unknown" }]));
    let shown = |item: &Value| {
        json!([item["type"], item["title"], item["role"], item["member_count"], item["last_seq"], item["partner"]])
    };
    assert_eq!(shown(&created.body), json!(["group", "Team", "owner", 2, 0, null]));
    let path = format!("/api/v1/chats/{}", created.body["id"].as_str().expect("read id"));
    assert_eq!(shown(&app.get(&path, &bob).await.body), json!(["group", "Team", "member", 2, 0, null]));

    let again = app.post("/api/v1/chats", &owner, &body).await;
    assert_eq!((again.status, &again.body["id"]), (200, &created.body["id"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn newcomer_of_a_group_sees_only_what_comes_after_joining() {
    let group = Group::start("group").await;
    group.send(&group.member, "before").await;
    let added = group.add(&group.member, &group.stranger).await;
    assert_eq!((added.status, &added.body["added"]), (200, &json!([group.stranger.id])), "{added:?}");
    assert_eq!(added.body["seq"], 3);
    group.send(&group.member, "after").await;

    let item = group.item(&group.stranger).await;
    let shown = json!([item["first_seq"], item["read_seq"], item["unread_count"], item["last_seq"]]);
    assert_eq!(shown, json!([3, 3, 1, 4]), "{item}");
    let seen: Vec<_> = group.events(&group.stranger).await.iter().map(|event| event["seq"].clone()).collect();
    assert_eq!(seen, [3, 4]);
    let history = group.call("GET", &group.stranger, "/messages", None).await.body;
    assert_eq!(history["messages"].as_array().map(Vec::len), Some(1), "{history}");
    assert_eq!(group.events(&group.member).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn kicked_member_loses_everything_and_can_be_added_again() {
    let group = Group::start("group").await;
    let kicked = group.kick(&group.admin, &group.member).await;
    assert_eq!((kicked.status, &kicked.body["seq"]), (200, &json!(2)), "{kicked:?}");
    for path in ["", "/messages", "/events", "/members"] {
        assert_problem(&group.call("GET", &group.member, path, None).await, 404, "not_found", &[]);
    }
    assert_problem(&group.send(&group.member, "x").await, 404, "not_found", &[]);
    // It is done already.
    let again = group.kick(&group.admin, &group.member).await;
    assert_eq!((again.status, &again.body["seq"]), (200, &Value::Null));

    assert_eq!(group.add(&group.owner, &group.member).await.body["seq"], 3);
    assert_eq!(group.item(&group.member).await["first_seq"], 3);
    let last = group.events(&group.owner).await.pop().expect("an event");
    let shown = json!([last["type"], last["by"], last["user_ids"], last["via"], last["member_count"]]);
    assert_eq!(shown, json!(["members_added", group.owner.id, [group.member.id], "add", 4]));
}

#[tokio::test(flavor = "multi_thread")]
async fn banned_user_cannot_be_added() {
    let group = Group::start("group").await;
    let body = json!({ "user_ids": [group.member.id, group.stranger.id], "ban": true });
    let banned = group.call("POST", &group.admin, "/members/remove", Some(body)).await;
    assert_eq!(banned.status, 200, "{banned:?}");
    let last = group.events(&group.owner).await.pop().expect("an event");
    assert_eq!((&last["user_ids"], &last["how"]), (&json!([group.member.id]), &json!("banned")));
    let again = json!({ "user_ids": [group.member.id], "ban": true });
    group.call("POST", &group.admin, "/members/remove", Some(again)).await;
    let audit = group.call("GET", &group.admin, "/audit", None).await.body;
    let bans = audit["audit"].as_array().expect("entries").iter().filter(|entry| entry["action"] == "banned");
    assert_eq!(bans.count(), 1, "{audit}");
    for user in [&group.member, &group.stranger] {
        let added = group.add(&group.owner, user).await;
        assert_eq!(added.body["not_added"], json!([{ "user_id": user.id, "reason": "banned" }]), "{added:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_request_answers_as_the_first_one() {
    let group = Group::start("group").await;
    let body = json!({ "user_ids": [group.member.id], "request_id": Uuid::new_v4() });
    let first = group.call("POST", &group.admin, "/members/remove", Some(body.clone())).await;
    group.add(&group.owner, &group.member).await;
    let second = group.call("POST", &group.admin, "/members/remove", Some(body.clone())).await;
    assert_eq!((&second.body["seq"], &second.body["duplicate"]), (&first.body["seq"], &json!(true)));
    assert_eq!(group.item(&group.member).await["role"], "member", "a repeat does not act again");

    let mut other = body;
    other["user_ids"] = json!([group.other.id]);
    let other = group.call("POST", &group.admin, "/members/remove", Some(other)).await;
    assert_problem(&other, 422, "idempotency_mismatch", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn owner_leaves_only_after_a_transfer() {
    let group = Group::start("group").await;
    assert_problem(&group.call("DELETE", &group.owner, "/members/me", None).await, 409, "last_owner", &[]);
    let transfer = async |to: &User, password: &str| {
        group.call("PUT", &group.owner, "/owner", Some(json!({ "user_id": to.id, "password": password }))).await
    };
    assert_problem(&transfer(&group.admin, "wrong password").await, 422, "validation_failed", &[("password", "wrong")]);
    let password = neonchat_testbed::client::PASSWORD;
    assert_problem(&transfer(&group.member, password).await, 409, "conflict", &[]);
    assert_problem(&transfer(&group.stranger, password).await, 404, "not_found", &[]);
    assert_eq!(transfer(&group.admin, password).await.body["seq"], 2);
    assert_eq!(group.item(&group.owner).await["role"], "admin");
    assert_eq!(group.item(&group.admin).await["role"], "owner");
    let left = group.call("DELETE", &group.owner, "/members/me", None).await;
    assert_eq!((left.status, &left.body["seq"]), (200, &json!(3)), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_chat_exists_for_nobody() {
    let group = Group::start("group").await;
    let closed = group.call("DELETE", &group.owner, "", None).await;
    assert_eq!((closed.status, &closed.body["seq"]), (200, &json!(2)), "{closed:?}");
    for user in [&group.owner, &group.member] {
        assert_problem(&group.call("GET", user, "", None).await, 404, "not_found", &[]);
        assert_problem(&group.send(user, "x").await, 404, "not_found", &[]);
        assert_eq!(group.app.get("/api/v1/chats", user).await.body["total"], 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_closed_chat_are_deleted() {
    let group = Group::start("group").await;
    let sql = group.app.sql().await;
    let message = group.send(&group.member, "x").await.body["id"].clone();
    let reply = json!({ "text": "@all", "reply_to": message });
    assert_eq!(group.call("POST", &group.owner, "/messages", Some(reply)).await.status, 201);
    let id = message.as_str().expect("read id");
    assert_eq!(group.call("PUT", &group.owner, &format!("/messages/{id}/reactions/👍"), None).await.status, 200);
    assert_eq!(group.call("PUT", &group.owner, &format!("/pins/{id}"), None).await.status, 200);
    let passive = "INSERT INTO passive_messages (chat_id, user_id, seq) SELECT chat_id, sender_id, seq FROM messages";
    assert_eq!(sql.execute(passive, &[]).await.expect("insert rows"), 2);
    group.call("DELETE", &group.owner, "", None).await;
    let age = "UPDATE chats SET last_event_at = now() - interval '11 minutes' WHERE is_closed";
    assert_eq!(sql.execute(age, &[]).await.expect("update chat"), 1);
    // Another instance looks for closed chats when it starts.
    let _other = TestApp::launch(&group.app.database, &[]).await;
    let count = "SELECT (SELECT count(*) FROM chats WHERE NOT is_purged) + (SELECT count(*) FROM messages)
                      + (SELECT count(*) FROM chat_events) + (SELECT count(*) FROM chat_members)
                      + (SELECT count(*) FROM chat_profiles WHERE title <> '' OR request_digest IS NOT NULL)";
    let rows = async || sql.query_one(count, &[]).await.expect("count rows").get::<_, i64>(0);
    until("all rows are deleted", async || rows().await == 0).await;
    let tables = "SELECT table_name::text FROM information_schema.columns WHERE column_name = 'chat_id' AND table_schema = 'public'";
    for table in sql.query(tables, &[]).await.expect("list tables") {
        let table: String = table.get(0);
        let rows = format!("SELECT count(*) FROM {table}");
        let rows: i64 = sql.query_one(&rows, &[]).await.expect("count rows").get(0);
        // A closed chat has a profile without content.
        assert_eq!(rows, i64::from(table == "chat_profiles"), "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn purged_chat_counts_as_created_and_is_not_created_again() {
    let app = TestApp::start_with(&[("GROUPS_PER_DAY", "1"), ("RATE_LIMIT_PER_MINUTE", "0")]).await;
    let owner = app.user().await;
    let body = json!({ "type": "group", "title": "Team", "request_id": Uuid::new_v4() });
    let created = app.post("/api/v1/chats", &owner, &body).await;
    let path = format!("/api/v1/chats/{}", created.body["id"].as_str().expect("read id"));
    let closed = app.api.call("DELETE", &path, Some(&owner.token), None).await.expect("close chat");
    assert_eq!(closed.status, 200, "{closed:?}");
    let sql = app.sql().await;
    let age = "UPDATE chats SET last_event_at = now() - interval '11 minutes' WHERE is_closed";
    sql.execute(age, &[]).await.expect("update chat");
    let _other = TestApp::launch(&app.database, &[]).await;
    let purged = async || {
        let row = sql.query_one("SELECT is_purged FROM chats", &[]).await.expect("query");
        row.get::<_, bool>(0)
    };
    until("the chat is purged", purged).await;
    assert_problem(&app.post("/api/v1/chats", &owner, &body).await, 404, "not_found", &[]);
    let another = json!({ "type": "group", "title": "Team" });
    assert_problem(&app.post("/api/v1/chats", &owner, &another).await, 429, "rate_limited", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn update_changes_what_it_names_and_takes_a_seq_only_for_a_change() {
    let group = Group::start("group").await;
    let update = async |user: &User, body: Value| group.call("PATCH", user, "", Some(body)).await;
    let updated = update(&group.admin, json!({ "title": "Crew" })).await;
    assert_eq!((updated.status, &updated.body["title"], &updated.body["last_seq"]), (200, &json!("Crew"), &json!(2)));
    assert_eq!(update(&group.admin, json!({ "title": "Crew" })).await.body["last_seq"], 2);
    assert_forbidden(&update(&group.member, json!({ "title": "Mine" })).await, "role");
    assert_forbidden(&update(&group.admin, json!({ "title": "Ours", "settings": { "send": "admin" } })).await, "role");
    assert_eq!(group.item(&group.member).await["title"], "Crew", "one value without the right refuses all");

    let settings = update(&group.owner, json!({ "settings": { "send": "admin", "slow_s": 5 } })).await;
    assert_eq!(settings.body["settings"]["send"], "admin", "{settings:?}");
    assert_forbidden(&group.send(&group.member, "x").await, "role");
    let last = group.events(&group.member).await.pop().expect("an event");
    assert_eq!(
        (&last["type"], &last["title"], &last["settings"]["slow_s"]),
        (&json!("chat_updated"), &json!("Crew"), &json!(5))
    );
    for bad in
        [json!({ "kick": "member" }), json!({ "slow_s": 86401 }), json!({ "send": "king" }), json!({ "color": "red" })]
    {
        assert_eq!(update(&group.owner, json!({ "settings": bad })).await.status, 422, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn restricted_member_only_reads() {
    let group = Group::start("group").await;
    let until = json!({ "restricted_until": "2999-01-01T00:00:00Z" });
    assert_eq!(group.change_member(&group.admin, &group.member, until.clone()).await.body["seq"], 2);
    assert_forbidden(&group.send(&group.member, "x").await, "restricted");
    assert_forbidden(&group.add(&group.member, &group.stranger).await, "restricted");
    assert_eq!(group.call("GET", &group.member, "/messages", None).await.status, 200);
    assert_forbidden(&group.change_member(&group.admin, &group.owner, until).await, "role");
    let lifted = group.change_member(&group.admin, &group.member, json!({ "restricted_until": null })).await;
    assert_eq!(lifted.body["seq"], 3);
    assert_eq!(group.send(&group.member, "x").await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn channel_shows_its_members_to_admins_only() {
    let channel = Group::start("channel").await;
    assert_forbidden(&channel.call("GET", &channel.member, "/members", None).await, "role");
    assert_forbidden(&channel.send(&channel.member, "x").await, "role");
    assert_eq!(channel.send(&channel.admin, "news").await.status, 201);
    let first = channel.call("GET", &channel.admin, "/members?limit=2", None).await.body;
    let roles = |page: &Value| {
        let members = page["members"].as_array().expect("array of members").clone();
        members.iter().map(|member| member["role"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(roles(&first), ["owner", "admin"]);
    let next = first["next"].as_str().expect("a further page");
    let second = channel.call("GET", &channel.admin, &format!("/members?limit=2&after={next}"), None).await.body;
    assert_eq!((roles(&second), &second["next"]), (vec![json!("member"), json!("member")], &Value::Null));
    // A channel is large whatever its size: nobody is told who comes and goes.
    let left = channel.call("DELETE", &channel.member, "/members/me", None).await;
    assert_eq!((left.status, &left.body["seq"]), (200, &Value::Null), "{left:?}");
    assert_eq!(channel.item(&channel.admin).await["member_count"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn request_names_one_to_a_hundred_users() {
    let group = Group::start("group").await;
    let many: Vec<_> = (0..101).map(|_| Uuid::new_v4()).collect();
    for users in [json!([]), json!(many)] {
        for path in ["/members", "/members/remove"] {
            let answer = group.call("POST", &group.owner, path, Some(json!({ "user_ids": users }))).await;
            assert_problem(&answer, 422, "validation_failed", &[("user_ids", "length")]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_all_that_can_make_an_event_when_they_are_switched_off() {
    let group = Group::start("group").await;
    let group = Group { app: TestApp::launch(&group.app.database, &[("EVENTS", "off")]).await, ..group };
    group.app.api.until_ready().await.expect("become ready");
    assert_forbidden(&group.add(&group.owner, &group.stranger).await, "disabled");
    assert_forbidden(&group.call("DELETE", &group.member, "/members/me", None).await, "disabled");
    assert_forbidden(&group.call("DELETE", &group.owner, "", None).await, "disabled");
    let invite = group.call("POST", &group.owner, "/invites", Some(json!({}))).await;
    assert_eq!(invite.status, 201, "{invite:?}");
    let code = invite.body["code"].as_str().expect("code");
    assert_eq!(group.call("DELETE", &group.owner, &format!("/invites/{code}"), None).await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn user_who_is_named_twice_counts_once() {
    let group = Group::start("group").await;
    let twice = json!([group.stranger.id, group.stranger.id]);
    let body = json!({ "type": "group", "title": "x", "member_ids": twice });
    let created = group.app.post("/api/v1/chats", &group.owner, &body).await;
    assert_eq!((created.status, &created.body["member_count"]), (201, &json!(2)), "{created:?}");
    let added = group.call("POST", &group.owner, "/members", Some(json!({ "user_ids": twice }))).await;
    assert_eq!((added.status, &added.body["added"]), (200, &json!([group.stranger.id])), "{added:?}");
    let ban = json!({ "user_ids": twice, "ban": true });
    let removed = group.call("POST", &group.owner, "/members/remove", Some(ban)).await;
    assert_eq!((removed.status, &removed.body["seq"]), (200, &json!(3)), "{removed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn change_of_a_member_names_a_value() {
    let group = Group::start("group").await;
    let body = json!({ "request_id": Uuid::new_v4() });
    let answer = group.change_member(&group.owner, &group.member, body).await;
    assert_problem(&answer, 422, "validation_failed", &[("role", "required")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn direct_chat_has_no_members_to_change() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    let body = json!({ "user_ids": [bob.id] });
    for (method, path, body) in [
        ("POST", "/members", Some(&body)),
        ("POST", "/members/remove", Some(&body)),
        ("DELETE", "/members/me", None),
        ("DELETE", "", None),
        ("GET", "/members", None),
        ("PATCH", "", Some(&json!({ "title": "x" }))),
    ] {
        let path = format!("/api/v1/chats/{chat}{path}");
        let answer = app.api.call(method, &path, Some(&alice.token), body).await.expect("call API");
        assert_problem(&answer, 409, "conflict", &[]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn publishes_who_comes_and_goes() {
    let group = Group::start("group").await;
    group.app.until_redis().await;
    let chat = Channel::Chat(group.chat.parse().expect("parse id"));
    let newcomer = Channel::User(group.stranger.id.parse().expect("parse id"));
    let mut listener = Listener::on([chat, newcomer]).await;
    group.add(&group.owner, &group.stranger).await;
    group.kick(&group.owner, &group.stranger).await;

    let (channel, text) = listener.next().await;
    let envelope: Envelope<'_> = serde_json::from_str(&text).expect("parse envelope");
    let Event::ChatCreated { last_seq, from_seq, role, chat: item, .. } = envelope.event else { panic!("{text}") };
    assert_eq!((channel, last_seq, from_seq, role), (newcomer, 2, 1, Role::Member));
    let item: Value = serde_json::from_str(item.get()).expect("parse JSON");
    assert_eq!((&item["title"], &item["first_seq"]), (&json!("Team"), &json!(2)));

    let mut changes = Vec::new();
    for _ in 0..2 {
        let (channel, text) = listener.next().await;
        let envelope: Envelope<'_> = serde_json::from_str(&text).expect("parse envelope");
        let Event::Durable { seq, frame, membership, .. } = envelope.event else { panic!("{text}") };
        let frame: Value = serde_json::from_str(frame.get()).expect("parse JSON");
        assert_eq!(channel, chat);
        changes.push((seq, frame["type"].clone(), membership));
    }
    let (seq, kind, membership) = changes.pop().expect("two changes");
    let membership = membership.expect("a change of members");
    assert_eq!((seq, kind, membership.reason), (3, json!("members_removed"), RemovalReason::Kicked));
    assert_eq!(membership.removed, [group.stranger.id.parse().expect("parse id")]);
    assert_eq!((&changes[0].1, &changes[0].2), (&json!("members_added"), &None));
}
