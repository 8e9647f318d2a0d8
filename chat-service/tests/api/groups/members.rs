//! The list of members.

use neonchat_testbed::client::User;
use serde_json::Value;

use super::{Group, assert_forbidden};
use crate::support::assert_problem;

impl Group {
    /// Returns the ids of a page of members, and its `next`.
    async fn found(&self, query: &str) -> (Vec<String>, Value) {
        let page = self.call("GET", &self.admin, &format!("/members?{query}"), None).await;
        assert_eq!(page.status, 200, "{query}: {page:?}");
        let id = |member: &Value| member["user_id"].as_str().expect("id as text").to_owned();
        let members = page.body["members"].as_array().expect("array of members");
        (members.iter().map(id).collect(), page.body["next"].clone())
    }

    /// Names the users, in this order, and a user who is not a member.
    async fn name(&self, names: [(&User, &str); 4], stranger: &str) {
        for (user, name) in names.into_iter().chain([(&self.stranger, stranger)]) {
            let key = name.to_lowercase();
            let rename =
                format!("UPDATE users SET username = '{name}', username_key = '{key}' WHERE id = '{}'", user.id);
            self.execute(&rename).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_found_by_the_start_of_their_names() {
    let group = Group::start("group").await;
    let (owner, admin, member, other) = (&group.owner, &group.admin, &group.member, &group.other);
    group.name([(owner, "Анна"), (admin, "ann"), (member, "Annika"), (other, "an_100")], "anton").await;
    let mut members = [member, other].map(|user| user.id.clone());
    members.sort_unstable();
    let [first, second] = &members;
    for (query, expected) in [
        ("q=an", vec![&admin.id, first, second]),
        ("q=ANN", vec![&admin.id, &member.id]),
        ("q=%D0%B0%D0%BD", vec![&owner.id]),
        ("q=an_", vec![&other.id]),
        ("q=%25", vec![]),
        ("q=nn", vec![]),
        ("q=an&role=member", vec![first, second]),
        ("q=an&role=owner", vec![]),
        ("q=ann&role=admin", vec![&admin.id]),
    ] {
        let (found, next) = group.found(query).await;
        assert_eq!((found.iter().collect::<Vec<_>>(), next), (expected, Value::Null), "{query}");
    }
    let (mut found, mut next) = group.found("q=an&limit=1").await;
    while let Some(after) = next.as_str() {
        let (more, further) = group.found(&format!("q=an&limit=1&after={after}")).await;
        found.extend(more);
        next = further;
    }
    assert_eq!(found.iter().collect::<Vec<_>>(), [&admin.id, first, second]);
}

#[tokio::test(flavor = "multi_thread")]
async fn search_for_members_needs_a_name_and_the_right_to_see_them() {
    let channel = Group::start("channel").await;
    for (query, code) in [("q=", "length"), ("q=%20", "length"), ("q=%00", "format")] {
        let answer = channel.call("GET", &channel.admin, &format!("/members?{query}"), None).await;
        assert_problem(&answer, 422, "validation_failed", &[("q", code)]);
    }
    assert_forbidden(&channel.call("GET", &channel.member, "/members?q=u", None).await, "role");
    let answer = channel.call("GET", &channel.stranger, "/members?q=u", None).await;
    assert_problem(&answer, 404, "not_found", &[]);
}
