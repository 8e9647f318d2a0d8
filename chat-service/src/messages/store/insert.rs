//! Storing messages: the hot path. One statement stores any number of them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, Queryable,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Array, BigInt, Jsonb, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::{MessageId, Seq};
use uuid::Uuid;

use super::{
    attempts::Attempts,
    lock::lock_chats,
    rich::{LAST_OF_SENDERS, LAST_OF_SENDERS_WITH_SLOW_MODE, READ_UNLESS_PASSIVE, RichColumns},
};
use crate::{
    messages::{
        error::MessageError,
        extra::Extra,
        model::{IS_GONE, NewMessage, StoreOutcome, StoredAt},
    },
    rights::ChatKind,
};

/// How often a message is tried. Each retry means that another statement has just stored a message with the same `request_id`,
/// that a right was taken away in the chat while this statement waited for it, or that the message needs another shape.
const ATTEMPTS: usize = 7;

/// The shape of [`InsertMessages`].
#[derive(Clone, Copy, Default)]
struct Shape {
    is_limited: bool,
    is_rich: bool,
}

/// The outcome of one message.
pub(in crate::messages) type StoreResult = Result<StoreOutcome, MessageError>;

/// Stores messages, or finds the stored ones with their `request_id`s. If the database fails at the first attempt, it stores
/// none. No two of the messages may have the same sender and `request_id`. `large_chat_rate` is the most messages of a large
/// chat in a second; 0 is no limit.
pub(in crate::messages) async fn insert_batch(
    connection: &mut AsyncPgConnection,
    messages: &[&NewMessage],
    large_chat_rate: u32,
) -> QueryResult<Vec<StoreResult>> {
    let mut attempts = Attempts::new(messages.len(), ATTEMPTS);
    let is_rich =
        messages.iter().any(|message| message.given.is_some() || message.rich.is_some() || message.is_passive);
    let (mut shape, mut is_contended) = (Shape { is_rich, ..Shape::default() }, false);
    while attempts.begin() {
        let batch = attempts.pending(messages);
        let rows = if is_contended {
            let insert_locked = async |connection: &mut AsyncPgConnection| {
                lock_chats(connection, batch.iter().map(|message| message.chat)).await?;
                insert(connection, &batch, shape, large_chat_rate).await
            };
            connection.transaction(insert_locked).await
        } else {
            insert(connection, &batch, shape, large_chat_rate).await
        };
        let Some(mut rows) = attempts.rows(rows)? else { continue };
        // A repetition is answered as the first time, also if the sender may not send any more.
        rows.sort_by_key(|row| (row.n, row.seq.is_none()));
        rows.dedup_by_key(|row| row.n);
        for row in &rows {
            match row.state {
                HAS_LIMIT => shape.is_limited = true,
                EXPIRES => shape.is_rich = true,
                STALE => is_contended = true,
                _ => {}
            }
        }
        attempts.settle(rows.into_iter().map(|row| (row.n, row)), |position, row| row.outcome(batch[position]));
    }
    Ok(attempts.finish())
}

async fn insert(
    connection: &mut AsyncPgConnection,
    batch: &[&NewMessage],
    shape: Shape,
    large_chat_rate: u32,
) -> QueryResult<Vec<Row>> {
    // `load` reads the answer to its end. The rows arrive before the commit, so reading only some of them would take a failed
    // commit for a successful one.
    match shape {
        Shape { is_limited: false, is_rich: false } => {
            InsertMessages::<false, false>::new(batch, large_chat_rate).load(connection).await
        }
        Shape { is_limited: false, is_rich: true } => {
            InsertMessages::<false, true>::new(batch, large_chat_rate).load(connection).await
        }
        Shape { is_limited: true, is_rich: false } => {
            InsertMessages::<true, false>::new(batch, large_chat_rate).load(connection).await
        }
        Shape { is_limited: true, is_rich: true } => {
            InsertMessages::<true, true>::new(batch, large_chat_rate).load(connection).await
        }
    }
}

