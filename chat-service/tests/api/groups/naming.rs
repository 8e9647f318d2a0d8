//! Titles, descriptions and handles.

use neonchat_testbed::client::Answer;
use serde_json::{Value, json};

use super::Group;
use crate::support::assert_problem;

impl Group {
    /// Creates a group with some values, and gives them to the group that exists.
    async fn named(&self, values: &Value) -> [Answer; 2] {
        let mut new = json!({ "type": "group", "title": "Team" });
        for (name, value) in values.as_object().expect("object of values") {
            new[name] = value.clone();
        }
        let created = self.app.post("/api/v1/chats", &self.owner, &new).await;
        [created, self.call("PATCH", &self.owner, "", Some(values.clone())).await]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn title_is_one_line_and_description_may_have_several() {
    let group = Group::start("group").await;
    for (field, value) in [
        ("title", "a\nb"),
        ("title", "a\u{202e}b"),
        ("title", "\u{1b}[31m"),
        ("description", "a\u{7}"),
        ("description", "a\0"),
    ] {
        for answer in group.named(&json!({ field: value })).await {
            assert_problem(&answer, 422, "validation_failed", &[(field, "format")]);
        }
    }
    for answer in group.named(&json!({ "title": "Команда 👩\u{200d}👧", "description": "one\r\ntwo\n" })).await
    {
        assert!(answer.status < 300, "{answer:?}");
        assert_eq!(answer.body["description"], "one\r\ntwo\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reserved_handles_are_refused() {
    let group = Group::start("group").await;
    for handle in ["admin", "support", "neonchat", "neon_chat"] {
        for answer in group.named(&json!({ "handle": handle })).await {
            assert_problem(&answer, 422, "validation_failed", &[("handle", "reserved")]);
        }
    }
    // One from before the list stays, and the list of public chats goes on after it.
    group.execute("UPDATE chat_profiles SET handle = 'support' WHERE chat_id = 'CHAT'").await;
    let renamed = group.call("PATCH", &group.owner, "", Some(json!({ "title": "Crew", "handle": "support" }))).await;
    assert_eq!((renamed.status, &renamed.body["handle"]), (200, &json!("support")), "{renamed:?}");
    assert_eq!(group.app.get("/api/v1/rooms?after=support", &group.member).await.status, 200);
}
