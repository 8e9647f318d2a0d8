//! Reactions.

mod gathered;

use futures_util::future::join_all;
use neonchat_common::bus::{Channel, Envelope, Event};
use neonchat_proto::chat::v1::{ChangeMessageRequest, ChangeMessageResponse, React, change_message_request::Change};
use neonchat_testbed::client::{Answer, User};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Group, assert_forbidden};
use crate::support::{Listener, TestApp, assert_problem, own_redis};

const THUMB: &str = "👍";
const HEART: &str = "❤️";

impl Group {
    async fn react(&self, user: &User, message: &str, emoji: &str) -> Answer {
        self.call("PUT", user, &format!("/messages/{message}/reactions/{emoji}"), None).await
    }

    async fn unreact(&self, user: &User, message: &str, emoji: &str) -> Answer {
        self.call("DELETE", user, &format!("/messages/{message}/reactions/{emoji}"), None).await
    }

    /// Reacts as the socket of a user does.
    async fn react_by_socket(&self, user: &User, message: &str, emoji: &str, request: Uuid) -> ChangeMessageResponse {
        let react = React { message_id: message.to_owned(), emoji: emoji.to_owned(), on: true };
        let change = ChangeMessageRequest {
            chat_id: self.chat.clone(),
            actor_id: user.id.clone(),
            request_id: request.to_string(),
            change: Some(Change::React(react)),
            traceparent: None,
        };
        let answer = self.app.chat_service().change_message(self.app.grpc.request(change)).await;
        answer.expect("react").into_inner()
    }

