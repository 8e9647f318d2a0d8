//! Groups and channels in the list of chats, and as notification-service sees them.

use std::collections::HashSet;

use neonchat_common::{
    bus::{Channel, Envelope, Event},
    chat::{ChatClass, Role},
};
use neonchat_proto::chat::v1::{
    ChatClass as WireClass, ChatHead, GetHeadsRequest, ListUserChatsRequest, MarkReadRequest, Role as WireRole,
    UserChat, ValidateChatAccessRequest,
};
use neonchat_testbed::client::{Answer, User};
use serde_json::{Value, json};
use tonic::Code;
use uuid::Uuid;

use crate::support::{Listener, TestApp, assert_problem};

/// A membership as the database has it.
#[derive(Clone, Copy)]
struct Membership<'a> {
    user: &'a User,
    role: Role,
    from_seq: i64,
    read_seq: i64,
    joined_seq: i64,
}

impl<'a> Membership<'a> {
    /// A founding member.
    fn founder(user: &'a User, role: Role) -> Self {
        Self { user, role, from_seq: 0, read_seq: 0, joined_seq: 0 }
    }
}

/// Creates a group or channel.
async fn new_group(app: &TestApp, kind: &str, members: &[Membership<'_>]) -> String {
    let (sql, chat) = (app.sql().await, Uuid::now_v7());
    let insert = "INSERT INTO chats (id, kind, member_count) VALUES ($1, $2, 0)";
    sql.execute(insert, &[&chat, &kind]).await.expect("insert chat");
    let insert = "INSERT INTO chat_profiles (chat_id, title, description, search_key, settings, created_by, request_id)
                  VALUES ($1, 'Team', 'About us', 'team', $2, $3, $4)";
    let (settings, creator) = (settings().to_string(), user_id(members[0].user));
    sql.execute(insert, &[&chat, &settings, &creator, &Uuid::new_v4()]).await.expect("insert profile");
    for member in members {
        join(app, &chat.to_string(), *member).await;
    }
    chat.to_string()
}

/// Adds a member without an event, as in large chats.
async fn join(app: &TestApp, chat: &str, member: Membership<'_>) {
    let Membership { user, role, from_seq, read_seq, joined_seq } = member;
    let (sql, chat) = (app.sql().await, chat.parse::<Uuid>().expect("parse id"));
    let insert = "INSERT INTO chat_members (chat_id, user_id, role, from_seq, read_seq, joined_seq)
                  VALUES ($1, $2, $3, $4, $5, $6)";
    let row = sql.execute(insert, &[&chat, &user_id(user), &(role as i16), &from_seq, &read_seq, &joined_seq]).await;
    row.expect("insert member");
    let update = "UPDATE chats SET member_count = member_count + 1 WHERE id = $1";
    sql.execute(update, &[&chat]).await.expect("update chat");
}

fn user_id(user: &User) -> Uuid {
    user.id.parse().expect("parse id")
}

fn parse(chat: &str) -> Uuid {
    chat.parse().expect("parse id")
}

fn settings() -> Value {
    json!({
        "send": "member", "media": "member", "react": "member", "pin": "admin", "mention_all": "admin", "protected": false,
        "info": "admin", "invite": "member", "delete": "admin", "kick": "admin", "restrict": "admin",
        "ban": "admin", "requests": "admin", "audit": "admin", "slow_s": 0, "ttl_s": 0, "history": "since_join",
    })
}

async fn list(app: &TestApp, user: &User, query: &str) -> Answer {
    let answer = app.get(&format!("/api/v1/chats?{query}"), user).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

async fn item(app: &TestApp, user: &User, chat: &str) -> Value {
    app.get(&format!("/api/v1/chats/{chat}"), user).await.body
}

fn ids(list: &Answer) -> (Vec<&str>, i64) {
    let chats = list.body["chats"].as_array().expect("array of chats");
    let ids = chats.iter().map(|chat| chat["id"].as_str().expect("id as string")).collect();
    (ids, list.body["total"].as_i64().expect("total as integer"))
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_groups_beside_direct_chats() {
    let app = TestApp::start().await;
    let (alice, bob, direct) = app.pair().await;
    let members = [Membership::founder(&alice, Role::Owner), Membership::founder(&bob, Role::Member)];
    let group = new_group(&app, "group", &members).await;
    let channel = new_group(&app, "channel", &members).await;
    let sent = app.send(&group, &alice, "hello").await;

    let all = list(&app, &bob, "").await;
    assert_eq!(ids(&all), (vec![&*group, &channel, &direct], 3));
    let shown = &all.body["chats"][0];
    let last_message = json!({
        "id": sent.message_id, "seq": 1, "text": "hello", "sender_id": alice.id, "created_at": shown["updated_at"],
    });
    let expected = json!({
        "id": group, "type": "group", "title": "Team", "description": "About us", "handle": null, "partner": null,
        "role": "member", "member_count": 2, "first_seq": 1, "last_seq": 1, "read_seq": 0, "unread_count": 1, "mention_count": 0,
        "muted_until": null, "level": "all", "archived": false, "pin_place": null, "marked_unread": false, "folder": null,
        "draft": null, "settings": settings(), "last_message": last_message, "updated_at": shown["updated_at"],
    });
    assert_eq!(*shown, expected);
    assert_eq!(item(&app, &bob, &group).await, expected);
    assert_eq!(item(&app, &alice, &group).await["role"], "owner");

    for (query, expected) in [
        ("type=direct", (vec![&*direct], 1)),
        ("type=group", (vec![&*group], 1)),
        ("type=channel", (vec![&*channel], 1)),
        ("type=group&unread_only=true", (vec![&*group], 1)),
        ("type=channel&unread_only=true", (vec![], 0)),
        ("type=group&offset=1", (vec![], 1)),
    ] {
        assert_eq!(ids(&list(&app, &bob, query).await), expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn newcomer_has_nothing_unread_and_sees_only_later_messages() {
    let app = TestApp::start().await;
    let (alice, bob, carol, dave) = (app.user().await, app.user().await, app.user().await, app.user().await);
    let group = new_group(&app, "group", &[Membership::founder(&alice, Role::Owner)]).await;
    for text in ["one", "two", "three"] {
        app.send(&group, &alice, text).await;
    }
    // The history since the join, all of it, and a part of it that is not read.
    let joined = Membership { user: &bob, role: Role::Member, from_seq: 3, read_seq: 3, joined_seq: 3 };
    join(&app, &group, joined).await;
    join(&app, &group, Membership { user: &carol, from_seq: 0, ..joined }).await;
    join(&app, &group, Membership { user: &dave, from_seq: 1, read_seq: 0, ..joined }).await;

    let shown = async |user: &User| {
        let item = item(&app, user, &group).await;
        let listed = list(&app, user, "").await;
        assert_eq!(listed.body["chats"], json!([item]));
        let unread = list(&app, user, "unread_only=true").await.body["total"].clone();
        assert_eq!(unread, i64::from(item["unread_count"] != 0));
        json!([item["first_seq"], item["last_seq"], item["unread_count"], item["last_message"]["text"]])
    };
    assert_eq!(shown(&bob).await, json!([4, 3, 0, null]));
    assert_eq!(shown(&carol).await, json!([1, 3, 0, "three"]));
    assert_eq!(shown(&dave).await, json!([2, 3, 2, "three"]));
    app.send(&group, &alice, "four").await;
    assert_eq!(shown(&bob).await, json!([4, 4, 1, "four"]));
    assert_eq!(shown(&carol).await, json!([1, 4, 1, "four"]));
    assert_eq!(shown(&dave).await, json!([2, 4, 3, "four"]));

    // A read marker before the first event leaves the count as it is.
    let path = format!("/api/v1/chats/{group}/receipt");
    let read = app.put(&path, &dave, &json!({ "read": 1 })).await;
    assert_eq!((read.status, read.body), (200, json!({ "read_seq": 1, "delivered_seq": 1, "unread_count": 3 })));
    assert_eq!(app.put(&path, &dave, &json!({ "read": 3 })).await.body["unread_count"], 1);
    let stranger = app.user().await;
    assert_problem(&app.put(&path, &stranger, &json!({ "read": 1 })).await, 404, "not_found", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn last_message_is_the_newest_one_that_is_not_deleted() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.user().await, app.user().await);
    let members = [Membership::founder(&alice, Role::Owner)];
    let group = new_group(&app, "group", &members).await;
    app.send(&group, &alice, "one").await;
    let bob_joined = Membership { user: &bob, role: Role::Member, from_seq: 1, read_seq: 1, joined_seq: 1 };
    join(&app, &group, bob_joined).await;
    let two = app.send(&group, &alice, "two").await;
    assert_eq!(item(&app, &bob, &group).await["last_message"]["id"], two.message_id);
    let path = format!("/api/v1/chats/{group}/messages/{}", two.message_id);
    let deleted = app.api.call("DELETE", &path, Some(&alice.token), None).await.expect("call API");
    assert_eq!(deleted.status, 200, "{deleted:?}");

    let (seen_by_alice, seen_by_bob) = (item(&app, &alice, &group).await, item(&app, &bob, &group).await);
    assert_eq!(seen_by_alice["last_message"]["text"], "one");
    assert_eq!((&seen_by_bob["last_message"], &seen_by_bob["unread_count"]), (&Value::Null, &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_chat_is_only_in_the_heads() {
    let app = TestApp::start().await;
    let (alice, bob, direct) = app.pair().await;
    let members = [Membership::founder(&alice, Role::Owner), Membership::founder(&bob, Role::Member)];
    let (open, closed) = (new_group(&app, "group", &members).await, new_group(&app, "group", &members).await);
    for chat in [&open, &closed] {
        app.send(chat, &alice, "hello").await;
    }
    let id: Uuid = closed.parse().expect("parse id");
    app.sql().await.execute("UPDATE chats SET is_closed = TRUE WHERE id = $1", &[&id]).await.expect("close chat");

    for (query, expected) in [
        ("", vec![&*open, &direct]),
        ("limit=1", vec![&*open]),
        ("type=group", vec![&*open]),
        ("unread_only=true", vec![&*open]),
    ] {
        let list = list(&app, &bob, query).await;
        let total = if query.is_empty() || query == "limit=1" { 2 } else { 1 };
        assert_eq!(ids(&list), (expected, total), "{query}");
    }
    let path = format!("/api/v1/chats/{closed}");
    assert_problem(&app.get(&path, &bob).await, 404, "not_found", &[]);
    let read = app.put(&format!("{path}/receipt"), &bob, &json!({ "read": 1 })).await;
    assert_problem(&read, 404, "not_found", &[]);

    let (mut client, grpc) = (app.chat_service(), &app.grpc);
    let read = MarkReadRequest { chat_id: closed.clone(), user_id: bob.id.clone(), read: 1 };
    assert_eq!(client.mark_read(grpc.request(read)).await.expect_err("refuse request").code(), Code::NotFound);
    let access = ValidateChatAccessRequest { user_id: bob.id.clone(), chat_id: closed.clone() };
    let access = client.validate_chat_access(grpc.request(access)).await.expect("get answer").into_inner();
    assert_eq!((access.has_access, access.chat), (false, None));
    let mut listed: Vec<_> = user_chats(&app, &bob).await.into_iter().map(|chat| chat.chat_id).collect();
    let mut expected = vec![direct, open];
    listed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(listed, expected);
    let heads = GetHeadsRequest { chat_ids: vec![closed.clone()] };
    let heads = client.get_heads(grpc.request(heads)).await.expect("get heads").into_inner().heads;
    assert_eq!(heads, [ChatHead { chat_id: closed, last_seq: 1 }]);
}

async fn user_chats(app: &TestApp, user: &User) -> Vec<UserChat> {
    let request = ListUserChatsRequest { user_id: user.id.clone(), ..ListUserChatsRequest::default() };
    app.chat_service().list_user_chats(app.grpc.request(request)).await.expect("list chats").into_inner().chats
}

#[tokio::test(flavor = "multi_thread")]
async fn notification_service_learns_the_membership() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.user().await, app.user().await);
    let owner = [Membership::founder(&alice, Role::Owner)];
    let group = new_group(&app, "group", &owner).await;
    let channel = new_group(&app, "channel", &owner).await;
    for text in ["one", "two"] {
        app.send(&group, &alice, text).await;
    }
    let admin = Membership { user: &bob, role: Role::Admin, from_seq: 1, read_seq: 2, joined_seq: 2 };
    join(&app, &group, admin).await;
    join(&app, &channel, Membership::founder(&bob, Role::Member)).await;
    let (sql, group_id, channel_id) = (app.sql().await, parse(&group), parse(&channel));
    let restrict =
        "UPDATE chat_members SET restricted_until = '2100-01-01T00:00:00Z' WHERE chat_id = $1 AND user_id = $2";
    sql.execute(restrict, &[&group_id, &user_id(&bob)]).await.expect("update member");
    sql.execute("UPDATE chats SET access_version = 3 WHERE id = $1", &[&group_id]).await.expect("update chat");
    sql.execute("UPDATE chats SET send_role = 2 WHERE id = $1", &[&channel_id]).await.expect("update chat");

    let of_group = UserChat {
        chat_id: group.clone(),
        last_seq: 2,
        partner_ids: Vec::new(),
        from_seq: 1,
        class: WireClass::Small.into(),
        role: WireRole::Admin.into(),
        joined_seq: 2,
        presence_ids: vec![alice.id.clone()],
        send_role: WireRole::Member.into(),
        restricted_until_micros: Some(4_102_444_800_000_000),
        access_version: Some(3),
    };
    let of_channel = UserChat {
        chat_id: channel,
        class: WireClass::Large.into(),
        role: WireRole::Member.into(),
        send_role: WireRole::Admin.into(),
        access_version: Some(0),
        ..UserChat::default()
    };
    assert_eq!(user_chats(&app, &bob).await, [of_group.clone(), of_channel]);
    let request = ValidateChatAccessRequest { user_id: bob.id.clone(), chat_id: group.clone() };
    let access = app.chat_service().validate_chat_access(app.grpc.request(request)).await.expect("get answer");
    assert_eq!(access.into_inner().chat, Some(of_group));

    let sizes = [
        (20, WireClass::Small, vec![alice.id.clone()]),
        (21, WireClass::Small, Vec::new()),
        (101, WireClass::Medium, Vec::new()),
        (1001, WireClass::Large, Vec::new()),
    ];
    for (members, class, presence_ids) in sizes {
        let id: Uuid = group.parse().expect("parse id");
        let update = "UPDATE chats SET member_count = $2 WHERE id = $1";
        app.sql().await.execute(update, &[&id, &members]).await.expect("update row");
        let chat = &user_chats(&app, &bob).await[0];
        assert_eq!((chat.class, &chat.presence_ids), (i32::from(class), &presence_ids), "{members} members");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn announces_group_to_each_new_member() {
    let app = TestApp::start().await;
    let (alice, bob, carol) = (app.user().await, app.user().await, app.user().await);
    let group = new_group(&app, "group", &[Membership::founder(&alice, Role::Owner)]).await;
    app.send(&group, &alice, "before").await;
    app.until_redis().await;
    let channel = |user: &User| Channel::User(user.id.parse().expect("parse id"));
    let mut listener = Listener::on([&bob, &carol].map(channel)).await;
    let body = json!({ "user_ids": [bob.id, carol.id] });
    let added = app.post(&format!("/api/v1/chats/{group}/members"), &alice, &body).await;
    assert_eq!((added.status, &added.body["seq"]), (200, &json!(2)), "{added:?}");

    let mut announced = Vec::new();
    for _ in 0..2 {
        let (on, text) = listener.next().await;
        let envelope: Envelope<'_> = serde_json::from_str(&text).expect("parse envelope");
        let Event::ChatCreated {
            chat_id,
            last_seq,
            partner_ids,
            from_seq,
            class,
            role,
            presence_ids,
            send_role,
            restricted_until,
            access_version,
            chat,
        } = envelope.event
        else {
            panic!("{text}")
        };
        assert_eq!((send_role, restricted_until, access_version), (Role::Member, None, Some(0)));
        let other = if on == channel(&bob) { &carol } else { &bob };
        let presence_ids: HashSet<_> = presence_ids.iter().map(ToString::to_string).collect();
        assert_eq!(presence_ids, HashSet::from([alice.id.clone(), other.id.clone()]));
        assert_eq!((chat_id.to_string(), last_seq, partner_ids), (group.clone(), 2, Vec::new()));
        assert_eq!((from_seq, class, role), (1, ChatClass::Small, Role::Member));
        let announced_item: Value = serde_json::from_str(chat.get()).expect("parse JSON");
        assert_eq!(announced_item, item(&app, &bob, &group).await);
        announced.push(on);
    }
    assert!([&bob, &carol].iter().all(|user| announced.contains(&channel(user))), "{announced:?}");
}

/// What an event about the membership of a user in a large chat says.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Joined(Option<i32>),
    Left(Option<i32>),
}

async fn told(listener: &mut Listener) -> Told {
    let (_, text) = listener.next().await;
    match serde_json::from_str::<Envelope<'_>>(&text).expect("parse envelope").event {
        Event::ChatCreated { access_version, .. } => Told::Joined(access_version),
        Event::Left { access_version, .. } => Told::Left(access_version),
        _ => panic!("{text}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leave_of_a_large_chat_has_a_place_among_the_lists() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.user().await, app.user().await);
    let body = json!({ "type": "channel", "title": "News", "handle": "news_of_today", "member_ids": [bob.id] });
    let chat = app.post("/api/v1/chats", &alice, &body).await.body["id"].as_str().expect("id as string").to_owned();
    let listed = async || user_chats(&app, &bob).await.pop().map(|chat| chat.access_version.expect("a version"));
    let leave = async |request_id: Uuid| {
        let path = format!("/api/v1/chats/{chat}/members/me?request_id={request_id}");
        let left = app.api.call("DELETE", &path, Some(&bob.token), None).await.expect("call API");
        assert_eq!(left.status, 200, "{left:?}");
    };
    let before = listed().await.expect("be a member");
    app.until_redis().await;
    let mut listener = Listener::on([Channel::User(bob.id.parse().expect("parse id"))]).await;

    let first = Uuid::new_v4();
    leave(first).await;
    assert_eq!((told(&mut listener).await, listed().await), (Told::Left(Some(before + 1)), None));
    let joined = app.post(&format!("/api/v1/chats/{chat}/join"), &bob, &json!({})).await;
    assert_eq!(joined.status, 200, "{joined:?}");
    assert_eq!((told(&mut listener).await, listed().await), (Told::Joined(Some(before + 1)), Some(before + 1)));
    // A repeated request does not announce that bob left.
    leave(first).await;
    leave(Uuid::new_v4()).await;
    assert_eq!(told(&mut listener).await, Told::Left(Some(before + 2)));
}
