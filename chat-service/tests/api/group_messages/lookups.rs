//! Single messages, replies, mentions, and forwarding.

use neonchat_testbed::client::User;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Group, assert_forbidden, assert_problem};

/// Returns what messages say.
fn texts(messages: &Value) -> Vec<&str> {
    let messages = messages.as_array().unwrap_or_else(|| panic!("{messages}"));
    messages.iter().map(|message| message["text"].as_str().expect("read text")).collect()
}

impl Group {
    async fn replied(&self, user: &User, to: &str, text: &str) -> String {
        let sent = self.call("POST", user, "/messages", Some(json!({ "text": text, "reply_to": to }))).await;
        sent.body["id"].as_str().expect("read id").to_owned()
    }

    async fn mentioned(&self, user: &User, query: &str) -> Value {
        self.app.get(&format!("/api/v1/mentions{query}"), user).await.body
    }

    async fn forward(&self, user: &User, to: &str, ids: &[&str], request: Uuid) -> (u16, Value) {
        let body = json!({ "from_chat_id": self.chat, "message_ids": ids, "request_id": request });
        let answer = self.app.post(&format!("/api/v1/chats/{to}/forward"), user, &body).await;
        (answer.status, answer.body)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn single_messages_are_found_by_id() {
    let f = Group::start("group").await;
    let (first, second) = (f.sent(&f.owner, "first").await, f.sent(&f.member, "second").await);
    let elsewhere = Group::start("group").await;
    let foreign = elsewhere.sent(&elsewhere.owner, "x").await;
    let one = f.get(&f.member, &format!("/messages/{second}")).await.body;
    let page = f.get(&f.member, &format!("/messages?ids={first},{second},{foreign},{second}")).await.body;
    assert_eq!((texts(&page["messages"]), &page["messages"][0]), (vec!["second", "first"], &one));
    assert_eq!((&page["head_seq"], &page["first_seq"], &page["has_next"]), (&json!(2), &json!(1), &json!(false)));
    assert!(one["request_id"].is_string() && page["messages"][1].get("request_id").is_none());
    let around = f.get(&f.owner, &format!("/messages?around_id={second}&limit=1")).await.body;
    assert_eq!((texts(&around["messages"]), &around["has_previous"]), (vec!["second"], &json!(true)));

    for path in [format!("/messages/{foreign}"), format!("/messages/{}", Uuid::now_v7())] {
        assert_problem(&f.get(&f.owner, &path).await, 404, "not_found", &[]);
    }
    let stranger = f.app.user().await;
    assert_problem(&f.get(&stranger, &format!("/messages/{first}")).await, 404, "not_found", &[]);
    let both = f.get(&f.owner, &format!("/messages?ids={first}&before_id={first}")).await;
    assert_problem(&both, 422, "validation_failed", &[("before_id", "exclusive")]);
    let many = vec![first.as_str(); 101].join(",");
    let too_many = f.get(&f.owner, &format!("/messages?ids={many}")).await;
    assert_problem(&too_many, 422, "validation_failed", &[("ids", "length")]);
    let unknown = f.get(&f.owner, &format!("/messages?around_id={foreign}")).await;
    assert_problem(&unknown, 422, "validation_failed", &[("around_id", "unknown")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_are_listed_until_they_are_deleted() {
    let f = Group::start("group").await;
    let (first, other) = (f.sent(&f.owner, "first").await, f.sent(&f.owner, "other").await);
    let mut replies = Vec::new();
    for text in ["a", "b", "c"] {
        replies.push(f.replied(&f.member, &first, text).await);
    }
    f.replied(&f.member, &other, "x").await;
    f.replied(&f.member, &replies[0], "y").await;
    let path = format!("/messages/{first}/replies");
    let page = f.get(&f.owner, &format!("{path}?limit=2")).await.body;
    assert_eq!((texts(&page["replies"]), &page["next"]), (vec!["a", "b"], &json!("4")));
    let rest = f.get(&f.owner, &format!("{path}?limit=2&after=4")).await.body;
    assert_eq!((texts(&rest["replies"]), &rest["next"]), (vec!["c"], &Value::Null));
    f.delete(&f.member, &[&replies[1]]).await;
    assert_eq!(texts(&f.get(&f.owner, &path).await.body["replies"]), ["a", "c"]);
    f.delete(&f.owner, &[&first]).await;
    assert_problem(&f.get(&f.owner, &path).await, 404, "not_found", &[]);
    let stranger = f.app.user().await;
    assert_problem(&f.get(&stranger, &format!("/messages/{other}/replies")).await, 404, "not_found", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn mentions_are_listed_over_all_chats_of_the_user() {
    let f = Group::start_with("group", &[("RATE_LIMIT_PER_MINUTE", "0")]).await;
    let direct = f.app.post("/api/v1/chats", &f.owner, &json!({ "partner_id": f.member.id })).await.body;
    let direct = direct["id"].as_str().expect("read id").to_owned();
    let name = &f.member.name;
    let first = f.sent(&f.member, "first").await;
    let to_member = format!("@{name} one");
    f.sent(&f.owner, &to_member).await;
    let in_direct = format!("@{name} two");
    f.app.post(&format!("/api/v1/chats/{direct}/messages"), &f.owner, &json!({ "text": in_direct })).await;
    f.sent(&f.admin, "@all three").await;
    f.replied(&f.other, &first, "four").await;
    let gone = f.sent(&f.owner, &format!("@{name} five")).await;
    f.delete(&f.owner, &[&gone]).await;
    f.sent(&f.member, &format!("@{name} @all six")).await;

    let all = ["four", "@all three", &in_direct, &to_member];
    let page = f.mentioned(&f.member, "").await;
    assert_eq!((texts(&page["mentions"]), &page["next"]), (all.to_vec(), &Value::Null));
    let mut paged = Vec::new();
    let mut after = String::new();
    loop {
        let page = f.mentioned(&f.member, &format!("?limit=1{after}")).await;
        paged.extend(texts(&page["mentions"]).into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(paged, all);
    assert_eq!(texts(&f.mentioned(&f.admin, "").await["mentions"]), [""; 0], "their own mention of all");

    f.kick(&f.member).await;
    assert_eq!(texts(&f.mentioned(&f.member, "").await["mentions"]), [&in_direct]);
    let bad = f.app.get("/api/v1/mentions?after=x", &f.member).await;
    assert_problem(&bad, 422, "validation_failed", &[("after", "format")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn forwarded_messages_are_snapshots_that_name_their_first_sender() {
    let f = Group::start("group").await;
    let direct = f.app.post("/api/v1/chats", &f.owner, &json!({ "partner_id": f.member.id })).await.body;
    let direct = direct["id"].as_str().expect("read id").to_owned();
    let text = format!("@{} bold", f.other.name);
    let first = f.call("POST", &f.member, "/messages", Some(json!({ "text": text }))).await.body;
    let first_id = first["id"].as_str().expect("read id");
    let bold = json!([{ "type": "bold", "offset": 0, "length": 1 }]);
    let second = f.call("POST", &f.owner, "/messages", Some(json!({ "text": "x", "entities": bold }))).await.body;
    let second_id = second["id"].as_str().expect("read id");

    let request = Uuid::new_v4();
    let (status, body) = f.forward(&f.owner, &direct, &[second_id, first_id, second_id], request).await;
    assert_eq!(status, 201, "{body}");
    assert_eq!(texts(&body["messages"]), ["x", text.as_str()], "in the order of the request");
    let [copy, other] = &body["messages"].as_array().expect("messages")[..] else { panic!("{body}") };
    assert_eq!(copy["request_id"], json!(Uuid::new_v5(&request, second_id.as_bytes())));
    assert_eq!((&copy["entities"], &copy["sender_id"]), (&bold, &json!(f.owner.id)));
    assert_eq!(other["forward"], json!({ "sender_id": f.member.id, "sent_at": first["created_at"] }));
    assert_eq!(other.get("mentions"), None);
    let history = f.app.get(&format!("/api/v1/chats/{direct}/messages"), &f.member).await.body;
    assert_eq!(history["messages"][0]["forward"], other["forward"]);

    // A repetition finds the same copies, whatever has become of the forwarded messages.
    f.edit(&f.member, first_id, "edited").await;
    f.delete(&f.owner, &[second_id]).await;
    let (status, again) = f.forward(&f.owner, &direct, &[second_id, first_id], request).await;
    assert_eq!((status, again), (200, body.clone()));
    let elsewhere = f.forward(&f.owner, &f.chat, &[second_id, first_id], request).await;
    assert_eq!((elsewhere.0, &elsewhere.1["code"]), (422, &json!("idempotency_mismatch")));
    let all_or_nothing = f.forward(&f.owner, &direct, &[first_id, second_id], Uuid::new_v4()).await;
    assert_eq!(all_or_nothing.0, 404);
    let history = f.app.get(&format!("/api/v1/chats/{direct}/messages"), &f.member).await.body;
    assert_eq!(history["messages"].as_array().map(Vec::len), Some(2));

    // Through any number of forwards, the first sender stays.
    let copy_id = other["id"].as_str().expect("read id");
    let body = json!({ "from_chat_id": direct, "message_ids": [copy_id] });
    let forwarded = f.call("POST", &f.member, "/forward", Some(body)).await;
    assert_eq!(forwarded.body["messages"][0]["forward"], other["forward"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn forwarding_needs_rights_in_both_chats() {
    let (f, channel) = (Group::start("group").await, Group::start("channel").await);
    let message = f.sent(&f.owner, "x").await;
    let direct = f.app.post("/api/v1/chats", &f.owner, &json!({ "partner_id": f.member.id })).await.body;
    let direct = direct["id"].as_str().expect("read id").to_owned();
    let body = json!({ "from_chat_id": f.chat, "message_ids": [message] });
    let stranger = f.app.user().await;
    let into_strange = f.app.post(&format!("/api/v1/chats/{direct}/forward"), &stranger, &body).await;
    assert_problem(&into_strange, 404, "not_found", &[]);
    let from_strange = json!({ "from_chat_id": channel.chat, "message_ids": [message] });
    let answer = f.call("POST", &f.owner, "/forward", Some(from_strange)).await;
    assert_problem(&answer, 404, "not_found", &[]);
    let protect = json!({ "settings": { "protected": true } });
    assert_eq!(f.call("PATCH", &f.owner, "", Some(protect)).await.status, 200);
    let refused = f.app.post(&format!("/api/v1/chats/{direct}/forward"), &f.owner, &body).await;
    assert_forbidden(&refused, "protected");
    let nothing =
        f.call("POST", &f.owner, "/forward", Some(json!({ "from_chat_id": f.chat, "message_ids": [] }))).await;
    assert_problem(&nothing, 422, "validation_failed", &[("message_ids", "length")]);
}
