//! Messages in groups and channels: who may send, change and read them.

mod changing;
mod lookups;
mod pins;
mod reactions;
mod reading;
mod removal;
mod rich;

use neonchat_proto::chat::v1::{Refusal, ValidateAndStoreMessageRequest, store_message_result::Result as Outcome};
use neonchat_testbed::client::{Answer, User};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{TestApp, assert_problem};

/// A chat with an owner, an admin and two members.
struct Group {
    app: TestApp,
    owner: User,
    admin: User,
    member: User,
    other: User,
    chat: String,
}

impl Group {
    async fn start(kind: &str) -> Self {
        Self::start_with(kind, &[]).await
    }

    async fn start_with(kind: &str, settings: &[(&str, &str)]) -> Self {
        let app = TestApp::start_with(settings).await;
        let (owner, admin, member, other) = (app.user().await, app.user().await, app.user().await, app.user().await);
        let chat = insert_group(&app, kind, &[(&owner, 3), (&admin, 2), (&member, 1), (&other, 1)]).await;
        Self { app, owner, admin, member, other, chat }
    }

    async fn call(&self, method: &str, user: &User, rest: &str, body: Option<Value>) -> Answer {
        let path = format!("/api/v1/chats/{}{rest}", self.chat);
        self.app.api.call(method, &path, Some(&user.token), body.as_ref()).await.expect("call API")
    }

    async fn get(&self, user: &User, rest: &str) -> Answer {
        self.call("GET", user, rest, None).await
    }

    async fn send(&self, user: &User, text: &str) -> Answer {
        self.call("POST", user, "/messages", Some(json!({ "text": text }))).await
    }

    /// Sends a message and returns its id.
    async fn sent(&self, user: &User, text: &str) -> String {
        let sent = self.send(user, text).await;
        assert_eq!(sent.status, 201, "{sent:?}");
        sent.body["id"].as_str().expect("read id").to_owned()
    }

    async fn edit(&self, user: &User, message: &str, text: &str) -> Answer {
        self.call("PATCH", user, &format!("/messages/{message}"), Some(json!({ "text": text }))).await
    }

    async fn delete(&self, user: &User, messages: &[&str]) -> Answer {
        self.call("POST", user, "/messages/delete", Some(json!({ "ids": messages }))).await
    }

    async fn change_member(&self, by: &User, target: &User, body: Value) {
        let changed = self.call("PATCH", by, &format!("/members/{}", target.id), Some(body)).await;
        assert_eq!(changed.status, 200, "{changed:?}");
    }

    /// Removes a member. Returns the `seq` of the event.
    async fn kick(&self, target: &User) -> i64 {
        let kicked = self.call("POST", &self.owner, "/members/remove", Some(json!({ "user_ids": [target.id] }))).await;
        kicked.body["seq"].as_i64().unwrap_or_else(|| panic!("{kicked:?}"))
    }

    /// Adds a member. Returns the `seq` of the event.
    async fn add(&self, target: &User) -> i64 {
        let added = self.call("POST", &self.owner, "/members", Some(json!({ "user_ids": [target.id] }))).await;
        added.body["seq"].as_i64().unwrap_or_else(|| panic!("{added:?}"))
    }

    async fn execute(&self, sql: &str) {
        self.app.sql().await.batch_execute(&sql.replace("CHAT", &self.chat)).await.expect("execute SQL");
    }

    /// Sends messages by one call. Returns the refusal of each, or `None` if it is stored.
    async fn send_batch(&self, sender: &User, texts: &[&str]) -> Vec<Option<Refusal>> {
        let message = |text: &&str| ValidateAndStoreMessageRequest {
            chat_id: self.chat.clone(),
            sender_id: sender.id.clone(),
            text: (*text).to_owned(),
            request_id: Uuid::new_v4().to_string(),
            traceparent: None,
            extra_json: String::new(),
        };
        let results = self.app.store_messages(texts.iter().map(message).collect()).await.expect("store messages");
        let refusal = |result| match result {
            Some(Outcome::Refused(refusal)) => Some(refusal),
            Some(Outcome::Stored(_)) => None,
            None => panic!("no result"),
        };
        results.into_iter().map(|result| refusal(result.result)).collect()
    }
}

/// Creates a group or channel whose newcomers see its whole history.
async fn insert_group(app: &TestApp, kind: &str, members: &[(&User, i16)]) -> String {
    let chat = Uuid::now_v7();
    let send = if kind == "channel" { "admin" } else { "member" };
    let settings = json!({
        "send": send, "info": "admin", "invite": "member", "delete": "admin", "kick": "admin", "restrict": "admin",
        "ban": "admin", "requests": "admin", "audit": "admin", "slow_s": 0, "history": "all",
    });
    let (send_role, count) = (if kind == "channel" { 2 } else { 1 }, members.len());
    let owner = &members[0].0.id;
    let rows: Vec<_> = members.iter().map(|(user, role)| format!("('{chat}', '{}', {role})", user.id)).collect();
    let sql = format!(
        "INSERT INTO chats (id, kind, member_count, send_role) VALUES ('{chat}', '{kind}', {count}, {send_role});
         INSERT INTO chat_profiles (chat_id, title, search_key, settings, created_by, request_id)
         VALUES ('{chat}', 'Team', 'team', '{settings}', '{owner}', gen_random_uuid());
         INSERT INTO chat_members (chat_id, user_id, role) VALUES {}",
        rows.join(", ")
    );
    app.sql().await.batch_execute(&sql).await.expect("create chat");
    chat.to_string()
}

