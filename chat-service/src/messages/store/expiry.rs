//! The messages that have disappeared, and still have content.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use neonchat_common::ids::{ChatId, Seq};
use uuid::Uuid;

use crate::db::{Db, DbResult, prepared};

/// The most messages that one statement deletes.
const BATCH: usize = 200;

/// Changes of a message are decided before it expires and may be committed afterwards. They have ended by then.
const FIND: &str = "
    SELECT chat_id, expires_at, seq FROM expiring_messages
     WHERE expires_at <= now() - interval '10 s' ORDER BY expires_at LIMIT $1";

/// Tells that there are deleted messages up to there. The count of unread messages looks for them only then, so this is done first.
/// It is a statement of its own: the row of the chat is locked for a moment only.
const RAISE_GONE: &str = "UPDATE chats SET gone_seq = $2 WHERE id = $1 AND gone_seq < $2";

/// A message that was deleted since it was found has no `expires_at` any more, and only leaves the list.
const WIPE: &str = "
    WITH due AS MATERIALIZED (
        SELECT expiring.expires_at, expiring.chat_id, expiring.seq
          FROM unnest($2, $3) AS found (expires_at, seq)
          JOIN expiring_messages AS expiring ON expiring.chat_id = $1 AND expiring.expires_at = found.expires_at
                                                AND expiring.seq = found.seq
           FOR UPDATE OF expiring SKIP LOCKED
    ), gone AS MATERIALIZED (
        SELECT id, chat_id, seq, sender_id, extra, expires_at FROM messages
         WHERE chat_id = $1 AND seq = ANY (ARRAY(SELECT seq FROM due)) AND expires_at <= now()
         ORDER BY seq FOR UPDATE
    ), wiped AS (
        UPDATE messages SET text = '', extra = NULL, reactions = NULL, deleted_at = gone.expires_at, expires_at = NULL
          FROM gone WHERE messages.id = gone.id
    ), deleted_versions AS (
        DELETE FROM message_versions WHERE chat_id = $1 AND seq = ANY (ARRAY(SELECT seq FROM gone))
    ), deleted_mentions AS (
        DELETE FROM mentions WHERE chat_id = $1 AND seq = ANY (ARRAY(SELECT seq FROM gone))
    ), deleted_replies AS (
        DELETE FROM replies USING gone
         WHERE replies.chat_id = $1 AND to_seq = (extra->'reply_to'->>'seq')::bigint AND replies.seq = gone.seq
    ), deleted_passive AS (
        DELETE FROM passive_messages AS passive USING gone
         WHERE passive.chat_id = $1 AND user_id = sender_id AND passive.seq = gone.seq
    ), deleted_reactions AS (
        DELETE FROM reactions WHERE chat_id = $1 AND message_seq = ANY (ARRAY(SELECT seq FROM gone))
    ), deleted_pins AS (
        DELETE FROM pins WHERE chat_id = $1 AND message_seq = ANY (ARRAY(SELECT seq FROM gone))
    ), finished AS (
        DELETE FROM expiring_messages AS expiring USING due
         WHERE expiring.expires_at = due.expires_at AND expiring.chat_id = due.chat_id AND expiring.seq = due.seq
    )
    SELECT count(*) AS wiped FROM gone";

/// The messages directly before the first one that is left.
const RAISE_FLOOR: &str = "
    UPDATE chats SET floor_seq = floor.seq
      FROM (SELECT coalesce((SELECT min_left.seq - 1
                               FROM (SELECT seq FROM messages
                                      WHERE chat_id = $1 AND deleted_at IS NULL
                                            AND seq > (SELECT floor_seq FROM chats WHERE id = $1)
                                      ORDER BY seq LIMIT 1) AS min_left), $2) AS seq) AS floor
     WHERE id = $1 AND floor_seq < floor.seq";

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    expires_at: DateTime<Utc>,
    #[diesel(sql_type = BigInt)]
    seq: Seq,
}

#[derive(QueryableByName)]
struct Wiped {
    #[diesel(sql_type = BigInt)]
    wiped: i64,
}

/// A message that has disappeared.
pub(in crate::messages) type Expired = (DateTime<Utc>, Seq);

/// Returns some messages that have disappeared, by chat, and whether these are the last ones.
pub(in crate::messages) async fn find_expired(db: &Db) -> DbResult<(BTreeMap<ChatId, Vec<Expired>>, bool)> {
    let most = i64::try_from(BATCH).unwrap_or(i64::MAX);
    let find = || prepared(FIND).bind::<BigInt, _>(most);
    let found: Vec<Found> = db.query(async |connection| find().load(connection).await).await?;
    let is_last = found.len() < BATCH;
    let mut expired = BTreeMap::<_, Vec<_>>::new();
    for Found { chat_id, expires_at, seq } in found {
        expired.entry(ChatId(chat_id)).or_default().push((expires_at, seq));
    }
    Ok((expired, is_last))
}

/// Deletes the content of messages of a chat. Returns their number.
pub(in crate::messages) async fn wipe(db: &Db, chat: ChatId, messages: &[Expired]) -> DbResult<u64> {
    let (times, seqs): (Vec<_>, Vec<_>) = messages.iter().copied().unzip();
    let last = seqs.iter().copied().max().unwrap_or(0);
    db.query(async |connection| {
        prepared(RAISE_GONE).bind::<SqlUuid, _>(chat.0).bind::<BigInt, _>(last).execute(connection).await?;
        let wipe = prepared(WIPE).bind::<SqlUuid, _>(chat.0);
        let wipe = wipe.bind::<Array<Timestamptz>, _>(&times).bind::<Array<BigInt>, _>(&seqs);
        let Wiped { wiped } = wipe.get_result(connection).await?;
        prepared(RAISE_FLOOR).bind::<SqlUuid, _>(chat.0).bind::<BigInt, _>(last).execute(connection).await?;
        Ok(wiped.unsigned_abs())
    })
    .await
}
