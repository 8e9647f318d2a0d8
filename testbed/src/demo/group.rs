//! The scene with a group: Alice makes it, Carol joins by an invite, gets a role, and is removed.

use anyhow::{bail, ensure};
use neonchat_client::{Change, ChatEvent, ChatId, Event};
use serde_json::{Value, json};

use super::{Person, done, id, show};

/// Plays the scene. Only Alice and Carol are connected; Bob is a member.
pub(super) async fn play(alice: &mut Person, bob: &Person, carol: &mut Person) -> anyhow::Result<()> {
    carol.connect().await?;
    let group = json!({ "type": "group", "title": "Друзья", "member_ids": [bob.id] });
    let created = alice.call("POST /chats", alice.client.rest().post("/chats").json(&group)).await?;
    ensure!(created["member_count"] == 2, "the group was not created: {created}");
    let chat = id(&created["id"])?;
    alice.expect("the group", |event| is_created(event, chat)).await?;

    let invite = join_by_invite(chat, alice, carol).await?;
    alice.send(chat, "Привет, Карол!").await?;
    carol.expect_message("Привет, Карол!").await?;
    become_admin(chat, alice, carol).await?;
    remove(chat, alice, carol).await?;

    alice.send(chat, "Карол больше нет").await?;
    let too_late = carol.client.send(chat, "Я ещё тут!").await?;
    match too_late.await {
        Err(error) if error.code() == "not_found" => {
            show("carol", "sends «Я ещё тут!» and gets", &json!({ "code": error.code() }));
        }
        other => bail!("Carol still writes to the group: {other:?}"),
    }
    let history = carol.client.rest().get(format!("/chats/{chat}/messages"));
    carol.call_refused("GET /chats/{id}/messages", history, 404).await?;
    let again = carol.client.rest().post(format!("/invites/{invite}"));
    carol.call_refused("POST /invites/{code}", again, 404).await?;
    done("Carol got nothing further, the group does not exist for her, and the invite is used up");
    Ok(carol.client.stop().await?)
}

fn is_created(event: &Event, id: ChatId) -> Option<()> {
    matches!(event, Event::Chat(ChatEvent::Created { chat }) if chat.id == id).then_some(())
}

/// Alice makes an invite for one user, and Carol joins with it. Returns its code.
async fn join_by_invite(chat: ChatId, alice: &mut Person, carol: &mut Person) -> anyhow::Result<String> {
    let request = alice.client.rest().post(format!("/chats/{chat}/invites")).json(&json!({ "max_uses": 1 }));
    let invite = alice.call("POST /chats/{id}/invites", request).await?;
    let code: String = id(&invite["code"])?;
    let rest = carol.client.rest();
    let preview = carol.call("GET /invites/{code}", rest.get(format!("/invites/{code}"))).await?;
    ensure!(preview["title"] == "Друзья", "wrong preview: {preview}");
    let joined = carol.call("POST /invites/{code}", rest.post(format!("/invites/{code}"))).await?;
    ensure!(joined["role"] == "member", "Carol did not join: {joined}");
    let new = [carol.id];
    let is_joined = |change: &Change, _: &_| match change {
        Change::MembersAdded { user_ids, via, .. } => *user_ids == new && via.as_deref() == Some("invite"),
        _ => false,
    };
    alice.expect_change("that Carol has joined", is_joined).await?;
    carol.expect("the group", |event| is_created(event, chat)).await?;
    Ok(code)
}

/// Alice makes Carol an admin, who may then rename the group.
async fn become_admin(chat: ChatId, alice: &mut Person, carol: &mut Person) -> anyhow::Result<()> {
    let rename =
        |person: &Person| person.client.rest().patch(format!("/chats/{chat}")).json(&json!({ "title": "Подруги" }));
    carol.call_refused("PATCH /chats/{id}", rename(carol), 403).await?;
    let member = format!("/chats/{chat}/members/{}", carol.id);
    let request = alice.client.rest().patch(member).json(&json!({ "role": "admin" }));
    alice.call("PATCH /chats/{id}/members/{user_id}", request).await?;
    carol.call("PATCH /chats/{id}", rename(carol)).await?;
    let new = carol.id;
    for person in [alice, carol] {
        let is_admin = |change: &Change, _: &_| match change {
            Change::MemberChanged { user_id, role } => *user_id == Some(new) && role.as_deref() == Some("admin"),
            _ => false,
        };
        person.expect_change("that Carol is an admin", is_admin).await?;
        let is_renamed = |change: &Change, _: &_| match change {
            Change::ChatUpdated { title, .. } => title.as_deref() == Some("Подруги"),
            _ => false,
        };
        person.expect_change("the new title", is_renamed).await?;
    }
    Ok(())
}

/// Alice removes Carol.
async fn remove(chat: ChatId, alice: &mut Person, carol: &mut Person) -> anyhow::Result<()> {
    let request = alice.client.rest().post(format!("/chats/{chat}/members/remove"));
    let request = request.json(&json!({ "user_ids": [carol.id] }));
    let _: Value = alice.call("POST /chats/{id}/members/remove", request).await?;
    for person in [alice, &mut *carol] {
        person.expect_change("the removal", |change, _| matches!(change, Change::MembersRemoved { .. })).await?;
    }
    let removed = |event: &Event| match event {
        Event::Chat(ChatEvent::Removed { chat_id, reason }) if *chat_id == chat => Some(reason.clone()),
        _ => None,
    };
    let reason = carol.expect("the end of the chat", removed).await?;
    ensure!(reason == "kicked", "wrong reason: {reason}");
    Ok(())
}
