//! Whose presence the members of a group see.

use std::time::Duration;

use neonchat_testbed::client::{Socket, User};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Stage, event, is_silent, removal};

/// The statuses that a client sets.
const STATUSES: [&str; 2] = ["away", "online"];

async fn set_status(socket: &mut Socket, status: &str) {
    socket.send(&json!({ "type": "presence", "status": status })).await.expect("send");
}

/// Skips frames up to the presence of a user.
async fn presence_of(socket: &mut Socket, user: &User) -> Value {
    loop {
        let frame = socket.next().await.expect("receive frame");
        if frame["type"] == "presence" && frame["user_id"] == json!(user.id) {
            return frame;
        }
    }
}

/// Changes the status of a user until a fellow member sees it: who sees whom follows the members a little later.
async fn until_seen(socket: &mut Socket, user: &User, fellow: &mut Socket) {
    for status in STATUSES.iter().cycle().take(60) {
        set_status(socket, status).await;
        if timeout(Duration::from_secs(2), presence_of(fellow, user)).await.is_ok() {
            return;
        }
    }
    panic!("the presence is never seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn follows_the_members_of_a_small_group() {
    let stage = Stage::start("group").await;
    let Stage { owner, member, stranger, chat, .. } = &stage;
    let mut owners = stage.open(0, owner).await;
    let mut members = stage.open(1, member).await;
    assert_eq!(presence_of(&mut owners, member).await["event"], "user_online");
    let mut newcomers = stage.open(1, stranger).await;
    is_silent(&mut owners).await;

    stage.add(stranger).await;
    assert_eq!(newcomers.next().await.expect("receive frame")["type"], "chat_created");
    event(&mut owners, "members_added", 1).await;
    set_status(&mut newcomers, "away").await;
    assert_eq!(presence_of(&mut owners, stranger).await["event"], "user_away");
    until_seen(&mut owners, owner, &mut newcomers).await;

    stage.kick(stranger).await;
    event(&mut newcomers, "members_removed", 2).await;
    removal(&mut newcomers, chat, "kicked").await;
    until_seen(&mut owners, owner, &mut members).await;
    newcomers.send(&json!({ "type": "ping" })).await.expect("send");
    assert_eq!(newcomers.next().await.expect("receive frame")["type"], "pong", "a stranger sees no presence");
}

#[tokio::test(flavor = "multi_thread")]
async fn is_not_shown_in_channels() {
    let stage = Stage::start("channel").await;
    let mut owners = stage.open(0, &stage.owner).await;
    let mut members = stage.open(1, &stage.member).await;
    for status in STATUSES {
        set_status(&mut members, status).await;
    }
    stage.send(&stage.owner, "news").await;
    assert_eq!(owners.next().await.expect("receive frame")["type"], "new_message");
    assert_eq!(members.next().await.expect("receive frame")["type"], "new_message");
}
