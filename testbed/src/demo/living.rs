//! The scene with a message that lives: it is answered, gets reactions, is pinned and read; another one is scheduled.

use anyhow::{Context as _, ensure};
use chrono::{SecondsFormat, TimeDelta, Utc};
use neonchat_client::{Change, ChatId, Event, MessageId, Text};
use serde_json::{Value, json};

use super::{Person, id};

/// Plays the scene in a direct chat. Both users are connected.
pub(super) async fn play(
    (chat, greeting): (ChatId, MessageId),
    alice: &mut Person,
    bob: &mut Person,
) -> anyhow::Result<()> {
    let bold = json!([{ "type": "bold", "offset": 0, "length": 7 }]);
    let reply = bob.client.send(chat, Text::new("Хорошо!").reply_to(greeting).with("entities", bold)).await?;
    let ack = bob.acknowledged("answers the first message in bold", reply).await?;
    let answer = alice.expect_message("Хорошо!").await?;
    let answered = answer.reply_to.as_ref().and_then(|message| message.get("id"));
    ensure!(answered == Some(&json!(greeting)), "not a reply: {answer:?}");

    let reply = ack.message_id.context("a message without an ID")?;
    let reacting = alice.client.react(chat, reply, "👍", true).await?;
    alice.acknowledged("reacts with 👍", reacting).await?;
    let is_one = |change: &Change, _: &_| match change {
        Change::Reactions { reactions, .. } => reactions.len() == 1 && reactions[0].count == 1,
        _ => false,
    };
    bob.expect_change("one reaction", is_one).await?;

    let pin = bob.client.rest().put(format!("/chats/{chat}/pins/{greeting}"));
    let pinned = bob.call("PUT /chats/{id}/pins/{message_id}", pin).await?;
    alice.expect_change("the pin", |change, _| matches!(change, Change::Pinned { on: true, .. })).await?;

    let read = pinned["seq"].as_u64().context("a pin without a seq")?;
    bob.client.read(chat, read).await?;
    let is_receipt = |event: &Event| match event {
        Event::Receipt(receipt) if receipt.user_id == bob.id && receipt.read == read => Some(()),
        _ => None,
    };
    alice.expect("that Bob has read everything", is_receipt).await?;
    schedule(chat, alice).await
}

/// Alice schedules a message, looks at it, and changes her mind.
async fn schedule(chat: ChatId, alice: &Person) -> anyhow::Result<()> {
    let rest = alice.client.rest();
    let send_at = (Utc::now() + TimeDelta::hours(1)).to_rfc3339_opts(SecondsFormat::Secs, true);
    let message = json!({ "text": "С добрым утром!", "send_at": send_at });
    let request = rest.post(format!("/chats/{chat}/messages")).json(&message);
    let scheduled = alice.call("POST /chats/{id}/messages", request).await?;
    let scheduled: uuid::Uuid = id(&scheduled["scheduled_id"])?;
    let listed = alice.call("GET /chats/{id}/scheduled", rest.get(format!("/chats/{chat}/scheduled"))).await?;
    ensure!(listed["scheduled"][0]["id"] == json!(scheduled), "not in the list: {listed}");
    let request = rest.delete(format!("/chats/{chat}/scheduled/{scheduled}"));
    let deleted: Value = alice.call("DELETE /chats/{id}/scheduled/{scheduled_id}", request).await?;
    ensure!(deleted.is_null(), "an answer with a body: {deleted}");
    Ok(())
}
