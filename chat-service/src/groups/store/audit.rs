//! Who did what in a chat.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, QueryDsl as _, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::{ChatId, UserId};
use serde_json::Value;
use uuid::Uuid;

use super::{list::require, locked::LockedChat};
use crate::{
    db::Db,
    event_kind::EventKind,
    groups::{
        error::GroupError,
        model::{AuditEntry, Caller, GroupPageLimit},
    },
    rights::Action,
    schema::chat_audit,
};

/// Records what the caller did, in the transaction that does it.
pub(super) async fn record(
    connection: &mut AsyncPgConnection,
    chat: &LockedChat,
    caller: Caller,
    action: &'static str,
    details: Value,
) -> QueryResult<()> {
    insert(connection, chat, caller, (action, details, None)).await
}

/// Records a join or leave of a large chat. It has no event, so its `request_id` is stored here.
pub(super) async fn record_change(
    connection: &mut AsyncPgConnection,
    chat: &LockedChat,
    caller: Caller,
    kind: EventKind,
    details: Value,
) -> QueryResult<()> {
    insert(connection, chat, caller, (kind.as_str(), details, Some(caller.request_id.0))).await
}

async fn insert(
    connection: &mut AsyncPgConnection,
    chat: &LockedChat,
    caller: Caller,
    (action, details, request_id): (&'static str, Value, Option<Uuid>),
) -> QueryResult<()> {
    let row = (
        chat_audit::chat_id.eq(chat.id.0),
        chat_audit::at.eq(chat.now),
        chat_audit::actor_id.eq(caller.user.0),
        chat_audit::action.eq(action),
        chat_audit::details.eq(details),
        chat_audit::request_id.eq(request_id),
    );
    diesel::insert_into(chat_audit::table).values(row).execute(connection).await.map(drop)
}

type Row = (i64, DateTime<Utc>, Uuid, String, Value);

/// Returns a page of the entries, the newest first, before an entry: one more than the limit, if there are more. Each has its
/// number.
pub(in crate::groups) async fn list(
    db: &Db,
    reader: UserId,
    chat: ChatId,
    before: Option<i64>,
    limit: GroupPageLimit,
) -> Result<Vec<(i64, AuditEntry)>, GroupError> {
    let rows = db.run(async move |connection| {
        require(connection, reader, chat, Action::Audit).await?;
        let entries = chat_audit::table
            .filter(chat_audit::chat_id.eq(chat.0))
            .filter(chat_audit::id.lt(before.unwrap_or(i64::MAX)))
            .order(chat_audit::id.desc())
            .limit(limit.plus_one())
            .select((chat_audit::id, chat_audit::at, chat_audit::actor_id, chat_audit::action, chat_audit::details));
        Ok::<Vec<Row>, GroupError>(entries.load(connection).await?)
    });
    let entry = |(id, at, by, action, details): Row| (id, AuditEntry { at, by: UserId(by), action, details });
    Ok(rows.await?.into_iter().map(entry).collect())
}