#[track_caller]
fn assert_forbidden(answer: &Answer, reason: &str) {
    assert_problem(answer, 403, "forbidden", &[]);
    assert_eq!(answer.body["reason"], reason, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_admins_send_in_a_channel() {
    let f = Group::start("channel").await;
    assert_forbidden(&f.send(&f.member, "x").await, "role");
    f.sent(&f.admin, "news").await;
    let refusals = f.send_batch(&f.member, &["x"]).await;
    let refusal = refusals[0].as_ref().expect("refusal");
    assert_eq!((&*refusal.code, refusal.reason.as_deref()), ("forbidden", Some("role")));
    f.change_member(&f.owner, &f.admin, json!({ "role": "member" })).await;
    assert_forbidden(&f.send(&f.admin, "x").await, "role");
}

#[tokio::test(flavor = "multi_thread")]
async fn restricted_member_only_reads() {
    let f = Group::start("group").await;
    let message = f.sent(&f.member, "x").await;
    f.change_member(&f.admin, &f.member, json!({ "restricted_until": "2100-01-01T00:00:00Z" })).await;
    assert_forbidden(&f.send(&f.member, "y").await, "restricted");
    assert_forbidden(&f.edit(&f.member, &message, "y").await, "restricted");
    assert_eq!(f.get(&f.member, "/messages").await.status, 200);
    assert_eq!(f.delete(&f.member, &[&message]).await.body["seq"], 3, "one's own messages can be deleted");
    f.change_member(&f.admin, &f.member, json!({ "restricted_until": null })).await;
    f.sent(&f.member, "z").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_mode_lets_one_message_through() {
    let f = Group::start("group").await;
    f.execute("UPDATE chats SET slow_s = 60 WHERE id = 'CHAT'").await;
    let refusals = f.send_batch(&f.member, &["first", "second", "third"]).await;
    let shown = |refusal: &Refusal| (refusal.reason.clone(), refusal.retry_after_ms);
    let slow = (Some("slow_mode".to_owned()), Some(60_000));
    assert_eq!(
        refusals.iter().map(|refusal| refusal.as_ref().map(shown)).collect::<Vec<_>>(),
        [None, Some(slow.clone()), Some(slow)]
    );
    let refusals = f.send_batch(&f.member, &["fourth"]).await;
    let wait = refusals[0].as_ref().and_then(|refusal| refusal.retry_after_ms).expect("wait");
    assert!((1..60_000).contains(&wait), "{wait}");

    let path = format!("{}/api/v1/chats/{}/messages", f.app.base, f.chat);
    let request = reqwest::Client::new().post(path).bearer_auth(&f.member.token).json(&json!({ "text": "fifth" }));
    let answer = request.send().await.expect("send request");
    let seconds: u64 = answer.headers()["retry-after"].to_str().expect("text").parse().expect("number");
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(answer.status(), 403);
    assert_forbidden(&f.send(&f.member, "sixth").await, "slow_mode");

    f.sent(&f.other, "another member").await;
    for text in ["admins", "do not", "wait"] {
        f.sent(&f.admin, text).await;
    }
    f.execute("UPDATE chat_members SET sent_at = now() - interval '60 s' WHERE chat_id = 'CHAT'").await;
    f.sent(&f.member, "later").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_mode_holds_between_instances() {
    let f = Group::start("group").await;
    f.execute("UPDATE chats SET slow_s = 60 WHERE id = 'CHAT'").await;
    let second = TestApp::launch(&f.app.database, &[]).await;
    second.api.until_ready().await.expect("become ready");
    for _ in 0..10 {
        f.execute("UPDATE chat_members SET sent_at = NULL WHERE chat_id = 'CHAT'").await;
        let sends = (0..8).map(|n| {
            let app = if n % 2 == 0 { &f.app } else { &second };
            app.send_again(&f.chat, &f.member, "x", Uuid::new_v4())
        });
        let sent = futures_util::future::join_all(sends).await;
        assert_eq!(sent.iter().filter(|sent| sent.is_ok()).count(), 1, "{sent:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn time_of_sending_is_kept_only_in_slow_mode() {
    let f = Group::start("group").await;
    f.sent(&f.member, "x").await;
    let sql = f.app.sql().await;
    let query = "SELECT count(*) FROM chat_members WHERE sent_at IS NOT NULL";
    assert_eq!(sql.query_one(query, &[]).await.expect("query").get::<_, i64>(0), 0);
}
