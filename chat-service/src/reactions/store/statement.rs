//! The statement that changes reactions.

use std::sync::LazyLock;

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Array, BigInt, Bool, Integer, Jsonb, Nullable, SmallInt, Text, Uuid as SqlUuid},
};
use uuid::Uuid;

use super::KINDS;
use crate::reactions::model::{MAX_KINDS, MAX_OF_USER, NewReaction};

/// One statement, so one transaction and one round trip. The changes are passed as arrays, one for each column. It is gathered, or each
/// change is an event.
pub(super) struct ApplyReactions<const GATHERED: bool> {
    chats: Vec<Uuid>,
    users: Vec<Uuid>,
    messages: Vec<Uuid>,
    request_ids: Vec<Option<Uuid>>,
    emoji: Vec<&'static str>,
    on: Vec<bool>,
    digests: Vec<i64>,
    windows_s: Vec<i32>,
}

impl<const GATHERED: bool> ApplyReactions<GATHERED> {
    pub(super) fn new(changes: &[&(&NewReaction, i32)]) -> Self {
        fn column<T>(changes: &[&(&NewReaction, i32)], of: impl Fn(&NewReaction) -> T) -> Vec<T> {
            changes.iter().map(|(change, _)| of(change)).collect()
        }
        Self {
            chats: column(changes, |change| change.chat.0),
            users: column(changes, |change| change.user.0),
            messages: column(changes, |change| change.message.0),
            request_ids: column(changes, |change| change.request_id.map(|id| id.0)),
            emoji: column(changes, |change| change.emoji.as_str()),
            on: column(changes, |change| change.is_on),
            digests: column(changes, NewReaction::digest),
            windows_s: changes.iter().map(|(_, window_s)| *window_s).collect(),
        }
    }
}

impl<const GATHERED: bool> QueryFragment<Pg> for ApplyReactions<GATHERED> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH change AS MATERIALIZED (SELECT * FROM unnest(");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.chats)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.users)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.messages)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<SqlUuid>>, _>(&self.request_ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.emoji)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Bool>, _>(&self.on)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.digests)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Integer>, _>(&self.windows_s)?;
        out.push_sql(if GATHERED { &GATHERED_REST } else { &EVENTS_REST });
        Ok(())
    }
}

impl<const GATHERED: bool> QueryId for ApplyReactions<GATHERED> {
    type QueryId = Self;
}

impl<const GATHERED: bool> Query for ApplyReactions<GATHERED> {
    type SqlType = (BigInt, SmallInt, Nullable<BigInt>, Nullable<Text>, Nullable<BigInt>, Nullable<Jsonb>);
}

pub(super) const DONE: i16 = 0;
pub(super) const DUPLICATE: i16 = 1;
pub(super) const MISMATCH: i16 = 2;
pub(super) const UNCHANGED: i16 = 3;
pub(super) const GONE: i16 = 4;
pub(super) const STALE: i16 = 8;
pub(super) const ROLE: i16 = 9;
pub(super) const RESTRICTED: i16 = 10;
pub(super) const TOO_MANY: i16 = 11;
pub(super) const TOO_MANY_KINDS: i16 = 12;

