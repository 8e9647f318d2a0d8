//! Answers about groups and channels.

use std::{cell::RefCell, collections::BTreeSet};

use neonchat_testbed::client::{PASSWORD, User};
use serde_json::{Value, json};

use super::document::Document;
use crate::support::TestApp;

/// The operations that were asked: path and method.
pub(super) type Asked = BTreeSet<(&'static str, String)>;

struct Asker<'a> {
    app: &'a TestApp,
    document: &'a Document,
    asked: RefCell<Asked>,
}

impl Asker<'_> {
    /// Sends a request of a user. Panics if the answer is not documented, or has another status. Returns the body.
    async fn ask(
        &self,
        status: u16,
        user: &User,
        (method, path): (&str, &'static str),
        values: &[(&str, &str)],
        body: Option<Value>,
    ) -> Value {
        self.asked.borrow_mut().insert((path, method.to_owned()));
        let operation =
            self.document.operation(path, method.parse().expect("parse method")).expect("documented operation");
        let fill = |path: String, (name, value): &(&str, &str)| path.replace(&format!("{{{name}}}"), value);
        let url = values.iter().fold(format!("{}{path}", self.app.base), fill);
        let answer = self.document.ask(&operation, &url, Some(&user.token), body.as_ref()).await;
        assert_eq!(answer.0, status, "{method} {path}: {}", answer.1);
        answer.1
    }
}

/// Asks all operations of groups and channels.
pub(super) async fn ask_all(app: &TestApp, document: &Document) -> Asked {
    let asker = Asker { app, document, asked: RefCell::default() };
    let (owner, admin, member, stranger) = (app.user().await, app.user().await, app.user().await, app.user().await);
    for kind in ["group", "channel"] {
        let new = json!({ "type": kind, "title": "Team", "member_ids": [admin.id, member.id] });
        let chat = asker.ask(201, &owner, ("POST", "/api/v1/chats"), &[], Some(new)).await;
        let chat = chat["id"].as_str().expect("id as string").to_owned();
        ask_about_members(&asker, &chat, [&owner, &admin, &member, &stranger]).await;
        ask_about_joining(&asker, &chat, [&owner, &admin, &member, &stranger]).await;
        let id = [("id", &*chat)];
        let change = json!({ "role": "member" });
        let values = [("id", &*chat), ("user_id", &*owner.id)];
        asker.ask(200, &admin, ("PATCH", "/api/v1/chats/{id}/members/{user_id}"), &values, Some(change)).await;
        for user in [&owner, &admin, &member] {
            let events = asker.ask(200, user, ("GET", "/api/v1/chats/{id}/events"), &id, None).await;
            assert!(!events["events"].as_array().expect("array of events").is_empty());
        }
        asker.ask(200, &member, ("DELETE", "/api/v1/chats/{id}/members/me"), &id, None).await;
        asker.ask(200, &admin, ("DELETE", "/api/v1/chats/{id}"), &id, None).await;
    }
    asker.asked.into_inner()
}

/// Afterwards `admin` owns the chat, and `owner` is an admin.
async fn ask_about_members(asker: &Asker<'_>, chat: &str, [owner, admin, member, stranger]: [&User; 4]) {
    let id = [("id", chat)];
    let update = json!({ "title": "Other team", "settings": { "slow_s": 0, "history": "all" } });
    asker.ask(200, owner, ("PATCH", "/api/v1/chats/{id}"), &id, Some(update)).await;
    asker.ask(200, owner, ("GET", "/api/v1/chats/{id}/members"), &id, None).await;
    let added = json!({ "user_ids": [stranger.id, uuid::Uuid::new_v4()] });
    asker.ask(200, owner, ("POST", "/api/v1/chats/{id}/members"), &id, Some(added)).await;
    let removed = json!({ "user_ids": [stranger.id] });
    asker.ask(200, owner, ("POST", "/api/v1/chats/{id}/members/remove"), &id, Some(removed)).await;
    let restricted = json!({ "restricted_until": "2999-01-01T00:00:00Z" });
    for (user, change) in [(admin, json!({ "role": "admin" })), (member, restricted)] {
        let values = [("id", chat), ("user_id", &*user.id)];
        asker.ask(200, owner, ("PATCH", "/api/v1/chats/{id}/members/{user_id}"), &values, Some(change)).await;
    }
    let transfer = json!({ "user_id": admin.id, "password": PASSWORD });
    asker.ask(200, owner, ("PUT", "/api/v1/chats/{id}/owner"), &id, Some(transfer)).await;
}

async fn ask_about_joining(asker: &Asker<'_>, chat: &str, [_, owner, member, stranger]: [&User; 4]) {
    let (id, with_stranger) = ([("id", chat)], [("id", chat), ("user_id", &*stranger.id)]);
    let handle = json!({ "handle": "rust_users" });
    asker.ask(200, owner, ("PATCH", "/api/v1/chats/{id}"), &id, Some(handle)).await;
    for user in [member, stranger] {
        asker.ask(200, user, ("GET", "/api/v1/chats/{id}"), &id, None).await;
    }
    asker.ask(200, stranger, ("GET", "/api/v1/rooms"), &[], None).await;
    asker.ask(200, stranger, ("POST", "/api/v1/chats/{id}/join"), &id, None).await;
    let ban = json!({ "user_id": stranger.id, "reason": "spam" });
    asker.ask(200, owner, ("POST", "/api/v1/chats/{id}/bans"), &id, Some(ban)).await;
    asker.ask(403, stranger, ("POST", "/api/v1/chats/{id}/join"), &id, None).await;
    asker.ask(200, owner, ("GET", "/api/v1/chats/{id}/bans"), &id, None).await;
    asker.ask(204, owner, ("DELETE", "/api/v1/chats/{id}/bans/{user_id}"), &with_stranger, None).await;

    let invite = json!({ "expires_in": 60, "max_uses": 1, "approve": true });
    let invite = asker.ask(201, owner, ("POST", "/api/v1/chats/{id}/invites"), &id, Some(invite)).await;
    let code = invite["code"].as_str().expect("code as string");
    asker.ask(200, owner, ("GET", "/api/v1/chats/{id}/invites"), &id, None).await;
    asker.ask(200, stranger, ("GET", "/api/v1/invites/{code}"), &[("code", code)], None).await;
    asker.ask(202, stranger, ("POST", "/api/v1/invites/{code}"), &[("code", code)], None).await;
    asker.ask(200, owner, ("GET", "/api/v1/chats/{id}/requests"), &id, None).await;
    let accept = Some(json!({ "accept": true }));
    asker.ask(200, owner, ("PUT", "/api/v1/chats/{id}/requests/{user_id}"), &with_stranger, accept).await;
    asker.ask(200, stranger, ("POST", "/api/v1/invites/{code}"), &[("code", code)], None).await;
    let values = [("id", chat), ("code", code)];
    asker.ask(204, owner, ("DELETE", "/api/v1/chats/{id}/invites/{code}"), &values, None).await;
    asker.ask(200, owner, ("GET", "/api/v1/chats/{id}/audit"), &id, None).await;
    let private = json!({ "handle": null });
    asker.ask(200, owner, ("PATCH", "/api/v1/chats/{id}"), &id, Some(private)).await;
}
