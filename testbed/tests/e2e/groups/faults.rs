//! Members who come and go while Redis is away.

use neonchat_testbed::{
    client::Socket,
    harness,
    redis::{Persistence, Redis},
    system::{Ports, System},
};
use serde_json::json;

use super::{event, removal};
use crate::helpers::QUICK;

/// A kick whose publication is lost reaches every socket all the same, and nothing that follows it reaches the kicked user.
#[tokio::test(flavor = "multi_thread")]
async fn kick_while_redis_is_away_is_repaired_in_order() {
    let folder = tempfile::tempdir().expect("create directory");
    let redis = Redis::start(&folder.path().join("redis"), None, Persistence::None).await.expect("start Redis");
    let (database, url, port) = (harness::test_database().await, redis.url(), redis.port());
    let mut settings = vec![("DATABASE_URL", &*database), ("REDIS_URL", &*url)];
    settings.extend(QUICK);
    let ports = Ports::reserve().expect("reserve ports");
    let mut system = System::start(folder.path(), ports, &settings).await.expect("start both services");
    system.add_notification_service().await.expect("start second instance");
    let api = system.api();
    let user = async || api.any_user().await.expect("register user");
    let (owner, member, kicked) = (user().await, user().await, user().await);
    let body = json!({ "type": "group", "title": "Team", "member_ids": [member.id, kicked.id] });
    let created = api.post("/api/v1/chats", &owner, &body).await.expect("receive answer");
    let chat = created.body["id"].as_str().expect("find ID").to_owned();
    let addresses = system.websocket_addresses();
    let open = async |instance: usize, user| {
        Socket::open(&format!("ws://{}", addresses[instance]), user, None).await.expect("open socket")
    };
    let (mut members, mut kickeds) = (open(1, &member).await, open(1, &kicked).await);

    redis.stop().await.expect("stop Redis");
    let path = format!("/api/v1/chats/{chat}");
    let body = json!({ "user_ids": [kicked.id] });
    let removed = api.post(&format!("{path}/members/remove"), &owner, &body).await.expect("receive answer");
    assert_eq!(removed.body["seq"], 1, "{removed:?}");
    let body = json!({ "text": "after the kick" });
    let sent = api.post(&format!("{path}/messages"), &owner, &body).await.expect("receive answer");
    assert_eq!(sent.status, 201, "{sent:?}");
    let _redis = Redis::start(&folder.path().join("redis"), Some(port), Persistence::None).await.expect("start Redis");

    event(&mut members, "members_removed", 1).await;
    event(&mut members, "new_message", 2).await;
    event(&mut kickeds, "members_removed", 1).await;
    removal(&mut kickeds, &chat, "kicked").await;
    kickeds.send(&json!({ "type": "ping" })).await.expect("send");
    kickeds.expect_beside_presence("pong").await.expect("nothing follows the kick");
}
