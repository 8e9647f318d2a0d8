//! Each limit of groups, at its boundary.

use neonchat_testbed::client::{Answer, User};
use serde_json::{Value, json};

use super::Group;
use crate::support::{TestApp, assert_problem};

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    Members,
    FoundingMembers,
    Chats,
    CreatedChats,
    Additions,
    FoundingAdditions,
    Admins,
    Invites,
    Requests,
    InviteRequests,
}

/// Limits on what is stored: what is counted, its name, the setting, a value of it, and how many there are in a new [`Group`].
const STORED: [(Counted, &str, &str, usize, usize); 6] = [
    (Counted::Members, "members", "GROUP_MAX_MEMBERS", 5, 4),
    (Counted::FoundingMembers, "members", "CHANNEL_MAX_MEMBERS", 2, 1),
    (Counted::Chats, "chats", "CHATS_PER_USER", 2, 1),
    (Counted::Admins, "admins", "GROUP_MAX_ADMINS", 2, 1),
    (Counted::Invites, "invites", "GROUP_MAX_INVITES", 2, 0),
    (Counted::Requests, "requests", "GROUP_MAX_REQUESTS", 1, 0),
];

/// Limits over time.
const PER_TIME: [(Counted, &str, usize, usize); 4] = [
    (Counted::CreatedChats, "GROUPS_PER_DAY", 2, 1),
    // The group has three founding members.
    (Counted::Additions, "GROUP_ADDS_PER_DAY", 4, 3),
    (Counted::FoundingAdditions, "GROUP_ADDS_PER_DAY", 4, 3),
    (Counted::InviteRequests, "INVITE_REQUESTS_PER_MINUTE", 2, 0),
];

impl Group {
    async fn create(&self, kind: &str, members: &[&User]) -> Answer {
        let members: Vec<_> = members.iter().map(|user| &user.id).collect();
        let body = json!({ "type": kind, "title": "x", "member_ids": members });
        self.app.post("/api/v1/chats", &self.owner, &body).await
    }

    async fn invite(&self, body: Value) -> Answer {
        self.call("POST", &self.owner, "/invites", Some(body)).await
    }

    /// Does once more what is counted.
    async fn count(&self, counted: Counted) -> Answer {
        let newcomer = self.app.user().await;
        match counted {
            Counted::Members | Counted::Additions => self.add(&self.owner, &newcomer).await,
            Counted::FoundingMembers => {
                // Each request creates a channel with one member more.
                let channels = self.app.get("/api/v1/chats?type=channel", &self.owner).await.body;
                let members = 1 + channels["total"].as_u64().expect("number");
                let mut users = vec![&newcomer, &self.admin, &self.member, &self.other];
                users.truncate(members.try_into().expect("number"));
                self.create("channel", &users).await
            }
            Counted::Chats | Counted::CreatedChats => self.create("group", &[]).await,
            Counted::FoundingAdditions => self.create("group", &[&newcomer]).await,
            Counted::Admins => {
                self.add(&self.owner, &newcomer).await;
                self.change_member(&self.owner, &newcomer, json!({ "role": "admin" })).await
            }
            Counted::Invites => self.invite(json!({})).await,
            Counted::Requests => {
                let invite = self.invite(json!({ "approve": true })).await.body;
                let path = format!("/api/v1/invites/{}", invite["code"].as_str().expect("code"));
                let asked = self.app.post(&path, &newcomer, &json!({})).await;
                if asked.status == 202 {
                    let again = self.app.post(&path, &newcomer, &json!({})).await;
                    assert_eq!(again.status, 202, "who waits already is not counted again: {again:?}");
                }
                asked
            }
            Counted::InviteRequests => {
                let invite = self.invite(json!({})).await.body;
                self.app.get(&format!("/api/v1/invites/{}", invite["code"].as_str().expect("code")), &self.member).await
            }
        }
    }

