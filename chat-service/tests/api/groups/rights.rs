//! The table of rights: who may do what, in which type of chat.

use neonchat_testbed::client::{Answer, User};
use serde_json::{Value, json};

use super::Group;
use crate::support::assert_problem;

/// What is tried, and who may do it in a group and in a channel: a letter for each of owner, admin, member.
const TABLE: &[(&str, &str, &str)] = &[
    ("send", "oam", "oa"),
    ("rename", "oa", "oa"),
    ("add", "oam", "oa"),
    ("kick a member", "oa", "oa"),
    ("kick an admin", "o", "o"),
    ("kick the owner", "", ""),
    ("ban a member", "oa", "oa"),
    ("restrict a member", "oa", "oa"),
    ("restrict an admin", "o", "o"),
    ("make an admin", "o", "o"),
    ("set slow mode", "oa", "oa"),
    ("set who may send", "o", "o"),
    ("show history", "o", "o"),
    ("list members", "oam", "oa"),
    ("close", "o", "o"),
];

async fn attempt(group: &Group, user: &User, what: &str) -> Answer {
    let ids = |target: &User| json!({ "user_ids": [target.id] });
    let ban = |target: &User| json!({ "user_ids": [target.id], "ban": true });
    let member = |user: &User| format!("/members/{}", user.id);
    let until = json!({ "restricted_until": "2999-01-01T00:00:00Z" });
    let settings = |settings: Value| json!({ "settings": settings });
    let (method, path, body) = match what {
        "send" => ("POST", "/messages".to_owned(), json!({ "text": "x" })),
        "rename" => ("PATCH", String::new(), json!({ "title": "Other" })),
        "add" => ("POST", "/members".to_owned(), ids(&group.stranger)),
        "kick a member" => ("POST", "/members/remove".to_owned(), ids(&group.other)),
        "kick an admin" => ("POST", "/members/remove".to_owned(), ids(&group.admin)),
        "kick the owner" => ("POST", "/members/remove".to_owned(), ids(&group.owner)),
        "ban a member" => ("POST", "/members/remove".to_owned(), ban(&group.other)),
        "restrict a member" => ("PATCH", member(&group.other), until),
        "restrict an admin" => ("PATCH", member(&group.admin), until),
        "make an admin" => ("PATCH", member(&group.other), json!({ "role": "admin" })),
        "set slow mode" => ("PATCH", String::new(), settings(json!({ "slow_s": 1 }))),
        "set who may send" => ("PATCH", String::new(), settings(json!({ "send": "member" }))),
        "show history" => ("PATCH", String::new(), settings(json!({ "history": "all" }))),
        "list members" => return group.call("GET", user, "/members", None).await,
        "close" => return group.call("DELETE", user, "", None).await,
        what => panic!("unknown action: {what}"),
    };
    group.call(method, user, &path, Some(body)).await
}

async fn check(kind: &str, column: impl Fn(&(&'static str, &'static str, &'static str)) -> &'static str) {
    for row in TABLE {
        // Refusals first, so that nothing has changed for them.
        let group = Group::start(kind).await;
        let allowed = column(row);
        let mut first = None;
        for (letter, user) in [('m', &group.member), ('a', &group.admin), ('o', &group.owner)] {
            if allowed.contains(letter) {
                first.get_or_insert(user);
            } else {
                let refused = attempt(&group, user, row.0).await;
                assert_problem(&refused, 403, "forbidden", &[]);
                assert_eq!(refused.body["reason"], "role", "{kind}, {}, {letter}", row.0);
            }
        }
        let banned = json!({ "user_ids": [group.stranger.id], "ban": true });
        assert_problem(&attempt(&group, &group.stranger, row.0).await, 404, "not_found", &[]);
        if row.0 != "add" {
            group.call("POST", &group.owner, "/members/remove", Some(banned)).await;
            assert_problem(&attempt(&group, &group.stranger, row.0).await, 404, "not_found", &[]);
        }
        if let Some(user) = first {
            let done = attempt(&group, user, row.0).await;
            assert!((200..300).contains(&done.status), "{kind}, {}: {done:?}", row.0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_in_a_group() {
    check("group", |row| row.1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_in_a_channel() {
    check("channel", |row| row.2).await;
}
