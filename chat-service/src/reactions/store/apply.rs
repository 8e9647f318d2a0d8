//! Changes of reactions. One statement applies any number of them.

use std::{collections::HashMap, sync::LazyLock};

use diesel::{
    ExpressionMethods as _, QueryDsl as _, QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Bool, Integer, Jsonb, Nullable, SmallInt, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::{
    chat::ChatClass,
    ids::{ChatId, Seq},
};
use uuid::Uuid;

use super::KINDS;
use crate::{
    messages::{
        error::{MessageError, Quantity},
        extra::Reactions,
        store::{attempts::Attempts, lock::lock_chats},
    },
    reactions::model::{MAX_KINDS, MAX_OF_USER, NewReaction, ReactionOutcome, window_s},
    rights::ChatKind,
    schema::chats,
    timeline::model::{Event, StoredEvent},
};

/// How often the changes are tried. Each retry means that another instance has just changed one of the chats, or the reactions of one
/// of the users.
const ATTEMPTS: usize = 5;

/// The outcome of one change.
pub(in crate::reactions) type ReactionResult = Result<ReactionOutcome, MessageError>;

/// How a statement changes reactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::reactions) enum Shape {
    /// Each change is an event. No two changes may concern the same message.
    Events,
    /// The changes are gathered. No two changes may be of the same user and message.
    Gathered,
}

/// Returns the time within which the reactions of each chat are gathered, in seconds, unless each is an event.
pub(in crate::reactions) async fn windows(
    connection: &mut AsyncPgConnection,
    chats: Vec<Uuid>,
) -> QueryResult<HashMap<ChatId, i32>> {
    let rows = chats::table
        .filter(chats::id.eq_any(chats))
        .select((chats::id, chats::kind, chats::class, chats::member_count))
        .load::<(Uuid, String, i16, i32)>(connection)
        .await?;
    let window = |(id, kind, class, members): (Uuid, String, i16, i32)| {
        let class = ChatClass::from_number(class).unwrap_or_default();
        let class = ChatKind::from_name(&kind)?.class(class, members);
        Some((ChatId(id), window_s(class)?))
    };
    Ok(rows.into_iter().filter_map(window).collect())
}

/// Applies changes, or finds earlier ones with their `request_id`s. If the database fails, it applies none. No two of the changes may
/// have the same user and `request_id`.
pub(in crate::reactions) async fn apply(
    connection: &mut AsyncPgConnection,
    shape: Shape,
    changes: &[(&NewReaction, i32)],
) -> QueryResult<Vec<ReactionResult>> {
    let changes: Vec<_> = changes.iter().collect();
    let mut attempts = Attempts::new(changes.len(), ATTEMPTS);
    let mut is_contended = false;
    while attempts.begin() {
        let batch = attempts.pending(&changes);
        let rows = if is_contended {
            let apply_locked = async |connection: &mut AsyncPgConnection| {
                lock_chats(connection, batch.iter().map(|(change, _)| change.chat)).await?;
                statement(connection, shape, &batch).await
            };
            connection.transaction(apply_locked).await
        } else {
            statement(connection, shape, &batch).await
        };
        let Some(rows) = attempts.rows(rows)? else { continue };
        is_contended |= rows.iter().any(|row| row.verdict == STALE);
        let outcome = |position: usize, row: Row| row.outcome(batch[position].0);
        attempts.settle(rows.into_iter().map(|row| (row.n, row)), outcome);
    }
    Ok(attempts.finish())
}

