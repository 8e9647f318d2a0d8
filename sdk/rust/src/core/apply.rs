//! What an event changes in the store, and in the item of its chat.

use serde_json::{Value, json};

use super::list::number_or_0;
use crate::{
    ChatId, Frame, UserId,
    frame::{Object, number},
    store::{ChatRow, EventRow, Op, Patch, message_row},
};

/// The events that are a row of the history, beside messages.
const SHOWN: [&str; 6] =
    ["pinned", "members_added", "members_removed", "member_changed", "chat_updated", "chat_closed"];
/// What `chat_updated` changes.
const PROFILE: [&str; 4] = ["title", "description", "handle", "settings"];

/// Applies an event, whose `seq` is `row.applied`.
pub(super) fn apply(row: &mut ChatRow, event: &Frame, me: Option<UserId>, ops: &mut Vec<Op>) {
    let (chat, seq) = (row.id, row.applied);
    // The item of a list may be ahead of the events.
    let is_news = seq > number_or_0(&row.item, "last_seq");
    if is_news {
        row.item.insert("last_seq".to_owned(), seq.into());
    }
    match event.kind() {
        "new_message" => {
            if let Some(message) = event.object("message") {
                ops.push(Op::Event { row: message_row(chat, seq, message.clone()) });
                new_message(&mut row.item, seq, &Frame(message.clone()), me, is_news);
            }
        }
        "message_edited" => {
            // Without a message: it was changed again since.
            if let Some(message) = event.object("message") {
                let mut set = message.clone();
                // What it does not have was taken away.
                for (name, nothing) in [("entities", json!([])), ("mentions", json!([])), ("mention_all", json!(false))]
                {
                    set.entry(name).or_insert(nothing);
                }
                change_message(ops, chat, number(message, "seq"), Some(seq), false, &set);
                set_last(&mut row.item, message.get("id"), |last| {
                    last.remove("entities");
                    let shown = ["text", "entities"].into_iter().filter_map(|name| message.get_key_value(name));
                    last.extend(shown.map(|(name, value)| (name.clone(), value.clone())));
                });
            }
        }
        "messages_deleted" => {
            for message in event.list("messages").iter().filter_map(Value::as_object) {
                change_message(ops, chat, number(message, "seq"), Some(seq), true, &Object::new());
                set_last(&mut row.item, message.get("id"), |last| {
                    last.insert("text".to_owned(), "".into());
                    last.insert("entities".to_owned(), json!([]));
                    last.insert("deleted".to_owned(), true.into());
                });
            }
        }
        "reactions" => {
            let set = Object::from_iter([("reactions".to_owned(), json!(event.list("reactions")))]);
            change_message(ops, chat, event.number("message_seq"), None, false, &set);
        }
        kind if SHOWN.contains(&kind) => {
            ops.push(Op::Event { row: event_row(chat, seq, kind, event) });
            change_chat(&mut row.item, event, me);
        }
        _ => {}
    }
}

/// Adds a message to the item of its chat.
fn new_message(item: &mut Object, seq: u64, message: &Frame, me: Option<UserId>, is_news: bool) {
    let is_deleted = message.is("deleted");
    let last = item.get("last_message").and_then(Value::as_object).map_or(0, |last| number_or_0(last, "seq"));
    if seq > last && !is_deleted {
        let member = |name: &str| message.get(name).cloned().unwrap_or_default();
        let mut shown = json!({ "id": member("id"), "seq": seq, "text": member("text"), "sender_id": member("sender_id"),
            "created_at": member("created_at") });
        if let Some(entities) = message.get("entities") {
            shown["entities"] = entities.clone();
        }
        item.insert("last_message".to_owned(), shown);
        item.insert("updated_at".to_owned(), member("created_at"));
    }
    if !is_news {
        return;
    }
    let is_me = |id: Option<UserId>| id.is_some() && id == me;
    if is_me(message.id("sender_id")) {
        let read = json!({ "read_seq": seq, "unread_count": 0, "mention_count": 0, "marked_unread": false });
        item.extend(read.as_object().cloned().unwrap_or_default());
    } else if !is_deleted {
        let mut count = |name: &str| {
            let more = number_or_0(item, name) + 1;
            item.insert(name.to_owned(), more.into());
        };
        count("unread_count");
        let answers = message.object("reply_to").cloned().map(Frame).unwrap_or_default();
        let mentions = || message.list("mentions").iter().any(|id| is_me(id.as_str().and_then(|id| id.parse().ok())));
        if message.is("mention_all") || is_me(answers.id("sender_id")) || mentions() {
            count("mention_count");
        }
    }
}

/// Changes a stored message. The application may have known only the ID of the message that it changed.
fn change_message(
    ops: &mut Vec<Op>,
    chat_id: ChatId,
    target: Option<u64>,
    changed_seq: Option<u64>,
    erase: bool,
    set: &Object,
) {
    if let Some(seq) = target {
        ops.push(Op::Patch(Patch { chat_id, seq, changed_seq, erase, set: set.clone() }));
    }
}

/// Changes the last message of a chat, if it is this one.
fn set_last(item: &mut Object, id: Option<&Value>, set: impl FnOnce(&mut Object)) {
    if let Some(last) = item.get_mut("last_message").and_then(Value::as_object_mut)
        && last.get("id") == id
    {
        set(last);
    }
}

/// An event of a group changes its item.
fn change_chat(item: &mut Object, event: &Frame, me: Option<UserId>) {
    let mut set = |name: &str, value: &Value| drop(item.insert(name.to_owned(), value.clone()));
    if let Some(at) = event.get("at") {
        set("updated_at", at);
    }
    if let Some(count) = event.get("member_count").filter(|count| count.is_u64()) {
        set("member_count", count);
    }
    if event.kind() == "chat_updated" {
        for (name, value) in PROFILE.into_iter().filter_map(|name| Some((name, event.get(name)?))) {
            set(name, value);
        }
    }
    if me.is_some() && event.id("user_id") == me {
        set("role", event.get("role").unwrap_or(&Value::Null));
    }
    if me.is_some() && event.id("former") == me {
        set("role", &"admin".into());
    }
}

fn event_row(chat_id: ChatId, seq: u64, kind: &str, event: &Frame) -> EventRow {
    let mut extra = event.0.clone();
    extra.retain(|name, _| !["chat_id", "seq", "type"].contains(&name.as_str()));
    EventRow { chat_id, seq, kind: kind.to_owned(), message: None, expires: None, extra }
}
