//! Deletes the rows of closed chats, bit by bit, so that no statement holds locks for long.

use diesel::{OptionalExtension as _, QueryableByName, sql_types::Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use neonchat_common::ids::ChatId;
use uuid::Uuid;

use crate::db::{Db, DbResult, prepared};

/// Chats that were closed this long ago. Until then, an instance of notification-service that missed the last event can fetch it.
const FIND: &str = "SELECT id FROM chats
     WHERE is_closed AND NOT is_purged AND last_event_at < now() - interval '10 minutes' LIMIT 1";

/// The tables whose rows of a chat are deleted. The row of the chat and its profile stay without content: the limit of created
/// chats counts them, and they have the `request_id` of the creation.
const TABLES: [&str; 19] = [
    "messages",
    "mentions",
    "replies",
    "passive_messages",
    "reactions",
    "reactions_due",
    "pins",
    "message_versions",
    "chat_events",
    "chat_members",
    "chat_prefs",
    "chat_former_members",
    "chat_bans",
    "chat_invites",
    "join_requests",
    "chat_audit",
    "message_cleanups",
    "scheduled_messages",
    "expiring_messages",
];

/// The number of rows that one statement deletes.
const CHUNK: usize = 1000;

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

/// Returns a closed chat whose rows can be deleted.
pub(in crate::groups) async fn find_closed(db: &Db) -> DbResult<Option<ChatId>> {
    let found = db.query(async |connection| prepared(FIND).get_result::<Found>(connection).await.optional());
    Ok(found.await?.map(|found| ChatId(found.id)))
}

/// Deletes some rows of a closed chat. Returns whether there may be more.
pub(in crate::groups) async fn purge(db: &Db, chat: ChatId) -> DbResult<bool> {
    for table in TABLES {
        let delete = format!(
            "DELETE FROM {table} WHERE ctid = ANY (ARRAY (
                 SELECT ctid FROM {table} WHERE chat_id = $1 LIMIT {CHUNK} FOR UPDATE SKIP LOCKED))"
        );
        let deleted =
            db.query(async |connection| prepared(&delete).bind::<SqlUuid, _>(chat.0).execute(connection).await);
        if deleted.await? > 0 {
            return Ok(true);
        }
    }
    Ok(!finish(db, chat).await?)
}

/// Marks a chat as purged, unless it still has rows: another instance may be deleting them, and fail.
async fn finish(db: &Db, chat: ChatId) -> DbResult<bool> {
    let has_no_rows = TABLES.map(|table| format!("NOT EXISTS (SELECT FROM {table} WHERE chat_id = $1)")).join(" AND ");
    let mark = format!(
        "WITH emptied AS (
             UPDATE chat_profiles SET title = '', description = '', search_key = '', request_digest = NULL
                 WHERE chat_id = $1)
         UPDATE chats SET is_purged = TRUE WHERE id = $1 AND is_closed AND {has_no_rows}"
    );
    let marked = db.query(async |connection| prepared(&mark).bind::<SqlUuid, _>(chat.0).execute(connection).await);
    Ok(marked.await? > 0)
}