/// The part of the statement after the arrays, which decides about each change. The rights are those of [`crate::rights`].
///
/// `found` looks the message up by its id alone: with a second condition Postgres may choose an index that reads the whole chat. An
/// `ORDER BY` of at most three rows has it choose the index in which they are neighbours. Without statistics of the new table it may choose
/// the other one, which reads all reactions to the message. The number of kinds is exact, unless several instances add kinds to one message of a larger chat at the same moment.
fn judged(lock: &str) -> String {
    format!(
        ") WITH ORDINALITY AS change (chat_id, user_id, message_id, request_id, emoji, is_on, digest, window_s, n)
        ), allowed AS MATERIALIZED (
            SELECT change.*, access.*
              FROM change, LATERAL (
                   SELECT chats.kind AS chat_kind, event_count AS version, access_version AS allowed_version, from_seq,
                          CASE WHEN restricted_until > now() THEN {RESTRICTED} WHEN role < react_role THEN {ROLE} END
                          AS refusal
                     FROM chat_members AS member, chats
                    WHERE member.chat_id = change.chat_id AND member.user_id = change.user_id
                          AND chats.id = change.chat_id AND NOT is_closed
                   OFFSET 0 {lock}
              ) AS access
        ), seen AS MATERIALIZED (
            SELECT n, earlier.seq, is_same
              FROM change, LATERAL (
                   SELECT seq, kind = 3 AND body->>'digest' = change.digest::text AS is_same
                     FROM chat_events AS event
                    WHERE event.actor_id = change.user_id AND event.request_id = change.request_id
                   UNION ALL
                   SELECT NULL, request.digest = change.digest
                     FROM reaction_requests AS request
                    WHERE request.user_id = change.user_id AND request.request_id = change.request_id
                   LIMIT 1
              ) AS earlier
        ), found AS MATERIALIZED (
            SELECT allowed.*, message_seq,
                   EXISTS (SELECT FROM reactions AS mine
                            WHERE mine.chat_id = allowed.chat_id AND mine.message_seq = message.message_seq
                                  AND mine.user_id = allowed.user_id AND mine.emoji = allowed.emoji
                            ORDER BY mine.slot OFFSET 0) AS is_there,
                   (SELECT min(free.slot)::smallint FROM generate_series(1, {MAX_OF_USER}) AS free (slot)
                     WHERE free.slot NOT IN (
                           SELECT mine.slot FROM reactions AS mine
                            WHERE mine.chat_id = allowed.chat_id AND mine.message_seq = message.message_seq
                                  AND mine.user_id = allowed.user_id
                            ORDER BY mine.slot)) AS slot,
                   is_on AND NOT EXISTS (
                       SELECT FROM reactions AS other
                        WHERE other.chat_id = allowed.chat_id AND other.message_seq = message.message_seq
                              AND other.emoji = allowed.emoji
                        ORDER BY other.at OFFSET 0) AS is_new_kind
              FROM allowed, LATERAL (
                   SELECT seq AS message_seq, chat_id AS found_in, deleted_at, expires_at
                     FROM messages WHERE messages.id = allowed.message_id
                   OFFSET 0
              ) AS message
             WHERE found_in = allowed.chat_id AND message_seq > from_seq AND deleted_at IS NULL
                   AND (expires_at IS NULL OR expires_at > now()) AND n NOT IN (SELECT n FROM seen)
        ), kinds AS MATERIALIZED (
            SELECT chat_id, message_seq, (SELECT count(*) FROM ({KINDS}) AS kind) AS kinds
              FROM (SELECT DISTINCT chat_id, message_seq FROM found WHERE is_new_kind) AS target
        ), target AS MATERIALIZED (
            SELECT found.*,
                   CASE WHEN refusal IS NOT NULL THEN refusal
                        WHEN is_there = is_on THEN {UNCHANGED}
                        WHEN is_on AND slot IS NULL THEN {TOO_MANY}
                        WHEN is_new_kind AND kinds + dense_rank() OVER (
                             PARTITION BY chat_id, message_seq, is_new_kind AND refusal IS NULL AND slot IS NOT NULL
                             ORDER BY emoji) > {MAX_KINDS} THEN {TOO_MANY_KINDS}
                        ELSE {DONE}
                   END::smallint AS verdict
              FROM found LEFT JOIN kinds USING (chat_id, message_seq)
        )"
    )
}

/// The rows of the reactions that are taken back, each by a look-up: a join may read the whole table.
fn removed(changes: &str) -> String {
    format!(
        "SELECT removed.ctid
           FROM {changes} AS change, LATERAL (
                SELECT ctid FROM reactions AS mine
                 WHERE mine.chat_id = change.chat_id AND mine.message_seq = change.message_seq
                       AND mine.user_id = change.user_id AND mine.emoji = change.emoji
                 ORDER BY mine.slot OFFSET 0
           ) AS removed
          WHERE NOT is_on"
    )
}

