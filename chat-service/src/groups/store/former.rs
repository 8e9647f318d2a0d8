//! Users who leave a chat and may return: a restriction and slow mode hold again then.

use diesel::{
    ExpressionMethods as _, QueryDsl as _, QueryResult, QueryableByName,
    sql_types::{Array, BigInt, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::{ChatId, UserId};

use super::uuids;
use crate::{
    db::{Db, DbResult, prepared},
    schema::chat_prefs,
};

/// Slow mode is a day at most, so an older message does not matter. `greatest` ignores NULL. There may be a row of an earlier
/// membership, because an instance of an earlier version let the user in without deleting it.
const REMOVE: &str = "
    WITH gone AS (
        DELETE FROM chat_members WHERE chat_id = $1 AND user_id = ANY ($2)
        RETURNING chat_id, user_id, restricted_until, sent_at,
                  greatest(restricted_until, sent_at + interval '24 hours') AS kept_until
    ), kept AS (
        INSERT INTO chat_former_members (chat_id, user_id, restricted_until, sent_at, kept_until)
        SELECT chat_id, user_id, restricted_until, sent_at, coalesce(kept_until, now()) FROM gone
         WHERE kept_until > now()
            OR EXISTS (SELECT FROM chat_former_members AS former
                        WHERE former.chat_id = gone.chat_id AND former.user_id = gone.user_id)
        ON CONFLICT (chat_id, user_id) DO UPDATE
           SET restricted_until = excluded.restricted_until, sent_at = excluded.sent_at, kept_until = excluded.kept_until
    )
    SELECT count(*) AS count FROM gone";

const RESTORE: &str = "
    WITH kept AS (
        DELETE FROM chat_former_members WHERE chat_id = $1 AND user_id = ANY ($2)
        RETURNING user_id, restricted_until, sent_at
    )
    UPDATE chat_members AS member SET restricted_until = kept.restricted_until, sent_at = kept.sent_at
      FROM kept
     WHERE member.chat_id = $1 AND member.user_id = kept.user_id";

const SWEEP: &str = "DELETE FROM chat_former_members WHERE ctid = ANY (ARRAY (
        SELECT ctid FROM chat_former_members WHERE kept_until < now() LIMIT 1000 FOR UPDATE SKIP LOCKED
    ))";

#[derive(QueryableByName)]
struct Removed {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Deletes members, and keeps what holds again if they return. Returns how many there were.
pub(super) async fn remove(connection: &mut AsyncPgConnection, chat: ChatId, users: &[UserId]) -> QueryResult<i64> {
    let remove = prepared(REMOVE).bind::<SqlUuid, _>(chat.0).bind::<Array<SqlUuid>, _>(uuids(users));
    let count = remove.get_result::<Removed>(connection).await?.count;
    delete_prefs(connection, chat, users).await?;
    Ok(count)
}

/// Deletes what users have set about a chat. It is a statement of its own after the deletion of the members, so that it sees what they
/// set while that waited for them.
async fn delete_prefs(connection: &mut AsyncPgConnection, chat: ChatId, users: &[UserId]) -> QueryResult<()> {
    let prefs = chat_prefs::table
        .filter(chat_prefs::chat_id.eq(chat.0))
        .filter(chat_prefs::user_id.eq_any(users.iter().map(|user| user.0)));
    diesel::delete(prefs).execute(connection).await.map(drop)
}

/// Restores what held for new members when they were members before.
pub(super) async fn restore(connection: &mut AsyncPgConnection, chat: ChatId, users: &[UserId]) -> QueryResult<()> {
    // An instance of an earlier version may have removed them without deleting these.
    delete_prefs(connection, chat, users).await?;
    let restore = prepared(RESTORE).bind::<SqlUuid, _>(chat.0).bind::<Array<SqlUuid>, _>(uuids(users));
    restore.execute(connection).await.map(drop)
}

/// Deletes some of the rows that do not matter any more. Returns whether there may be more.
pub(in crate::groups) async fn sweep(db: &Db) -> DbResult<bool> {
    Ok(db.query(async |connection| prepared(SWEEP).execute(connection).await).await? > 0)
}