    /// Returns the events of a type, as a user sees them.
    async fn events_of_type(&self, user: &User, kind: &str) -> Vec<Value> {
        let events = self.get(user, "/events").await.body["events"].clone();
        let events = events.as_array().expect("array of events").iter();
        events.filter(|event| event["type"] == kind).cloned().collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reaction_is_an_event_with_counts_of_all_users() {
    let f = Group::start("group").await;
    let message = f.sent(&f.owner, "x").await;
    let first = f.react(&f.member, &message, THUMB).await;
    let shown = json!([{ "emoji": THUMB, "count": 1, "recent": [f.member.id] }]);
    let expected = json!({ "reactions": shown, "my_reactions": [THUMB], "seq": 2, "duplicate": false });
    assert_eq!((first.status, first.body), (200, expected));

    f.react(&f.other, &message, HEART).await;
    let same = f.react(&f.other, &message, "\u{2764}").await;
    assert_eq!(same.body["seq"], Value::Null, "an unqualified form is the same emoji");
    let last = f.react(&f.owner, &message, THUMB).await.body;
    let reactions = json!([
        { "emoji": THUMB, "count": 2, "recent": [f.owner.id, f.member.id] },
        { "emoji": HEART, "count": 1, "recent": [f.other.id] },
    ]);
    assert_eq!((&last["reactions"], &last["seq"]), (&reactions, &json!(4)));
    let toned = f.react(&f.owner, &message, "👍🏽").await.body;
    assert_eq!(toned["reactions"][2]["count"], 1, "a skin tone is a kind of its own");
    f.unreact(&f.owner, &message, "👍🏽").await;

    let events = f.events_of_type(&f.admin, "reactions").await;
    let event = json!({
        "type": "reactions", "chat_id": f.chat, "seq": 4, "message_id": message, "message_seq": 1, "reactions": reactions,
    });
    assert_eq!(events[2], event);
    assert_eq!(events[0]["reactions"], reactions, "an event that is read late has the reactions of now");
    for (user, mine) in [(&f.owner, json!([THUMB])), (&f.other, json!([HEART])), (&f.admin, Value::Null)] {
        for path in ["/messages", &format!("/messages?ids={message}"), &format!("/messages/{message}")] {
            let answer = f.get(user, path).await.body;
            let shown = if answer["messages"].is_array() { &answer["messages"][0] } else { &answer };
            assert_eq!((&shown["reactions"], &shown["my_reactions"]), (&reactions, &mine), "{path}");
            assert_eq!((shown.get("changed_seq"), &shown["updated_at"]), (None, &shown["created_at"]));
        }
    }
    let item = f.get(&f.admin, "").await.body;
    assert_eq!((&item["unread_count"], &item["last_seq"]), (&json!(1), &json!(6)), "a reaction is not unread");
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_reaction_leaves_no_trace() {
    let f = Group::start("group").await;
    let message = f.sent(&f.owner, "x").await;
    f.react(&f.member, &message, THUMB).await;
    let none = f.unreact(&f.other, &message, THUMB).await;
    assert_eq!((none.status, &none.body["seq"]), (200, &Value::Null), "there is no such reaction");
    let removed = f.unreact(&f.member, &message, THUMB).await.body;
    assert_eq!(removed, json!({ "reactions": [], "my_reactions": [], "seq": 3, "duplicate": false }));
    assert!(f.get(&f.owner, &format!("/messages/{message}")).await.body.get("reactions").is_none());
    assert_eq!(f.events_of_type(&f.owner, "reactions").await[1]["reactions"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn user_has_three_reactions_and_a_message_twenty_kinds() {
    let f = Group::start("group").await;
    let message = f.sent(&f.owner, "x").await;
    let limit = |answer: &Answer, name: &str, max: i32| {
        assert_problem(answer, 409, "limit_reached", &[]);
        assert_eq!((&answer.body["limit"], &answer.body["max"]), (&json!(name), &json!(max)));
    };
    // At the same time, so that none sees the others.
    let emoji = ["😀", "😃", "😄", "😁", "😆", "😅"];
    let answers = join_all(emoji.map(|emoji| f.react(&f.member, &message, emoji))).await;
    let (accepted, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((accepted.len(), refused.len()), (3, 3), "{answers:?}");
    for answer in refused {
        limit(answer, "reactions", 3);
    }
    let fill = "INSERT INTO reactions SELECT 'CHAT', 1, gen_random_uuid(), chr(128512 + 20 + n), 1, now()
                  FROM generate_series(1, 17) AS n";
    f.execute(fill).await;
    limit(&f.react(&f.other, &message, THUMB).await, "reaction_kinds", 20);
    let again = f.react(&f.other, &message, "\u{1f615}").await;
    assert_eq!((again.status, again.body["reactions"].as_array().map(Vec::len)), (200, Some(20)));
}

#[tokio::test(flavor = "multi_thread")]
async fn reaction_needs_a_message_an_emoji_and_the_right() {
    let f = Group::start("group").await;
    let message = f.sent(&f.owner, "x").await;
    for bad in ["a", "%F0%9F%91%8D%F0%9F%91%8D", "%2B1"] {
        assert_problem(&f.react(&f.member, &message, bad).await, 422, "validation_failed", &[("emoji", "emoji")]);
    }
    let path = format!("/messages/{message}/reactions/{THUMB}?request_id=x");
    let bad = f.call("PUT", &f.member, &path, None).await;
    assert_problem(&bad, 422, "validation_failed", &[("request_id", "format")]);
    let stranger = f.app.user().await;
    for method in ["PUT", "DELETE"] {
        let path = |message: &str| format!("/messages/{message}/reactions/{THUMB}");
        for (user, message) in [(&stranger, &message), (&f.member, &Uuid::new_v4().to_string())] {
            assert_problem(&f.call(method, user, &path(message), None).await, 404, "not_found", &[]);
        }
    }
    f.execute("UPDATE chats SET react_role = 2 WHERE id = 'CHAT'").await;
    assert_forbidden(&f.react(&f.member, &message, THUMB).await, "role");
    assert_eq!(f.react(&f.admin, &message, THUMB).await.status, 200);
    f.execute("UPDATE chats SET react_role = 1 WHERE id = 'CHAT'").await;
    f.change_member(&f.owner, &f.member, json!({ "restricted_until": "2999-01-01T00:00:00Z" })).await;
    assert_forbidden(&f.react(&f.member, &message, THUMB).await, "restricted");
    f.execute("UPDATE messages SET expires_at = now() WHERE chat_id = 'CHAT'").await;
    assert_problem(&f.react(&f.other, &message, THUMB).await, 404, "not_found", &[]);

    let late = f.add(&stranger).await;
    assert!(late > 1);
    f.execute("UPDATE messages SET expires_at = NULL; UPDATE chat_members SET from_seq = 1 WHERE joined_seq > 0").await;
    assert_problem(&f.react(&stranger, &message, THUMB).await, 404, "not_found", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_reaction_never_acts_again() {
    let f = Group::start("group").await;
    let message = f.sent(&f.owner, "x").await;
    let path = |emoji: &str, request: Uuid| format!("/messages/{message}/reactions/{emoji}?request_id={request}");
    let request = Uuid::new_v4();
    assert_eq!(f.call("PUT", &f.member, &path(THUMB, request), None).await.body["seq"], 2);
    f.unreact(&f.member, &message, THUMB).await;
    let again = f.call("PUT", &f.member, &path(THUMB, request), None).await.body;
    assert_eq!(again, json!({ "reactions": [], "my_reactions": [], "seq": 2, "duplicate": true }));
    for other in [("PUT", path(HEART, request)), ("DELETE", path(THUMB, request))] {
        let other = f.call(other.0, &f.member, &other.1, None).await;
        assert_problem(&other, 422, "idempotency_mismatch", &[]);
    }
    let by_socket = f.react_by_socket(&f.member, &message, THUMB, request).await;
    assert!(by_socket.duplicate && by_socket.seq == 2 && by_socket.personal_frame.is_none(), "{by_socket:?}");
    f.kick(&f.member).await;
    let former = f.call("PUT", &f.member, &path(THUMB, request), None).await;
    assert_eq!((former.status, &former.body["duplicate"]), (200, &json!(true)), "{former:?}");
    let unknown = f.call("PUT", &f.member, &path(THUMB, Uuid::new_v4()), None).await;
    assert_problem(&unknown, 404, "not_found", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_takes_the_reactions_along() {
    let f = Group::start("group").await;
    let message = f.sent(&f.owner, "x").await;
    f.react(&f.member, &message, THUMB).await;
    f.delete(&f.owner, &[&message]).await;
    assert_problem(&f.react(&f.member, &message, THUMB).await, 404, "not_found", &[]);
    let list = f.get(&f.member, &format!("/messages/{message}/reactions")).await;
    assert_problem(&list, 404, "not_found", &[]);
    let events = f.events_of_type(&f.other, "reactions").await;
    assert_eq!((&events[0]["seq"], &events[0]["reactions"]), (&json!(2), &json!([])));
    let rows = f.app.sql().await.query_one("SELECT count(*) FROM reactions", &[]).await.expect("count rows");
    assert_eq!(rows.get::<_, i64>(0), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn list_has_who_reacted_in_pages() {
    let f = Group::start("group").await;
    let message = f.sent(&f.owner, "x").await;
    let users = [&f.owner, &f.admin, &f.member, &f.other];
    for (user, emoji) in users.into_iter().zip([THUMB, HEART, THUMB, THUMB]) {
        f.react(user, &message, emoji).await;
    }
    f.react(&f.owner, &message, HEART).await;
    let pages = async |query: &str| {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let page = f.get(&f.member, &format!("/messages/{message}/reactions?limit=2{query}{after}")).await.body;
            let page_of = page["reactions"].as_array().expect("array of reactions").clone();
            assert!(page_of.len() <= 2 && page_of.iter().all(|reaction| reaction["at"].is_string()), "{page}");
            all.extend(page_of.iter().map(|reaction| json!([reaction["user_id"], reaction["emoji"]])));
            let Some(next) = page["next"].as_str() else { return all };
            after = format!("&after={next}");
        }
    };
    let of = |user: &User, emoji: &str| json!([user.id, emoji]);
    let thumbs = [of(&f.other, THUMB), of(&f.member, THUMB)];
    let expected = [&[of(&f.owner, HEART)], &thumbs[..], &[of(&f.admin, HEART), of(&f.owner, THUMB)]].concat();
    assert_eq!(pages("").await, expected);
    assert_eq!(pages("&emoji=👍").await, [&thumbs[..], &[of(&f.owner, THUMB)]].concat());
    assert_eq!(pages("&emoji=🎉").await, [0; 0].map(|_| Value::Null));
    let bad = f.get(&f.member, &format!("/messages/{message}/reactions?after=x&emoji=y&limit=0")).await;
    assert_problem(&bad, 422, "validation_failed", &[("emoji", "emoji"), ("limit", "range"), ("after", "format")]);
    let stranger = f.app.user().await;
    let refused = f.get(&stranger, &format!("/messages/{message}/reactions")).await;
    assert_problem(&refused, 404, "not_found", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_reactions_are_counted_exactly() {
    let f = Group::start("group").await;
    let second = TestApp::launch(&f.app.database, &[]).await;
    second.api.until_ready().await.expect("become ready");
    let messages = [f.sent(&f.owner, "x").await, f.sent(&f.owner, "y").await];
    let users = [&f.owner, &f.admin, &f.member, &f.other];
    let calls = (0..48_usize).map(|n| {
        let api = if n.is_multiple_of(2) { &f.app.api } else { &second.api };
        let (user, message) = (users[n / 2 % 4], &messages[n / 8 % 2]);
        let emoji = [THUMB, HEART, "🎉"][n / 16];
        let path = format!("/api/v1/chats/{}/messages/{message}/reactions/{emoji}", f.chat);
        async move { api.call("PUT", &path, Some(&user.token), None).await.expect("call API") }
    });
    let answers = join_all(calls).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let mut seqs: Vec<_> = answers.iter().filter_map(|answer| answer.body["seq"].as_i64()).collect();
    seqs.sort_unstable();
    assert_eq!(
        seqs,
        (3..=26).collect::<Vec<_>>(),
        "each reaction is one event, although two instances were asked for it"
    );
    for message in messages {
        let shown = f.get(&f.owner, &format!("/messages/{message}")).await.body["reactions"].clone();
        let counts: Vec<_> = shown.as_array().expect("array").iter().map(|kind| kind["count"].as_i64()).collect();
        assert_eq!(counts, [Some(4); 3]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_channel_do_not_learn_who_reacted() {
    let f = Group::start("channel").await;
    let message = f.sent(&f.admin, "news").await;
    f.react(&f.member, &message, THUMB).await;
    let sql = f.app.sql().await;
    let is_made = async || {
        let row = sql.query_one("SELECT count(*) FROM chat_events", &[]).await.expect("count rows");
        row.get::<_, i64>(0) == 1
    };
    neonchat_testbed::harness::until("the event is made", is_made).await;
    let edited = f.edit(&f.admin, &message, "better news").await;
    assert_eq!(edited.status, 200);
    for (user, recent) in [(&f.owner, json!([f.member.id])), (&f.other, Value::Null), (&f.member, Value::Null)] {
        assert_eq!(f.events_of_type(user, "reactions").await[0]["reactions"][0]["recent"], recent);
        for path in ["/messages", &format!("/messages?ids={message}")] {
            assert_eq!(f.get(user, path).await.body["messages"][0]["reactions"][0]["recent"], recent, "{path}");
        }
        for kind in ["message", "message_edited"] {
            let event = &f.events_of_type(user, kind).await[0];
            let reaction = &event["message"]["reactions"][0];
            assert_eq!((&reaction["count"], reaction.get("recent")), (&json!(1), None), "{kind}");
        }
    }
    let list = format!("/messages/{message}/reactions");
    assert_forbidden(&f.get(&f.other, &list).await, "role");
    assert_eq!(f.get(&f.admin, &list).await.body["reactions"][0]["user_id"], json!(f.member.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn reactions_of_a_user_are_limited_per_second_over_both_transports() {
    let (redis, _folder) = own_redis().await;
    let redis = redis.url();
    let settings = [
        ("REDIS_URL", &*redis),
        ("RATE_LIMIT_PER_MINUTE", "100000"),
        ("AUTH_RATE_LIMIT_PER_MINUTE", "0"),
        ("REACTIONS_PER_SECOND", "1"),
    ];
    let f = Group::start_with("group", &settings).await;
    f.app.until_redis().await;
    let message = f.sent(&f.owner, "x").await;
    assert_eq!(f.react(&f.member, &message, THUMB).await.status, 200);
    assert!(f.react_by_socket(&f.member, &message, HEART, Uuid::new_v4()).await.event.is_some());
    let refused = f.unreact(&f.member, &message, THUMB).await;
    assert_problem(&refused, 429, "rate_limited", &[]);
    assert_eq!(f.react(&f.other, &message, THUMB).await.status, 200, "the limit is for a user");
}

#[tokio::test(flavor = "multi_thread")]
async fn event_goes_to_the_chat_and_a_frame_to_the_user() {
    let f = Group::start("group").await;
    f.app.until_redis().await;
    let message = f.sent(&f.owner, "x").await;
    let (chat, user) = (f.chat.parse().expect("parse id"), f.member.id.parse().expect("parse id"));
    let mut listener = Listener::on([Channel::Chat(chat), Channel::User(user)]).await;
    f.react(&f.member, &message, THUMB).await;
    let (channel, text) = listener.next().await;
    let envelope: Envelope<'_> = serde_json::from_str(&text).expect("parse envelope");
    let Event::Durable { seq, frame, .. } = envelope.event else { panic!("{text}") };
    let frame: Value = serde_json::from_str(frame.get()).expect("parse frame");
    assert_eq!((channel, seq, &frame["type"]), (Channel::Chat(chat), 2, &json!("reactions")));
    let (channel, text) = listener.next().await;
    let envelope: Envelope<'_> = serde_json::from_str(&text).expect("parse envelope");
    let Event::Personal { frame, .. } = envelope.event else { panic!("{text}") };
    let expected =
        json!({ "type": "my_reaction", "chat_id": f.chat, "message_id": message, "emoji": THUMB, "on": true });
    assert_eq!((channel, serde_json::from_str::<Value>(frame.get()).expect("parse")), (Channel::User(user), expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn reactions_and_pins_are_refused_while_events_are_off() {
    let f = Group::start_with("group", &[("EVENTS", "off")]).await;
    let message = f.sent(&f.owner, "x").await;
    assert_forbidden(&f.react(&f.member, &message, THUMB).await, "disabled");
    assert_forbidden(&f.unreact(&f.member, &message, THUMB).await, "disabled");
    assert_forbidden(&f.call("PUT", &f.owner, &format!("/pins/{message}"), None).await, "disabled");
}