    async fn start_limited(setting: &str, limit: usize) -> Self {
        let limit = limit.to_string();
        // Otherwise nothing is counted over time.
        let rates = [("RATE_LIMIT_PER_MINUTE", "1000000"), ("AUTH_RATE_LIMIT_PER_MINUTE", "0"), (setting, &limit)];
        Self::start_with("group", &rates).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_on_what_is_stored_hold() {
    for (counted, name, setting, limit, present) in STORED {
        let group = Group::start_limited(setting, limit).await;
        for _ in present..limit {
            let answer = group.count(counted).await;
            assert!(answer.status < 300, "{counted:?}: {answer:?}");
        }
        let answer = group.count(counted).await;
        assert_problem(&answer, 409, "limit_reached", &[]);
        assert_eq!((&answer.body["limit"], &answer.body["max"]), (&json!(name), &json!(limit)), "{counted:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_over_time_hold() {
    for (counted, setting, limit, present) in PER_TIME {
        let group = Group::start_limited(setting, limit).await;
        for _ in present..limit {
            let answer = group.count(counted).await;
            assert!(answer.status < 300, "{counted:?}: {answer:?}");
        }
        assert_problem(&group.count(counted).await, 429, "rate_limited", &[]);

        let limit = limit.to_string();
        let unlimited = [("RATE_LIMIT_PER_MINUTE", "0"), (setting, &*limit)];
        let group = Group { app: TestApp::launch(&group.app.database, &unlimited).await, ..group };
        group.app.api.until_ready().await.expect("become ready");
        let answer = group.count(counted).await;
        if counted == Counted::InviteRequests {
            assert!(answer.status < 300, "{answer:?}");
        } else {
            // Limits per day hold nevertheless.
            assert_problem(&answer, 429, "rate_limited", &[]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn place_of_a_limit_per_day_becomes_free_after_a_day() {
    let group = Group::start_limited("GROUP_ADDS_PER_DAY", 4).await;
    group.count(Counted::Additions).await;
    let body = json!({ "user_ids": [group.app.user().await.id] });
    let path = format!("{}{}", group.app.base, group.path("/members"));
    let request = reqwest::Client::new().post(path).bearer_auth(&group.owner.token).json(&body);
    let answer = request.send().await.expect("send request");
    let seconds: u64 = answer.headers()["retry-after"].to_str().expect("text").parse().expect("number");
    assert!((1..=86_400).contains(&seconds), "{seconds}");
    let age = "UPDATE member_changes SET at = at - interval '1 day'";
    group.app.sql().await.execute(age, &[]).await.expect("age rows");
    assert_eq!(group.count(Counted::Additions).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_who_are_not_added_get_an_invite() {
    let group = Group::start_limited("GROUP_MAX_INVITES", 1).await;
    group.call("POST", &group.owner, "/bans", Some(json!({ "user_id": group.stranger.id }))).await;
    let added = group.add(&group.owner, &group.app.user().await).await.body;
    assert_eq!((&added["not_added"], &added["invite"]), (&json!([]), &Value::Null), "all were added");

    let first = group.add(&group.owner, &group.stranger).await.body;
    let code = first["invite"]["code"].as_str().expect("code");
    assert_eq!(first["invite"], json!({ "code": code, "url": format!("http://localhost:8080/join/{code}") }));
    let again = group.add(&group.owner, &group.stranger).await.body;
    assert_eq!(again["invite"], first["invite"], "an invite is used again");
    let newcomer = group.app.user().await;
    assert_eq!(group.app.post(&format!("/api/v1/invites/{code}"), &newcomer, &json!({})).await.status, 200);
    // The chat has as many invites as it can have, and this one is of another user.
    let of_member = group.add(&group.member, &group.stranger).await.body;
    assert_eq!((&of_member["not_added"][0]["reason"], &of_member["invite"]), (&json!("banned"), &Value::Null));

    let nobody = User { id: uuid::Uuid::new_v4().to_string(), ..newcomer };
    let created = group.create("group", &[&nobody]).await.body;
    assert!(created["invite"]["code"].is_string(), "{created}");
}