/// One statement, so one transaction and one round trip. The messages are passed as arrays, one for each column, so that the
/// statement is the same for any number of them.
///
/// The order of its parts stores a message once, and numbers the events of a chat in the order of commits, without gaps.
/// First it decides who may send, without a lock. Then it locks the rows of the chats, in the order of their ids, so that two
/// statements cannot deadlock. This serializes the writers of a chat: each reads `last_seq` as its
/// predecessor left it. A message gets a number only if its `request_id` is not stored already, so a duplicate gets none. The
/// statement reads the clock when it holds all locks. If the clock went back, it uses the last event's
/// time plus a microsecond.
///
/// A right may be taken away after it was read and before the chat is locked. Every such change raises `access_version`, which
/// `request` reads with the right and `placed` compares under the lock. Messages that were allowed under another version get no
/// number and the state [`STALE`]: see [`insert_batch`]. All messages of a chat were allowed under one version, so its numbers
/// have no gap.
///
/// `seen` has what was committed when the statement began, also for senders who may not send any more: a repetition is
/// answered as the first time. The unique index catches a message with the same
/// `request_id` that was committed while this statement waited for a lock: see [`insert_batch`].
///
/// A message that was edited or deleted since it was sent, or has disappeared, has other content. A repetition of it is recognized by
/// its `request_id` and chat alone. A scheduled message is no repetition of one that was sent at once.
///
/// The statement has parts that only some messages need, because the time of a short statement grows with the number of its parts.
///
/// Without `LIMITED` it stores no message that slow mode or the rate of a large chat may refuse: it gives it the state [`HAS_LIMIT`],
/// and the limited one decides. All messages of a member in a chat take the same way, so they keep their order.
///
/// With `RICH` it stores what messages have beside their texts, and when they disappear. Without it, a message of a chat whose messages
/// disappear gets the state [`EXPIRES`]. The time to live can change before the chat is locked: such a change raises `access_version`
/// too.
///
/// `OFFSET 0` makes Postgres look up the rows one by one through their index, whatever its statistics say about the
/// size of a new table. `LIMIT 1` says besides that there is at most one row. Otherwise it makes a bitmap for each row of a table that it
/// has no statistics of yet, at six times the cost.
struct InsertMessages<'a, const LIMITED: bool, const RICH: bool> {
    chats: Vec<Uuid>,
    senders: Vec<Uuid>,
    request_ids: Vec<Uuid>,
    ids: Vec<Uuid>,
    texts: Vec<&'a str>,
    rich: RichColumns,
    large_chat_rate: i64,
}

impl<'a, const LIMITED: bool, const RICH: bool> InsertMessages<'a, LIMITED, RICH> {
    fn new(batch: &[&'a NewMessage], large_chat_rate: u32) -> Self {
        let messages = batch.iter();
        Self {
            chats: messages.clone().map(|message| message.chat.0).collect(),
            senders: messages.clone().map(|message| message.sender.0).collect(),
            request_ids: messages.clone().map(|message| message.request_id.0).collect(),
            ids: messages.clone().map(|_| MessageId::new().0).collect(),
            texts: messages.map(|message| message.text.as_str()).collect(),
            rich: if RICH { RichColumns::new(batch) } else { RichColumns::default() },
            large_chat_rate: large_chat_rate.into(),
        }
    }

    /// The parts of the limited shape.
    ///
    /// `slow` locks the member's row after the chat's and reads the newest `sent_at`, so slow mode holds between instances
    /// too. Of several messages of one member in a batch, it refuses all but the first: to wait would keep the whole batch
    /// waiting.
    ///
    /// `recent` counts the messages of the last second among the last events of a chat. The numbers have no gap, so these are
    /// a short range of an index. Events that were committed while the statement waited for the lock are not in it, but
    /// between `known_seq` and `last_seq`. `crowded` refuses the last messages of a large chat, so the places of the others
    /// remain.
    fn push_limits<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "
            ), slow AS MATERIALIZED (
                SELECT n, CASE WHEN wait > interval '0' THEN wait ELSE slow_s * interval '1 s' END AS wait
                  FROM (SELECT n, slow_s, wait, row_number() OVER (PARTITION BY chat_id, sender_id ORDER BY n) AS place
                          FROM moment, request, LATERAL (
                               SELECT sent_at + slow_s * interval '1 s' - now AS wait FROM chat_members AS member
                                WHERE member.chat_id = request.chat_id AND user_id = sender_id
                               OFFSET 0
                                  FOR NO KEY UPDATE
                          ) AS last
                         WHERE slow_s > 0 AND verdict = 0 AND n NOT IN (SELECT n FROM seen)) AS candidate
                 WHERE wait > interval '0' OR place > 1
            ), recent AS MATERIALIZED (
                SELECT id AS chat_id, last_seq, oldest.* FROM moment, chat, LATERAL (
                       SELECT count(*) AS sent, min(created_at) + interval '1 s' - now AS wait FROM messages
                        WHERE messages.chat_id = chat.id AND seq > last_seq - ",
        );
        out.push_bind_param::<BigInt, _>(&self.large_chat_rate)?;
        out.push_sql(
            " AND created_at > now - interval '1 s'
                       OFFSET 0
                  ) AS oldest
            ), crowded AS MATERIALIZED (
                SELECT n, coalesce(wait, interval '1 s') AS wait
                  FROM (SELECT n, chat_id, known_seq, row_number() OVER (PARTITION BY chat_id ORDER BY n) AS place
                          FROM request
                         WHERE is_counted AND verdict = 0
                               AND n NOT IN (SELECT n FROM seen) AND n NOT IN (SELECT n FROM slow)) AS candidate
                  JOIN recent USING (chat_id)
                 WHERE place + sent + last_seq - known_seq > ",
        );
        out.push_bind_param::<BigInt, _>(&self.large_chat_rate)
    }
}

