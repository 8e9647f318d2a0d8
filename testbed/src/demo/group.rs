//! The scene with a group: Alice makes it, Carol joins by an invite, gets a role, and is removed.

use anyhow::ensure;
use serde_json::json;

use super::{done, register, show, show_call};
use crate::client::{Api, Socket, User, text};

/// Plays the scene. Only Alice and Carol are connected; Bob is a member.
pub(super) async fn play(
    api: &Api,
    websocket: &str,
    [alice, bob]: [&User; 2],
    alices: &mut Socket,
) -> anyhow::Result<()> {
    let carol = &register(api, &alice.name.replacen("alice", "carol", 1)).await?;
    let mut carols = Socket::open(websocket, carol, None).await?;
    let group = json!({ "type": "group", "title": "Друзья", "member_ids": [bob.id] });
    let created = show_call(api, alice, "POST", "/chats", Some(&group)).await?;
    ensure!(created.status == 201 && created.body["member_count"] == 2, "the group was not created: {created:?}");
    let chat = text(&created.body["id"])?;
    show("alice", "receives", &alices.expect_beside_presence("chat_created").await?);

    let invite = join_by_invite(api, &chat, [alice, carol], [alices, &mut carols]).await?;
    show("alice", "sends «Привет, Карол!» and gets", &alices.send_message(&chat, "Привет, Карол!").await?);
    show("carol", "receives", &carols.expect_beside_presence("new_message").await?);
    become_admin(api, &chat, [alice, carol], [alices, &mut carols]).await?;
    remove(api, &chat, [alice, carol], [alices, &mut carols]).await?;

    let ack = alices.send_message(&chat, "Карол больше нет").await?;
    show("alice", "sends «Карол больше нет» and gets", &ack);
    carols.send(&json!({ "type": "message", "chat_id": chat, "text": "Я ещё тут!" })).await?;
    let refusal = carols.expect_beside_presence("error").await?;
    show("carol", "sends «Я ещё тут!» and gets", &refusal);
    let hidden = api.get(&format!("/api/v1/chats/{chat}/messages"), carol).await?;
    ensure!(hidden.status == 404, "Carol still reads the group: {hidden:?}");
    let again = show_call(api, carol, "POST", &format!("/invites/{invite}"), None).await?;
    ensure!(again.status == 404, "the invite is valid for more than one use: {again:?}");
    done("Carol got nothing further, the group does not exist for her, and the invite is used up");
    carols.close().await
}

/// Alice makes an invite for one user, and Carol joins with it. Returns its code.
async fn join_by_invite(
    api: &Api,
    chat: &str,
    [alice, carol]: [&User; 2],
    [alices, carols]: [&mut Socket; 2],
) -> anyhow::Result<String> {
    let invite =
        show_call(api, alice, "POST", &format!("/chats/{chat}/invites"), Some(&json!({ "max_uses": 1 }))).await?;
    ensure!(invite.status == 201, "the invite was not made: {invite:?}");
    let code = text(&invite.body["code"])?;
    let preview = api.get(&format!("/api/v1/invites/{code}"), carol).await?;
    show("carol", "opens the link and sees", &preview.body);
    ensure!(preview.body["title"] == "Друзья", "wrong preview: {preview:?}");
    let joined = show_call(api, carol, "POST", &format!("/invites/{code}"), None).await?;
    ensure!(joined.status == 200 && joined.body["role"] == "member", "Carol did not join: {joined:?}");
    let added = alices.expect_beside_presence("members_added").await?;
    show("alice", "receives", &added);
    ensure!(added["via"] == "invite" && added["user_ids"] == json!([carol.id]), "wrong event");
    show("carol", "receives", &carols.expect_beside_presence("chat_created").await?);
    Ok(code)
}

/// Alice makes Carol an admin, who may then rename the group.
async fn become_admin(
    api: &Api,
    chat: &str,
    [alice, carol]: [&User; 2],
    sockets: [&mut Socket; 2],
) -> anyhow::Result<()> {
    let (path, title) = (format!("/chats/{chat}"), json!({ "title": "Подруги" }));
    let refused = show_call(api, carol, "PATCH", &path, Some(&title)).await?;
    ensure!(refused.status == 403, "a member renamed the group: {refused:?}");
    let role = json!({ "role": "admin" });
    let changed = show_call(api, alice, "PATCH", &format!("{path}/members/{}", carol.id), Some(&role)).await?;
    ensure!(changed.status == 200, "Carol is no admin: {changed:?}");
    let renamed = show_call(api, carol, "PATCH", &path, Some(&title)).await?;
    ensure!(renamed.status == 200, "an admin could not rename the group: {renamed:?}");
    for (name, socket) in ["alice", "carol"].into_iter().zip(sockets) {
        let changed = socket.expect_beside_presence("member_changed").await?;
        show(name, "receives", &changed);
        ensure!(changed["user_id"] == *carol.id && changed["role"] == "admin", "wrong event");
        let updated = socket.expect_beside_presence("chat_updated").await?;
        show(name, "receives", &updated);
        ensure!(updated["title"] == "Подруги", "wrong title");
    }
    Ok(())
}

/// Alice removes Carol.
async fn remove(
    api: &Api,
    chat: &str,
    [alice, carol]: [&User; 2],
    [alices, carols]: [&mut Socket; 2],
) -> anyhow::Result<()> {
    let users = json!({ "user_ids": [carol.id] });
    let removed = show_call(api, alice, "POST", &format!("/chats/{chat}/members/remove"), Some(&users)).await?;
    ensure!(removed.status == 200, "Carol was not removed: {removed:?}");
    show("alice", "receives", &alices.expect_beside_presence("members_removed").await?);
    show("carol", "receives", &carols.expect_beside_presence("members_removed").await?);
    let last = carols.expect_beside_presence("chat_removed").await?;
    show("carol", "receives", &last);
    ensure!(last["reason"] == "kicked", "wrong reason");
    Ok(())
}
