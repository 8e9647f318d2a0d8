//! Members who come and go.

use neonchat_testbed::client::{Socket, text};
use serde_json::{Value, json};

use super::{Stage, event, is_silent, next, removal};

#[tokio::test(flavor = "multi_thread")]
async fn members_on_both_instances_see_who_comes_and_goes() {
    let stage = Stage::start("group").await;
    let Stage { owner, member, stranger, chat, .. } = &stage;
    let (mut owners, mut members) = (stage.open(0, owner).await, stage.open(1, member).await);
    let (mut phone, mut laptop) = (stage.open(0, stranger).await, stage.open(1, stranger).await);

    stage.add(stranger).await;
    for socket in [&mut owners, &mut members] {
        let added = event(socket, "members_added", 1).await;
        assert_eq!((&added["user_ids"], &added["member_count"]), (&json!([stranger.id]), &json!(3)));
    }
    for socket in [&mut phone, &mut laptop] {
        let created = next(socket).await;
        assert_eq!((&created["type"], &created["chat"]["id"]), (&json!("chat_created"), &json!(chat)), "{created}");
        assert_eq!((&created["chat"]["last_seq"], &created["chat"]["first_seq"]), (&json!(1), &json!(1)));
    }
    stage.send(member, "hello").await;
    for socket in [&mut owners, &mut members, &mut phone, &mut laptop] {
        event(socket, "new_message", 2).await;
    }

    stage.kick(stranger).await;
    for socket in [&mut owners, &mut members, &mut phone, &mut laptop] {
        let removed = event(socket, "members_removed", 3).await;
        assert_eq!((&removed["user_ids"], &removed["how"]), (&json!([stranger.id]), &json!("kicked")));
    }
    for socket in [&mut phone, &mut laptop] {
        removal(socket, chat, "kicked").await;
    }
    stage.send(member, "after the kick").await;
    for socket in [&mut owners, &mut members] {
        event(socket, "new_message", 4).await;
    }
    for socket in [&mut phone, &mut laptop] {
        is_silent(socket).await;
        let refused = socket.send_message(chat, "x").await.expect_err("a removed user cannot send").to_string();
        assert!(refused.contains("not_found"), "{refused}");
    }

    // The same user again.
    stage.add(stranger).await;
    for socket in [&mut phone, &mut laptop] {
        let created = next(socket).await;
        assert_eq!((&created["type"], &created["chat"]["first_seq"]), (&json!("chat_created"), &json!(5)), "{created}");
    }
    stage.send(member, "after the return").await;
    for socket in [&mut phone, &mut laptop] {
        event(socket, "new_message", 6).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_of_a_closed_or_left_chat_are_told() {
    let stage = Stage::start("group").await;
    let Stage { owner, member, chat, .. } = &stage;
    let address = stage.running.system.websocket_addresses()[1];
    let scoped = Socket::open(&format!("ws://{address}"), member, Some(chat)).await;
    let (mut owners, mut scoped) = (stage.open(0, owner).await, scoped.expect("open socket"));
    let left = stage.call("DELETE", "/members/me", member, None).await;
    assert_eq!(left.body["seq"], 1, "{left:?}");
    event(&mut owners, "members_removed", 1).await;
    event(&mut scoped, "members_removed", 1).await;
    removal(&mut scoped, chat, "left").await;
    let closed = scoped.next().await.expect_err("the socket closes").to_string();
    assert!(closed.contains("4003"), "{closed}");

    let closed = stage.call("DELETE", "", owner, None).await;
    assert_eq!(closed.body["seq"], 2, "{closed:?}");
    event(&mut owners, "chat_closed", 2).await;
    removal(&mut owners, chat, "closed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_tells_of_a_removal_while_away() {
    let stage = Stage::start("group").await;
    let Stage { member, chat, .. } = &stage;
    stage.send(member, "before").await;
    stage.kick(member).await;
    let mut socket = stage.open(1, member).await;
    socket.send(&json!({ "type": "sync", "cursors": { chat: 1 }, "request_id": "s" })).await.expect("send");
    let frame = next(&mut socket).await;
    assert_eq!((&frame["type"], &frame["chat_id"]), (&json!("chat_removed"), &json!(chat)), "{frame}");
    let synced = next(&mut socket).await;
    assert_eq!((&synced["type"], &synced["chats"]), (&json!("synced"), &json!([])), "{synced}");
}

#[tokio::test(flavor = "multi_thread")]
async fn newcomer_joins_by_invite_and_by_handle() {
    let stage = Stage::start("group").await;
    let Stage { owner, stranger, chat, .. } = &stage;
    let mut owners = stage.open(0, owner).await;
    let invite = stage.call("POST", "/invites", owner, Some(json!({ "max_uses": 1 }))).await;
    assert_eq!(invite.status, 201, "{invite:?}");
    let path = format!("/api/v1/invites/{}", text(&invite.body["code"]).expect("find code"));
    let api = stage.running.system.api();
    let preview = api.get(&path, stranger).await.expect("receive answer");
    assert_eq!((&preview.body["title"], &preview.body["member_count"]), (&json!("Team"), &json!(2)), "{preview:?}");
    let joined = api.post(&path, stranger, &Value::Null).await.expect("receive answer");
    assert_eq!((joined.status, &joined.body["id"]), (200, &json!(chat)), "{joined:?}");
    assert_eq!(event(&mut owners, "members_added", 1).await["via"], "invite");
    let other = api.any_user().await.expect("register user");
    assert_eq!(api.post(&path, &other, &Value::Null).await.expect("receive answer").status, 404);

    let handle = format!("room_{}", &other.id[..8]);
    let updated = stage.call("PATCH", "", owner, Some(json!({ "handle": handle }))).await;
    assert_eq!(updated.body["handle"], handle, "{updated:?}");
    event(&mut owners, "chat_updated", 2).await;
    let rooms = api.get(&format!("/api/v1/rooms?q={handle}"), &other).await.expect("receive answer");
    assert_eq!(rooms.body["rooms"][0]["id"], json!(chat), "{rooms:?}");
    let joined = stage.call("POST", "/join", &other, None).await;
    assert_eq!(joined.status, 200, "{joined:?}");
    assert_eq!(event(&mut owners, "members_added", 3).await["via"], "join");
}