const STORED: i16 = 0;
const DUPLICATE: i16 = 1;
/// A duplicate whose message was edited or deleted since.
const CHANGED: i16 = 2;
/// A duplicate whose sender is no longer a member.
const FORMER_MEMBER: i16 = 3;
const MISMATCH: i16 = 4;
const ROLE: i16 = 5;
const RESTRICTED: i16 = 6;
const SLOW_MODE: i16 = 7;
const STALE: i16 = 8;
/// Only the limited shape can decide.
const HAS_LIMIT: i16 = 9;
const TOO_MANY: i16 = 10;
/// Only the rich shape can store it.
const EXPIRES: i16 = 11;

impl<const LIMITED: bool, const RICH: bool> QueryFragment<Pg> for InsertMessages<'_, LIMITED, RICH> {
    #[expect(clippy::too_many_lines, reason = "it is one statement")]
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH request AS MATERIALIZED (SELECT request.*, access.* FROM unnest(");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.chats)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.senders)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.request_ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.texts)?;
        if RICH {
            self.rich.push_arrays(&mut out)?;
        }
        out.push_sql(") WITH ORDINALITY AS request (chat_id, sender_id, request_id, id, text");
        if RICH {
            out.push_sql(", extra, extra_digest, reply_seq, is_passive");
        }
        out.push_sql(
            ", n)
                  LEFT JOIN LATERAL (
                       SELECT kind, access_version AS version,
                              CASE WHEN restricted_until > now() THEN 6
                                   WHEN role < send_role THEN 5",
        );
        if !RICH {
            out.push_sql(" WHEN ttl_s > 0 THEN 11");
        }
        if LIMITED {
            out.push_sql(" ELSE 0 END AS verdict, CASE role WHEN 1 THEN slow_s ELSE 0 END AS slow_s, class = 2 AND ");
            out.push_bind_param::<BigInt, _>(&self.large_chat_rate)?;
            out.push_sql(" > 0 AS is_counted, last_seq AS known_seq");
        } else {
            out.push_sql(" WHEN slow_s > 0 AND role = 1 OR class = 2 AND ");
            out.push_bind_param::<BigInt, _>(&self.large_chat_rate)?;
            out.push_sql(" > 0 THEN 9 ELSE 0 END AS verdict");
        }
        out.push_sql(
            "
                         FROM chat_members AS member, chats
                        WHERE member.chat_id = request.chat_id AND user_id = sender_id
                              AND chats.id = request.chat_id AND NOT is_closed
                       OFFSET 0
                  ) AS access ON TRUE
            ), chat AS MATERIALIZED (
                SELECT id, last_seq, last_event_at, access_version, ttl_s FROM chats
                 WHERE id = ANY (ARRAY(SELECT chat_id FROM request WHERE verdict = 0))
                 ORDER BY id
                   FOR NO KEY UPDATE
            ), moment AS MATERIALIZED (
                SELECT clock_timestamp() AS now FROM (SELECT count(*) FROM chat) AS locked
            ), seen AS MATERIALIZED (
                SELECT n, kind, stored.*
                  FROM request, LATERAL (
                       SELECT message.id, seq, created_at, is_changed,
                              CASE WHEN is_gone THEN NULL ELSE message.extra END AS extra,
                              CASE WHEN is_gone THEN NULL ELSE expires_at END AS expires_at,
                              message.chat_id = request.chat_id
                              AND (is_changed OR message.text = request.text AND message.extra_digest ",
        );
        out.push_sql(if RICH { "IS NOT DISTINCT FROM request.extra_digest" } else { "IS NULL" });
        out.push_sql(
            " AND EXISTS (SELECT FROM passive_messages AS passive
                                                WHERE passive.chat_id = message.chat_id AND user_id = message.sender_id
                                                      AND passive.seq = message.seq) = ",
        );
        out.push_sql(if RICH { "request.is_passive" } else { "FALSE" });
        out.push_sql(") AS is_same FROM messages AS message, LATERAL (SELECT ");
        out.push_sql(IS_GONE);
        out.push_sql(
            " IS TRUE AS is_gone) AS state, LATERAL (SELECT is_gone OR changed_seq IS NOT NULL AS is_changed) AS change
                        WHERE message.sender_id = request.sender_id AND message.request_id = request.request_id
                       LIMIT 1
                  ) AS stored",
        );
        if LIMITED {
            self.push_limits(&mut out)?;
        }
        out.push_sql(
            "
            ), placed AS MATERIALIZED (
                SELECT n, fresh.id, chat_id, last_seq + place AS seq, sender_id, request_id, text, kind",
        );
        if LIMITED {
            out.push_sql(", slow_s");
        }
        if RICH {
            out.push_sql(
                ", extra, extra_digest, reply_seq, is_passive,
                       CASE WHEN ttl_s > 0 THEN now + ttl_s * interval '1 s' END AS expires_at",
            );
        }
        out.push_sql(
            ", is_last, is_last_of_sender, access_version <> version AS is_stale,
                       greatest(now, last_event_at + interval '1 us') + (place - 1) * interval '1 us' AS at
                  FROM moment, chat, (
                       SELECT *, row_number() OVER chat AS place, lead(n) OVER chat IS NULL AS is_last,
                              lead(n) OVER (PARTITION BY chat_id, sender_id ORDER BY n) IS NULL AS is_last_of_sender
                         FROM request
                        WHERE verdict = 0 AND n NOT IN (SELECT n FROM seen)",
        );
        if LIMITED {
            out.push_sql(" AND n NOT IN (SELECT n FROM slow) AND n NOT IN (SELECT n FROM crowded)");
        }
        out.push_sql(
            "
                       WINDOW chat AS (PARTITION BY chat_id ORDER BY n)
                  ) AS fresh
                 WHERE chat.id = chat_id
            ), stored AS (
                INSERT INTO messages (id, chat_id, seq, sender_id, request_id, text, created_at, updated_at",
        );
        out.push_sql(if RICH { ", extra, extra_digest, expires_at)" } else { ")" });
        out.push_sql("SELECT id, chat_id, seq, sender_id, request_id, text, at, at");
        if RICH {
            out.push_sql(", extra::jsonb, extra_digest, expires_at");
        }
        out.push_sql(
            " FROM placed WHERE NOT is_stale
            ), moved_on AS (
                UPDATE chats
                   SET last_seq = seq, last_event_at = at, updated_at = at",
        );
        if RICH {
            self.rich.push_last_mention_of_all(&mut out)?;
        }
        out.push_sql(
            "
                  FROM placed
                 WHERE chats.id = chat_id AND is_last AND NOT is_stale
            ), read_by_sender AS (
                UPDATE chat_members AS member SET ",
        );
        out.push_sql(if RICH { READ_UNLESS_PASSIVE } else { "read_seq = greatest(read_seq, seq)" });
        if LIMITED {
            out.push_sql(", sent_at = CASE WHEN slow_s > 0 THEN at ELSE sent_at END");
        }
        out.push_sql(match (RICH, LIMITED) {
            (true, true) => LAST_OF_SENDERS_WITH_SLOW_MODE,
            (true, false) => LAST_OF_SENDERS,
            (false, _) => " FROM placed WHERE is_last_of_sender AND NOT is_stale",
        });
        out.push_sql(" AND member.chat_id = placed.chat_id AND user_id = sender_id");
        if RICH {
            self.rich.push_side_tables(&mut out)?;
        }
        out.push_sql(
            "
            )
            SELECT n, CASE WHEN is_stale THEN 8 ELSE 0 END::smallint, kind, id, seq, at, NULL::bigint, NULL::jsonb, ",
        );
        out.push_sql(if RICH { "expires_at" } else { "NULL::timestamptz" });
        out.push_sql(
            " FROM placed
            UNION ALL
            SELECT n, CASE WHEN kind IS NULL THEN 3 WHEN NOT is_same THEN 4 WHEN is_changed THEN 2 ELSE 1 END::smallint,
                   kind, id, seq, created_at, NULL, extra, expires_at
              FROM seen
             WHERE kind IS NOT NULL OR is_same
            UNION ALL
            SELECT n, verdict::smallint, kind, id, NULL, NULL, NULL, NULL, NULL
              FROM request
             WHERE verdict > 0",
        );
        if LIMITED {
            out.push_sql(
                "
            UNION ALL
            SELECT n, state, NULL, NULL, NULL, NULL, ceil(extract(epoch FROM wait) * 1000)::bigint, NULL, NULL
              FROM (SELECT n, 7::smallint AS state, wait FROM slow
                     UNION ALL SELECT n, 10::smallint, wait FROM crowded) AS refused",
            );
        }
        Ok(())
    }
}

