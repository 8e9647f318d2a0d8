//! Frames that not every member may see.

use neonchat_testbed::client::text;
use serde_json::json;

use super::{Stage, event, is_silent, next, removal};

#[tokio::test(flavor = "multi_thread")]
async fn newcomer_never_sees_text_from_before() {
    let stage = Stage::start("group").await;
    let Stage { member, stranger, .. } = &stage;
    let old = stage.send(member, "before").await;
    stage.add(stranger).await;
    let (mut members, mut newcomers) = (stage.open(0, member).await, stage.open(1, stranger).await);
    let edited =
        stage.call("PATCH", &format!("/messages/{old}"), member, Some(json!({ "text": "still before" }))).await;
    assert_eq!(edited.status, 200, "{edited:?}");
    assert_eq!(event(&mut members, "message_edited", 3).await["message"]["text"], "still before");
    let hidden = event(&mut newcomers, "message_edited", 3).await;
    assert_eq!((&hidden["superseded"], hidden.get("message")), (&json!(true), None), "{hidden}");

    // The same over `sync` and REST.
    let mut socket = stage.open(0, stranger).await;
    let chat = &stage.chat;
    socket.send(&json!({ "type": "sync", "cursors": { chat: 0 }, "request_id": "s" })).await.expect("send");
    event(&mut socket, "members_added", 2).await;
    assert_eq!(event(&mut socket, "message_edited", 3).await.get("message"), None);
    let synced = next(&mut socket).await;
    assert_eq!(
        (&synced["chats"][0]["first_seq"], &synced["chats"][0]["complete"]),
        (&json!(2), &json!(true)),
        "{synced}"
    );
    let events = stage.call("GET", "/events", stranger, None).await.body;
    assert_eq!(events["events"].as_array().map(Vec::len), Some(2), "{events}");
    assert!(!events.to_string().contains("before"), "{events}");
}

#[tokio::test(flavor = "multi_thread")]
async fn channel_hides_its_members_from_each_other() {
    let stage = Stage::start("channel").await;
    let Stage { owner, member, stranger, chat, .. } = &stage;
    let (mut owners, mut members) = (stage.open(0, owner).await, stage.open(1, member).await);
    let mut newcomers = stage.open(1, stranger).await;
    assert_eq!(stage.add(stranger).await.body["seq"], json!(null), "joins of a channel take no number");
    assert_eq!(next(&mut newcomers).await["type"], "chat_created");
    is_silent(&mut members).await;

    let news = stage.send(owner, "news").await;
    for socket in [&mut owners, &mut members, &mut newcomers] {
        assert_eq!(text(&event(socket, "new_message", 1).await["message"]["id"]).expect("find ID"), news);
    }
    stage.kick(stranger).await;
    assert_eq!(event(&mut owners, "members_removed", 2).await["user_ids"], json!([stranger.id]));
    assert_eq!(event(&mut members, "members_removed", 2).await["user_ids"], json!([]));
    event(&mut newcomers, "members_removed", 2).await;
    removal(&mut newcomers, chat, "kicked").await;

    // Leaving takes no number either. Both sockets of the user are told.
    let mut other = stage.open(0, member).await;
    let left = stage.call("DELETE", "/members/me", member, None).await;
    assert_eq!(left.body["seq"], json!(null), "{left:?}");
    removal(&mut members, chat, "left").await;
    removal(&mut other, chat, "left").await;
    is_silent(&mut owners).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kicked_readers_of_a_channel_do_not_learn_of_each_other() {
    let stage = Stage::start("channel").await;
    let Stage { owner, member, stranger, chat, .. } = &stage;
    stage.add(stranger).await;
    let (mut owners, mut members) = (stage.open(0, owner).await, stage.open(0, member).await);
    let mut strangers = stage.open(1, stranger).await;
    let kicked = json!([member.id, stranger.id]);
    let answer = stage.call("POST", "/members/remove", owner, Some(json!({ "user_ids": kicked }))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let shown = event(&mut owners, "members_removed", 1).await;
    assert_eq!(shown["user_ids"].as_array().map(Vec::len), Some(2), "{shown}");
    for socket in [&mut members, &mut strangers] {
        assert_eq!(event(socket, "members_removed", 1).await["user_ids"], json!([]));
        removal(socket, chat, "kicked").await;
    }
}
