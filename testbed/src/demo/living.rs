//! The scene with a message that lives: it is answered, gets reactions, is pinned and read; another one is scheduled.

use anyhow::ensure;
use chrono::{SecondsFormat, TimeDelta, Utc};
use serde_json::json;

use super::{show, show_call};
use crate::client::{Api, Socket, User, text};

/// Plays the scene in a direct chat. Both users are connected.
pub(super) async fn play(
    api: &Api,
    (chat, greeting): (&str, &str),
    [alice, bob]: [&User; 2],
    [alices, bobs]: [&mut Socket; 2],
) -> anyhow::Result<()> {
    let reply = json!({ "type": "message", "chat_id": chat, "text": "Хорошо!", "reply_to": greeting,
        "entities": [{ "type": "bold", "offset": 0, "length": 7 }] });
    bobs.send(&reply).await?;
    let ack = bobs.expect_beside_presence("message_sent").await?;
    show("bob", "answers the first message in bold and gets", &ack);
    let answer = alices.expect("new_message").await?;
    show("alice", "receives", &answer);
    ensure!(answer["message"]["reply_to"]["id"] == greeting, "not a reply: {answer}");

    let reply = text(&ack["message_id"])?;
    alices.send(&json!({ "type": "react", "chat_id": chat, "message_id": reply, "emoji": "👍", "on": true })).await?;
    show("alice", "reacts with 👍 and gets", &alices.expect("ack").await?);
    let reactions = bobs.expect_beside_presence("reactions").await?;
    show("bob", "receives", &reactions);
    ensure!(reactions["reactions"][0]["count"] == 1, "not one reaction: {reactions}");

    let pinned = show_call(api, bob, "PUT", &format!("/chats/{chat}/pins/{greeting}"), None).await?;
    ensure!(pinned.status == 200, "not pinned: {pinned:?}");
    show("alice", "receives", &alices.expect("pinned").await?);

    bobs.send(&json!({ "type": "receipt", "chat_id": chat, "read": pinned.body["seq"] })).await?;
    let receipt = alices.expect("receipt").await?;
    show("alice", "receives when Bob has read everything", &receipt);
    ensure!(receipt["user_id"] == *bob.id && receipt["read"] == pinned.body["seq"], "wrong receipt: {receipt}");
    schedule(api, chat, alice).await
}

/// Alice schedules a message, looks at it, and changes her mind.
async fn schedule(api: &Api, chat: &str, alice: &User) -> anyhow::Result<()> {
    let send_at = (Utc::now() + TimeDelta::hours(1)).to_rfc3339_opts(SecondsFormat::Secs, true);
    let message = json!({ "text": "С добрым утром!", "send_at": send_at });
    let scheduled = show_call(api, alice, "POST", &format!("/chats/{chat}/messages"), Some(&message)).await?;
    ensure!(scheduled.status == 202, "not scheduled: {scheduled:?}");
    let id = text(&scheduled.body["scheduled_id"])?;
    let listed = show_call(api, alice, "GET", &format!("/chats/{chat}/scheduled"), None).await?;
    ensure!(listed.body["scheduled"][0]["id"] == *id, "not in the list: {listed:?}");
    let deleted = show_call(api, alice, "DELETE", &format!("/chats/{chat}/scheduled/{id}"), None).await?;
    ensure!(deleted.status == 204, "not deleted: {deleted:?}");
    Ok(())
}