/// In small chats. The statement reads what it changes before it holds the lock of the chat. So it also reads `event_count` before,
/// and compares it under the lock, as the statement of edits does: the count of reactions includes all that were committed before.
static EVENTS_REST: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{}, chat AS MATERIALIZED (
            SELECT id, last_seq, last_event_at, event_count, access_version FROM chats
             WHERE id = ANY (ARRAY(SELECT chat_id FROM target WHERE verdict = {DONE}))
             ORDER BY id
               FOR NO KEY UPDATE
        ), moment AS MATERIALIZED (
            SELECT clock_timestamp() AS now FROM (SELECT count(*) FROM chat) AS locked
        ), placed AS MATERIALIZED (
            SELECT fresh.*, last_seq + place AS seq, event_count + place AS event_n,
                   greatest(now, last_event_at + interval '1 us') + (place - 1) * interval '1 us' AS at,
                   place = max(place) OVER (PARTITION BY chat_id) AS is_last
              FROM moment, chat, (
                   SELECT target.*, row_number() OVER (PARTITION BY chat_id ORDER BY n) AS place
                     FROM target WHERE verdict = {DONE}
              ) AS fresh
             WHERE chat.id = chat_id AND event_count = version AND access_version = allowed_version
        ), inserted AS (
            INSERT INTO reactions (chat_id, message_seq, user_id, emoji, slot, at)
            SELECT chat_id, message_seq, user_id, emoji, slot, at FROM placed WHERE is_on
        ), deleted AS (
            DELETE FROM reactions WHERE ctid = ANY (ARRAY({}))
        -- The rows as they are after this statement, which does not see its own changes.
        ), present AS MATERIALIZED (
            SELECT n, reaction.*
              FROM placed, LATERAL (
                   SELECT user_id, emoji, at FROM reactions AS reaction
                    WHERE reaction.chat_id = placed.chat_id AND reaction.message_seq = placed.message_seq
                   OFFSET 0
              ) AS reaction
             WHERE is_on OR reaction.user_id <> placed.user_id OR reaction.emoji <> placed.emoji
             UNION ALL
            SELECT n, user_id, emoji, at FROM placed WHERE is_on
        ), counted AS MATERIALIZED (
            SELECT n, jsonb_agg(jsonb_build_object('emoji', emoji, 'count', count, 'recent', recent) ORDER BY since, emoji)
                      AS reactions
              FROM (SELECT n, emoji, count(*) AS count, min(at) AS since,
                           to_jsonb((array_agg(user_id ORDER BY at DESC, user_id DESC))[1:3]) AS recent
                      FROM present GROUP BY n, emoji) AS kind
             GROUP BY n
        ), summarized AS (
            UPDATE messages SET reactions = counted.reactions
              FROM placed LEFT JOIN counted USING (n)
             WHERE messages.id = placed.message_id
        ), stored AS (
            INSERT INTO chat_events (chat_id, seq, n, kind, actor_id, request_id, target_seq, body, created_at)
            SELECT chat_id, seq, event_n, 3, user_id, request_id, message_seq, jsonb_build_object('digest', digest), at
              FROM placed
        ), moved_on AS (
            UPDATE chats SET last_seq = seq, last_event_at = at, event_count = event_n, event_seq = seq
              FROM placed WHERE chats.id = placed.chat_id AND is_last
        )
        SELECT n, {DONE}::smallint AS verdict, seq, chat_kind, message_seq, reactions
          FROM placed LEFT JOIN counted USING (n)
        UNION ALL
        SELECT n, CASE WHEN is_same THEN {DUPLICATE} ELSE {MISMATCH} END::smallint, seq, NULL, NULL, NULL FROM seen
        UNION ALL
        SELECT allowed.n, CASE verdict WHEN {DONE} THEN {STALE} ELSE coalesce(verdict, {GONE}) END::smallint,
               NULL, NULL, NULL, NULL
          FROM allowed LEFT JOIN target USING (n)
         WHERE allowed.n NOT IN (SELECT n FROM seen) AND allowed.n NOT IN (SELECT n FROM placed)",
        judged(""),
        removed("placed")
    )
});

/// In larger chats. The statement does not lock the chat, only the members: nobody who is removed reacts afterwards. The lock does not
/// keep them from sending meanwhile. Two reactions of a user at the same time get the same slot, so one of them fails and is tried
/// again.
///
/// The rows and the row of `reactions_due` become visible together. See [`gather`](super::gather) for what follows.
static GATHERED_REST: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{}, applied AS MATERIALIZED (
            SELECT target.*, now + n * interval '1 us' AS at
              FROM target, (SELECT clock_timestamp() AS now) AS moment WHERE verdict = {DONE}
        ), inserted AS (
            INSERT INTO reactions (chat_id, message_seq, user_id, emoji, slot, at)
            SELECT chat_id, message_seq, user_id, emoji, slot, at FROM applied WHERE is_on
        ), deleted AS (
            DELETE FROM reactions WHERE ctid = ANY (ARRAY({}))
        ), noted AS (
            INSERT INTO reaction_requests (user_id, request_id, digest)
            SELECT user_id, request_id, digest FROM applied WHERE request_id IS NOT NULL
        ), due AS (
            INSERT INTO reactions_due (chat_id, message_seq, due_at)
            SELECT chat_id, message_seq, min(at) + min(window_s) * interval '1 s' FROM applied GROUP BY 1, 2
        )
        SELECT n, CASE WHEN is_same THEN {DUPLICATE} ELSE {MISMATCH} END::smallint AS verdict, seq,
               NULL::text AS chat_kind, NULL::bigint AS message_seq, NULL::jsonb AS reactions
          FROM seen
        UNION ALL
        SELECT allowed.n, coalesce(verdict, {GONE})::smallint, NULL, NULL, NULL, NULL
          FROM allowed LEFT JOIN target USING (n)
         WHERE allowed.n NOT IN (SELECT n FROM seen)",
        judged("FOR KEY SHARE OF member"),
        removed("applied")
    )
});
