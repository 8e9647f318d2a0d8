//! Reads the final history: by SQL, and over REST as each member.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, bail, ensure};
use neonchat_common::ids::{ChatId, MessageId, SendId, Seq, UserId};
use neonchat_testbed::client::{Api, User};
use serde_json::Value;
use tokio::time::Instant;
use tokio_postgres::Client;
use uuid::Uuid;

use super::{Chats, Founded, Head, Heads, frames};
use crate::{
    checker::{ChangeKind, ChangeRow, Chat, Message, Row, Shown, View},
    cluster::Cluster,
};

/// How long a page is retried. The system has recovered by then, but a pooled connection may be broken.
const PAGE_TIMEOUT: Duration = Duration::from_secs(10);

fn ids(chats: &Chats) -> Vec<Uuid> {
    chats.keys().map(|chat| chat.0).collect()
}

/// Returns the head of each chat, and its members.
pub(super) async fn heads(cluster: &Cluster, chats: &Chats) -> anyhow::Result<Heads> {
    let sql = "SELECT id, last_seq, ARRAY(SELECT user_id FROM chat_members WHERE chat_id = chats.id)
                 FROM chats WHERE id = ANY($1)";
    let rows = cluster.sql().await?.query(sql, &[&ids(chats)]).await?;
    let head = |row: &tokio_postgres::Row| {
        let members = row.get::<_, Vec<Uuid>>(2).into_iter().map(UserId).collect();
        (ChatId(row.get(0)), Head { seq: row.get(1), members })
    };
    Ok(rows.iter().map(head).collect())
}

/// What is still to be stored in the chats.
pub(super) struct Pending {
    pub(super) scheduled: i64,
    pub(super) reactions: i64,
}

pub(super) async fn pending(sql: &Client, chats: &Chats) -> anyhow::Result<Pending> {
    let counts = "SELECT (SELECT count(*) FROM scheduled_messages WHERE chat_id = ANY($1)),
                      (SELECT count(*) FROM reactions_due WHERE chat_id = ANY($1))";
    let row = sql.query_one(counts, &[&ids(chats)]).await?;
    Ok(Pending { scheduled: row.get(0), reactions: row.get(1) })
}

pub(super) async fn chats(
    cluster: &Cluster,
    api: &Api,
    founded: &Chats,
    users: &BTreeMap<UserId, User>,
) -> anyhow::Result<BTreeMap<ChatId, Chat>> {
    let new = |founded: &Founded| {
        let Founded { founders, shows_history, .. } = founded.clone();
        Chat { founders, shows_history, ..Chat::default() }
    };
    let mut chats: BTreeMap<ChatId, Chat> = founded.iter().map(|(chat, founded)| (*chat, new(founded))).collect();
    let sql = "SELECT chat_id, seq, id, sender_id, text, request_id,
                      (extract(epoch FROM created_at) * 1000000)::bigint, changed_seq, deleted_at IS NOT NULL
                 FROM messages WHERE chat_id = ANY($1) ORDER BY chat_id, seq";
    for row in cluster.sql().await?.query(sql, &[&ids(founded)]).await? {
        let chat = ChatId(row.get(0));
        let message = Message {
            chat,
            seq: row.get::<_, Seq>(1),
            id: MessageId(row.get(2)),
            sender: UserId(row.get(3)),
            text: row.get(4),
            changed_seq: row.get(7),
            is_deleted: row.get(8),
        };
        let row = Row { message, request_id: SendId(row.get(5)), created_at: row.get(6) };
        chats.entry(chat).or_default().rows.push(row);
    }
    for (chat, row) in changes(cluster, founded).await? {
        chats.entry(chat).or_default().changes.push(row);
    }
    for (id, chat) in &mut chats {
        for reader in chat.founders.clone() {
            let user = users.get(&reader).context("an unknown member")?;
            // Nothing, if the user is not a member any more.
            let Some(item) = page(api, user, &format!("/api/v1/chats/{id}")).await? else { continue };
            let (messages, reactions) = read(api, user, *id).await?;
            let number = |field: &str| item[field].as_i64().with_context(|| format!("no {field}"));
            let (read_seq, unread_count) = (number("read_seq")?, number("unread_count")?);
            let (name, mention_count) = (user.name.clone(), number("mention_count")?);
            chat.views.push(View { reader, name, messages, reactions, read_seq, unread_count, mention_count });
        }
    }
    Ok(chats)
}

