//! Two users talk, and every kind of event arrives.

use neonchat_client::{Change, ChatEvent, Event, PendingState, Text};
use serde_json::{Value, json};

use super::{Person, find, find_change, find_message, pair, start};

#[tokio::test(flavor = "multi_thread")]
async fn two_users_talk() {
    let running = start().await;
    let (alice, bob, chat) = pair(&running).await;
    let mut heard = bob.client.events();
    let sending = alice.client.send(chat, "hi").await.expect("send");
    let request_id = sending.request_id();
    let ack = sending.await.expect("acknowledge message");
    let message = find_message(&mut heard, "the message", |message| message.text == "hi").await;
    assert_eq!((ack.seq, ack.message_id, ack.duplicate), (Some(1), Some(message.id), false));
    assert_eq!((message.seq, message.sender_id, ack.request_id), (1, alice.id, request_id));
    find(&mut heard, "the unread count", |event| match event {
        Event::Chat(ChatEvent::Changed { chat }) if chat.unread_count == 1 => Some(()),
        _ => None,
    })
    .await;

    alice.client.typing(chat, true).await.expect("type");
    let typing = |event| if let Event::Typing(typing) = event { Some(typing) } else { None };
    let typing = find(&mut heard, "typing", typing).await;
    assert_eq!((typing.user_id, typing.is_typing), (Some(alice.id), true));

    let mut told = alice.client.events();
    bob.client.read(chat, 1).await.expect("read");
    find(&mut told, "the receipt", |event| match event {
        Event::Receipt(receipt) if receipt.read == 1 && receipt.user_id == bob.id => Some(()),
        _ => None,
    })
    .await;
    assert_eq!(alice.client.chat(chat).expect("chat").partner_read_seq, Some(1));
    find(&mut heard, "the confirmation", |event| match event {
        Event::Chat(ChatEvent::Changed { chat }) if chat.unread_count == 0 => Some(()),
        _ => None,
    })
    .await;

    alice.client.set_away(true).await.expect("go away");
    find(&mut heard, "the absence", |event| match event {
        Event::Presence(presence) if presence.user_id == alice.id && presence.event == "user_away" => Some(()),
        _ => None,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_reach_the_other_and_the_store() {
    let running = start().await;
    let (alice, bob, chat) = pair(&running).await;
    let (mut told, mut heard) = (alice.client.events(), bob.client.events());
    alice.client.send(chat, "hi").await.expect("send").await.expect("acknowledge message");
    let message = find_message(&mut told, "the own message", |_| true).await;

    let reacted = bob.client.react(chat, message.id, "👍", true).await.expect("react");
    assert_eq!(reacted.await.expect("acknowledge reaction").seq, Some(2));
    for events in [&mut told, &mut heard] {
        let count = |change| match change {
            Change::Reactions { reactions, .. } => Some(reactions.first().map_or(0, |reaction| reaction.count)),
            _ => None,
        };
        assert_eq!(find_change(events, "the reaction", count).await.0, 1);
    }

    let edited = alice.client.edit(chat, &message, "hello").await.expect("edit");
    assert_eq!(edited.await.expect("acknowledge edit").seq, Some(3));
    for events in [&mut told, &mut heard] {
        let edit = |change| if let Change::MessageEdited { message } = change { message } else { None };
        let (edit, frame) = find_change(events, "the edit", edit).await;
        assert_eq!((edit.id, &*edit.text, frame.seq()), (message.id, "hello", Some(3)));
    }

    let reply = Text::new("to myself").reply_to(message.id);
    alice.client.send(chat, reply).await.expect("send").await.expect("acknowledge reply");
    let reply = find_message(&mut told, "the own reply", |message| message.text == "to myself").await;
    assert!(reply.reply_to.is_some(), "the acknowledgement has the whole message: {reply:?}");

    let deleted = alice.client.delete(chat, [&message]).await.expect("delete");
    assert_eq!(deleted.await.expect("acknowledge deletion").seq, Some(5));
    let gone =
        |change| if let Change::MessagesDeleted { messages, .. } = change { messages.first().copied() } else { None };
    assert_eq!(find_change(&mut heard, "the deletion", gone).await.0.id, message.id);

    let path = format!("/chats/{chat}/messages");
    for person in [&alice, &bob] {
        let page = person.client.timeline(chat).after(0, 10).await.expect("page");
        let own: Vec<_> = page.messages.iter().map(|message| (message.id, message.text.clone())).collect();
        let answer: Value =
            person.client.rest().get(&*path).query("limit", 10).send().await.expect("page of the server");
        let list = answer["messages"].as_array().expect("messages").iter().rev();
        let theirs: Vec<_> = list.map(|message| (message["id"].clone(), message["text"].clone())).collect();
        assert_eq!(json!(own), json!(theirs));
        assert_eq!((page.messages[0].deleted, page.messages[0].id), (true, message.id));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_who_is_removed_cannot_send() {
    let running = start().await;
    let (owner, member) = (Person::live(&running).await, Person::live(&running).await);
    let mut events = member.client.events();
    let body = json!({ "type": "group", "title": "Team", "member_ids": [member.id] });
    let _: Value = owner.client.rest().post("/chats").json(&body).send().await.expect("create group");
    let chat = find(&mut events, "the group", |event| match event {
        Event::Chat(ChatEvent::Created { chat }) if chat.title.as_deref() == Some("Team") => Some(chat.id),
        _ => None,
    })
    .await;
    let body = json!({ "user_ids": [member.id] });
    let remove = owner.client.rest().post(format!("/chats/{chat}/members/remove")).json(&body);
    let _: Value = remove.send().await.expect("remove member");
    let reason = find(&mut events, "the removal", |event| match event {
        Event::Chat(ChatEvent::Removed { chat_id, reason }) if chat_id == chat => Some(reason),
        _ => None,
    })
    .await;
    assert_eq!((&*reason, member.client.chat(chat)), ("kicked", None));
    let sending = member.client.send(chat, "too late").await.expect("send");
    let request_id = sending.request_id();
    assert_eq!(sending.await.expect_err("refuse message").code(), "not_found");
    assert_eq!(member.client.outbox()[0].state, PendingState::Failed);
    assert!(member.client.cancel(request_id).await.expect("cancel"));
    assert!(member.client.outbox().is_empty());
}