impl<const LIMITED: bool, const RICH: bool> QueryId for InsertMessages<'_, LIMITED, RICH> {
    type QueryId = InsertMessages<'static, LIMITED, RICH>;
}

impl<const LIMITED: bool, const RICH: bool> Query for InsertMessages<'_, LIMITED, RICH> {
    type SqlType = (
        BigInt,
        SmallInt,
        Nullable<Text>,
        Nullable<SqlUuid>,
        Nullable<BigInt>,
        Nullable<Timestamptz>,
        Nullable<BigInt>,
        Nullable<Jsonb>,
        Nullable<Timestamptz>,
    );
}

#[derive(Queryable)]
struct Row {
    /// The position of the message in the statement, from 1.
    n: i64,
    state: i16,
    /// The type of the chat; `None` if the sender is no longer a member.
    kind: Option<String>,
    id: Option<Uuid>,
    seq: Option<Seq>,
    created_at: Option<DateTime<Utc>>,
    /// If a limit refuses the message, how long the sender has to wait.
    wait_ms: Option<i64>,
    /// What a message that was stored before has beside its text.
    extra: Option<Extra>,
    expires_at: Option<DateTime<Utc>>,
}

impl Row {
    /// Returns the outcome; `None` if the message must be tried again.
    fn outcome(self, sent: &NewMessage) -> Option<StoreResult> {
        let wait = self.wait_ms.and_then(|ms| u64::try_from(ms).ok()).map_or(Duration::ZERO, Duration::from_millis);
        let state = self.state;
        Some(match (state, self.stored()) {
            (STORED, Some(stored)) => {
                let extra = sent.rich.as_deref().map(|rich| Box::new(rich.extra.clone()));
                Ok(StoreOutcome::Stored(StoredAt { extra, ..stored }))
            }
            (DUPLICATE | CHANGED | FORMER_MEMBER, Some(stored)) => Ok(StoreOutcome::Duplicate(stored)),
            (MISMATCH, _) => Err(MessageError::IdempotencyMismatch),
            (ROLE, _) => Err(MessageError::Role),
            (RESTRICTED, _) => Err(MessageError::Restricted),
            (SLOW_MODE, _) => Err(MessageError::SlowMode { wait }),
            (TOO_MANY, _) => Err(MessageError::TooManyMessages { wait }),
            (STALE | HAS_LIMIT | EXPIRES, _) => return None,
            (state, _) => Err(MessageError::UnknownVerdict(state)),
        })
    }

    fn stored(self) -> Option<StoredAt> {
        Some(StoredAt {
            id: MessageId(self.id?),
            seq: self.seq?,
            created_at: self.created_at?,
            kind: self.kind.as_deref().and_then(ChatKind::from_name),
            is_changed: self.state == CHANGED,
            extra: self.extra.map(Box::new),
            expires_at: self.expires_at,
        })
    }
}