/// Returns the changes.
async fn changes(cluster: &Cluster, founded: &Chats) -> anyhow::Result<Vec<(ChatId, ChangeRow)>> {
    let sql = "SELECT event.chat_id, event.seq, actor_id, coalesce(event.request_id, actor_id),
                      (extract(epoch FROM event.created_at) * 1000000)::bigint, kind,
                      CASE WHEN kind IN (1, 3) THEN ARRAY[message.id]
                                WHEN kind = 2 THEN ARRAY(SELECT (gone->>'id')::uuid FROM jsonb_array_elements(body) AS gone)
                                ELSE ARRAY[]::uuid[] END,
                      CASE WHEN kind IN (6, 7)
                           THEN ARRAY(SELECT named::uuid FROM jsonb_array_elements_text(body->'user_ids') AS named)
                           WHEN kind = 8 THEN ARRAY[(body->>'user_id')::uuid]
                           ELSE ARRAY[]::uuid[] END
                 FROM chat_events AS event
                 LEFT JOIN messages AS message ON message.chat_id = event.chat_id AND message.seq = target_seq
                WHERE event.chat_id = ANY($1) ORDER BY event.chat_id, event.seq";
    let rows = cluster.sql().await?.query(sql, &[&ids(founded)]).await?;
    let change = |row: &tokio_postgres::Row| {
        let kind = match row.get::<_, i16>(5) {
            1 => ChangeKind::Edit,
            2 => ChangeKind::Deletion,
            3 if row.get::<_, Uuid>(2).is_nil() => ChangeKind::Gathered,
            3 => ChangeKind::Reaction,
            6 => ChangeKind::Addition,
            7 => ChangeKind::Removal,
            8 => ChangeKind::Role,
            9 => ChangeKind::Title,
            kind => bail!("an event has the unknown kind {kind}"),
        };
        let change = ChangeRow {
            seq: row.get(1),
            actor: UserId(row.get(2)),
            request: SendId(row.get(3)),
            created_at: row.get(4),
            kind,
            messages: row.get::<_, Vec<Uuid>>(6).into_iter().map(MessageId).collect(),
            users: row.get::<_, Vec<Uuid>>(7).into_iter().map(UserId).collect(),
        };
        Ok((ChatId(row.get(0)), change))
    };
    rows.iter().map(change).collect()
}

/// Reads the whole history, page by page from the end. Returns the oldest message first, and the reactions.
async fn read(api: &Api, user: &User, chat: ChatId) -> anyhow::Result<(Vec<Message>, BTreeMap<MessageId, Shown>)> {
    let (mut messages, mut reactions) = (Vec::<Message>::new(), BTreeMap::new());
    loop {
        let before = messages.last().map(|message| format!("&before_id={}", message.id)).unwrap_or_default();
        let page = page(api, user, &format!("/api/v1/chats/{chat}/messages?limit=200{before}")).await?;
        let page = page.with_context(|| format!("{} cannot read {chat}", user.id))?;
        messages.extend(history(&page)?);
        for message in page["messages"].as_array().into_iter().flatten() {
            reactions.extend(frames::shown(message)?);
        }
        if page["has_previous"] != true {
            messages.reverse();
            return Ok((messages, reactions));
        }
    }
}

/// Returns a page; `None` if the user is not a member.
pub(super) async fn page(api: &Api, user: &User, path: &str) -> anyhow::Result<Option<Value>> {
    let deadline = Instant::now() + PAGE_TIMEOUT;
    loop {
        match api.get(path, user).await {
            Ok(answer) if answer.status == 200 => return Ok(Some(answer.body)),
            Ok(answer) if answer.status == 404 => return Ok(None),
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