async fn statement(
    connection: &mut AsyncPgConnection,
    shape: Shape,
    changes: &[&(&NewReaction, i32)],
) -> QueryResult<Vec<Row>> {
    let text: &str = match shape {
        Shape::Events => &EVENTS,
        Shape::Gathered => &GATHERED,
    };
    let of = |column: fn(&NewReaction) -> Uuid| changes.iter().map(|(change, _)| column(change)).collect::<Vec<_>>();
    sql_query(text)
        .bind::<Array<SqlUuid>, _>(of(|change| change.chat.0))
        .bind::<Array<SqlUuid>, _>(of(|change| change.user.0))
        .bind::<Array<SqlUuid>, _>(of(|change| change.message.0))
        .bind::<Array<Nullable<SqlUuid>>, _>(
            changes.iter().map(|(change, _)| change.request_id.map(|id| id.0)).collect::<Vec<_>>(),
        )
        .bind::<Array<Text>, _>(changes.iter().map(|(change, _)| change.emoji.as_str()).collect::<Vec<_>>())
        .bind::<Array<Bool>, _>(changes.iter().map(|(change, _)| change.is_on).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(changes.iter().map(|(change, _)| change.digest()).collect::<Vec<_>>())
        .bind::<Array<Integer>, _>(changes.iter().map(|(_, window_s)| *window_s).collect::<Vec<_>>())
        .load(connection)
        .await
}

const DONE: i16 = 0;
const DUPLICATE: i16 = 1;
const MISMATCH: i16 = 2;
const UNCHANGED: i16 = 3;
const GONE: i16 = 4;
const STALE: i16 = 8;
const ROLE: i16 = 9;
const RESTRICTED: i16 = 10;
const TOO_MANY: i16 = 11;
const TOO_MANY_KINDS: i16 = 12;

/// Decides about each change. The rights are those of [`crate::rights`].
///
/// `found` looks the message up by its id alone: with a second condition Postgres may choose an index that reads the whole chat. The
/// number of kinds is exact, unless several instances add kinds to one message of a larger chat at the same moment.
fn judged(lock: &str) -> String {
    format!(
        "WITH change AS MATERIALIZED (
            SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)
                     WITH ORDINALITY AS change (chat_id, user_id, message_id, request_id, emoji, is_on, digest, window_s, n)
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
                                  AND mine.user_id = allowed.user_id AND mine.emoji = allowed.emoji) AS is_there,
                   (SELECT min(free.slot)::smallint FROM generate_series(1, {MAX_OF_USER}) AS free (slot)
                     WHERE free.slot NOT IN (
                           SELECT mine.slot FROM reactions AS mine
                            WHERE mine.chat_id = allowed.chat_id AND mine.message_seq = message.message_seq
                                  AND mine.user_id = allowed.user_id)) AS slot,
                   is_on AND NOT EXISTS (
                       SELECT FROM reactions AS other
                        WHERE other.chat_id = allowed.chat_id AND other.message_seq = message.message_seq
                              AND other.emoji = allowed.emoji) AS is_new_kind
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

/// In small chats. The statement reads what it changes before it holds the lock of the chat. So it also reads `event_count` before,
/// and compares it under the lock, as the statement of edits does: the count of reactions includes all that were committed before.
static EVENTS: LazyLock<String> = LazyLock::new(|| {
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
            DELETE FROM reactions AS reaction USING placed
             WHERE NOT is_on AND reaction.chat_id = placed.chat_id AND reaction.message_seq = placed.message_seq
                   AND reaction.user_id = placed.user_id AND reaction.emoji = placed.emoji
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
        judged("")
    )
});

/// In larger chats. The statement does not lock the chat, only the members: nobody who is removed reacts afterwards. The lock does not
/// keep them from sending meanwhile. Two reactions of a user at the same time get the same slot, so one of them fails and is tried
/// again.
///
/// The rows and the row of `reactions_due` become visible together. See [`gather`](super::gather) for what follows.
static GATHERED: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{}, applied AS MATERIALIZED (
            SELECT target.*, now + n * interval '1 us' AS at
              FROM target, (SELECT clock_timestamp() AS now) AS moment WHERE verdict = {DONE}
        ), inserted AS (
            INSERT INTO reactions (chat_id, message_seq, user_id, emoji, slot, at)
            SELECT chat_id, message_seq, user_id, emoji, slot, at FROM applied WHERE is_on
        ), deleted AS (
            DELETE FROM reactions AS reaction USING applied
             WHERE NOT is_on AND reaction.chat_id = applied.chat_id AND reaction.message_seq = applied.message_seq
                   AND reaction.user_id = applied.user_id AND reaction.emoji = applied.emoji
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
        judged("FOR KEY SHARE OF member")
    )
});

#[derive(QueryableByName)]
struct Row {
    /// The position of the change in the statement, from 1.
    #[diesel(sql_type = BigInt)]
    n: i64,
    #[diesel(sql_type = SmallInt)]
    verdict: i16,
    #[diesel(sql_type = Nullable<BigInt>)]
    seq: Option<Seq>,
    #[diesel(sql_type = Nullable<Text>)]
    chat_kind: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    message_seq: Option<Seq>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    reactions: Option<Reactions>,
}

impl Row {
    /// Returns the outcome; `None` if the change must be tried again.
    fn outcome(self, new: &NewReaction) -> Option<ReactionResult> {
        Some(match (self.verdict, self.seq) {
            (DONE, None) => Ok(ReactionOutcome::Gathered),
            (DONE, Some(seq)) => {
                let event = self.event(new, seq).map(Box::new);
                event.map(ReactionOutcome::Applied).ok_or(MessageError::UnknownVerdict(DONE))
            }
            (DUPLICATE, seq) => Ok(ReactionOutcome::Duplicate(seq)),
            (MISMATCH, _) => Err(MessageError::IdempotencyMismatch),
            (UNCHANGED, _) => Ok(ReactionOutcome::Unchanged),
            (GONE, _) => Err(MessageError::NoSuchMessage),
            (ROLE, _) => Err(MessageError::Role),
            (RESTRICTED, _) => Err(MessageError::Restricted),
            (TOO_MANY, _) => Err(MessageError::LimitReached(Quantity::Reactions, MAX_OF_USER)),
            (TOO_MANY_KINDS, _) => Err(MessageError::LimitReached(Quantity::ReactionKinds, MAX_KINDS)),
            (STALE, _) => return None,
            (verdict, _) => Err(MessageError::UnknownVerdict(verdict)),
        })
    }

    fn event(self, new: &NewReaction, seq: Seq) -> Option<StoredEvent> {
        let event = Event::reactions(new.chat, seq, (new.message, self.message_seq?), self.reactions.into());
        let chat_kind = self.chat_kind.as_deref().and_then(ChatKind::from_name);
        Some(StoredEvent { actor: new.user, request_id: new.request_id, chat_kind, event })
    }
}
