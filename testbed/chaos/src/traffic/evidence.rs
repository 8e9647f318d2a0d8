//! Reads the final history: by SQL, and over REST as each member.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, ensure};
use neonchat_common::ids::{ChatId, MessageId, SendId, Seq, UserId};
use neonchat_testbed::client::{Api, User};
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Heads, Members, frames};
use crate::{
    checker::{Chat, Message, Row, View},
    cluster::Cluster,
};

/// How long a page is retried. The system has recovered by then, but a pooled connection may be broken.
const PAGE_TIMEOUT: Duration = Duration::from_secs(10);

fn ids(chats: &Members) -> Vec<Uuid> {
    chats.keys().map(|chat| chat.0).collect()
}

/// Returns the head of each chat.
pub(super) async fn heads(cluster: &Cluster, chats: &Members) -> anyhow::Result<Heads> {
    let sql = "SELECT chat_id, max(seq) FROM messages WHERE chat_id = ANY($1) GROUP BY chat_id";
    let rows = cluster.sql().await?.query(sql, &[&ids(chats)]).await?;
    Ok(rows.iter().map(|row| (ChatId(row.get(0)), row.get(1))).collect())
}

pub(super) async fn chats(
    cluster: &Cluster,
    api: &Api,
    members: &Members,
    users: &BTreeMap<UserId, User>,
) -> anyhow::Result<BTreeMap<ChatId, Chat>> {
    let mut chats: BTreeMap<ChatId, Chat> =
        members.iter().map(|(chat, members)| (*chat, Chat { members: members.clone(), ..Chat::default() })).collect();
    let sql = "SELECT chat_id, seq, id, sender_id, text, request_id,
                      (extract(epoch FROM created_at) * 1000000)::bigint
                 FROM messages WHERE chat_id = ANY($1) ORDER BY chat_id, seq";
    for row in cluster.sql().await?.query(sql, &[&ids(members)]).await? {
        let chat = ChatId(row.get(0));
        let message = Message {
            chat,
            seq: row.get::<_, Seq>(1),
            id: MessageId(row.get(2)),
            sender: UserId(row.get(3)),
            text: row.get(4),
        };
        let row = Row { message, request_id: SendId(row.get(5)), created_at: row.get(6) };
        chats.entry(chat).or_default().rows.push(row);
    }
    for (id, chat) in &mut chats {
        for reader in chat.members.clone() {
            let user = users.get(&reader).context("an unknown member")?;
            chat.views.push(View { reader, messages: read(api, user, *id).await? });
        }
    }
    Ok(chats)
}

/// Reads the whole history, page by page from the end. Returns the oldest message first.
async fn read(api: &Api, user: &User, chat: ChatId) -> anyhow::Result<Vec<Message>> {
    let mut messages: Vec<Message> = Vec::new();
    loop {
        let before = messages.last().map(|message| format!("&before_id={}", message.id)).unwrap_or_default();
        let page = page(api, user, &format!("/api/v1/chats/{chat}/messages?limit=200{before}")).await?;
        messages.extend(history(&page)?);
        if page["has_previous"] != true {
            messages.reverse();
            return Ok(messages);
        }
    }
}

async fn page(api: &Api, user: &User, path: &str) -> anyhow::Result<Value> {
    let deadline = Instant::now() + PAGE_TIMEOUT;
    loop {
        match api.get(path, user).await {
            Ok(answer) if answer.status == 200 => return Ok(answer.body),
            answer => ensure!(Instant::now() < deadline, "{path}: {answer:?}"),
        }
        tokio::time::sleep(neonchat_testbed::poll::POLL_INTERVAL).await;
    }
}

/// Returns the messages of a page of history.
pub(super) fn history(page: &Value) -> anyhow::Result<Vec<Message>> {
    let messages = page["messages"].as_array().context("no messages")?;
    messages.iter().map(frames::message).collect()
}
