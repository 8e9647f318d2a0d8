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

#[tokio::test(flavor = "multi_thread")]
async fn audit_log_says_what_an_update_has_changed() {
    let group = Group::start("group").await;
    let mut expected = Vec::new();
    for (update, details) in [
        (json!({ "title": "Crew" }), Some(json!({ "title": "Crew" }))),
        (
            json!({ "title": "Crew", "description": "About us", "settings": { "slow_s": 30, "pin": "member", "send": "member" } }),
            Some(json!({ "description": "About us", "settings": { "slow_s": 30, "pin": "member" } })),
        ),
        (json!({ "handle": "the_crew" }), Some(json!({ "handle": "the_crew" }))),
        (json!({ "handle": null }), Some(json!({ "handle": null }))),
        (json!({ "title": "Crew", "settings": { "slow_s": 30 } }), None),
    ] {
        assert_eq!(group.call("PATCH", &group.owner, "", Some(update)).await.status, 200);
        expected.extend(details);
    }
    let timer = group.call("PUT", &group.owner, "/timer", Some(json!({ "ttl_s": 3600 }))).await;
    assert!(timer.status < 300, "{timer:?}");
    expected.push(json!({ "settings": { "ttl_s": 3600 } }));

    let audit = group.call("GET", &group.owner, "/audit", None).await.body;
    let entries = audit["audit"].as_array().expect("entries").iter().rev();
    let updates: Vec<_> =
        entries.filter(|entry| entry["action"] == "chat_updated").map(|entry| &entry["details"]).collect();
    assert_eq!(updates, expected.iter().collect::<Vec<_>>());
}
