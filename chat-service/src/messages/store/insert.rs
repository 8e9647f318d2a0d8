//! Storing messages: the hot path. One statement stores any number of them.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, Queryable,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    result::{DatabaseErrorKind, Error as QueryError},
    sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::MessageId;
use uuid::Uuid;

use crate::messages::{
    error::MessageError,
    model::{NewMessage, StoreOutcome, StoredAt},
};

/// How often the same batch is tried. Each retry means that another statement has just stored one of its messages.
const ATTEMPTS: usize = 3;

/// The outcome of one message.
pub(in crate::messages) type StoreResult = Result<StoreOutcome, MessageError>;

/// Stores messages, or finds the stored ones with their `request_id`s. If the database fails, it stores none. No two of the
/// messages may have the same sender and `request_id`.
pub(in crate::messages) async fn insert_batch(
    connection: &mut AsyncPgConnection,
    messages: &[&NewMessage],
) -> QueryResult<Vec<StoreResult>> {
    let statement = InsertMessages::new(messages);
    let mut attempt = 1;
    let rows = loop {
        // `load` reads the answer to its end. The rows arrive before the commit, so reading only some of them would take a
        // failed commit for a successful one.
        match (&statement).load(connection).await {
            // The same `request_id` was stored meanwhile, in this chat or another. This attempt is rolled back, and the next
            // one sees the other message.
            Err(QueryError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) if attempt < ATTEMPTS => attempt += 1,
            rows => break rows?,
        }
    };
    let mut outcomes = vec![Err(MessageError::NoSuchChat); messages.len()];
    for row in rows {
        let row: Row = row;
        let outcome = usize::try_from(row.n).ok().and_then(|n| outcomes.get_mut(n.checked_sub(1)?));
        if let Some(outcome) = outcome {
            *outcome = row.outcome();
        }
    }
    Ok(outcomes)
}

/// One statement, so one transaction and one round trip. The messages are passed as arrays, one for each column, so that the
/// statement is the same for any number of them.
///
/// The order of its parts stores a message once, and numbers the events of a chat in the order of commits, without gaps.
/// First it locks the rows of the chats, in the order of their ids, so that two statements cannot deadlock. This serializes the writers of a chat: each reads `last_seq` as its
/// predecessor left it. Only then does it look up which `request_id`s are stored already, so that a duplicate gets no
/// number in the sequence. It reads the clock when it holds all locks. If the clock went back, it uses the last event's
/// time plus a microsecond.
///
/// `seen` has what was committed when the statement began. The unique index catches a message with the same
/// `request_id` that was committed while this statement waited for a lock: see [`insert_batch`].
///
/// A message that was edited or deleted since it was sent has other content. A repetition of it is recognized by its
/// `request_id` and chat alone.
///
/// `OFFSET 0` makes Postgres look up the rows one by one through their index, whatever its statistics say about the
/// size of a new table.
struct InsertMessages<'a> {
    chats: Vec<Uuid>,
    senders: Vec<Uuid>,
    request_ids: Vec<Uuid>,
    ids: Vec<Uuid>,
    texts: Vec<&'a str>,
}

impl<'a> InsertMessages<'a> {
    fn new(messages: &[&'a NewMessage]) -> Self {
        Self {
            chats: messages.iter().map(|message| message.chat.0).collect(),
            senders: messages.iter().map(|message| message.sender.0).collect(),
            request_ids: messages.iter().map(|message| message.request_id.0).collect(),
            ids: messages.iter().map(|_| MessageId::new().0).collect(),
            texts: messages.iter().map(|message| message.text.as_str()).collect(),
        }
    }
}

impl QueryFragment<Pg> for InsertMessages<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH request AS MATERIALIZED (SELECT * FROM unnest(");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.chats)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.senders)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.request_ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.texts)?;
        out.push_sql(
            ") WITH ORDINALITY AS request (chat_id, sender_id, request_id, id, text, n)
            ), allowed AS MATERIALIZED (
                SELECT request.*
                  FROM request, LATERAL (
                       SELECT FROM chat_members AS member
                        WHERE member.chat_id = request.chat_id AND user_id = sender_id OFFSET 0
                  ) AS member
            ), chat AS MATERIALIZED (
                SELECT id, last_seq, last_event_at FROM chats
                 WHERE id = ANY (ARRAY(SELECT chat_id FROM allowed))
                 ORDER BY id
                   FOR NO KEY UPDATE
            ), moment AS MATERIALIZED (
                SELECT clock_timestamp() AS now FROM (SELECT count(*) FROM chat) AS locked
            ), seen AS MATERIALIZED (
                SELECT n, stored.*
                  FROM allowed, LATERAL (
                       SELECT message.id, seq, created_at, changed_seq IS NOT NULL AS is_changed,
                              message.chat_id = allowed.chat_id
                              AND (changed_seq IS NOT NULL OR message.text = allowed.text) AS is_same
                         FROM messages AS message
                        WHERE message.sender_id = allowed.sender_id AND message.request_id = allowed.request_id
                       OFFSET 0
                  ) AS stored
            ), placed AS MATERIALIZED (
                SELECT n, fresh.id, chat_id, last_seq + place AS seq, sender_id, request_id, text,
                       greatest(now, last_event_at + interval '1 us') + (place - 1) * interval '1 us' AS at,
                       is_last, is_last_of_sender
                  FROM moment, chat, (
                       SELECT *, row_number() OVER chat AS place, lead(n) OVER chat IS NULL AS is_last,
                              lead(n) OVER (PARTITION BY chat_id, sender_id ORDER BY n) IS NULL AS is_last_of_sender
                         FROM allowed WHERE n NOT IN (SELECT n FROM seen)
                       WINDOW chat AS (PARTITION BY chat_id ORDER BY n)
                  ) AS fresh
                 WHERE chat.id = chat_id
            ), stored AS (
                INSERT INTO messages (id, chat_id, seq, sender_id, request_id, text, created_at, updated_at)
                SELECT id, chat_id, seq, sender_id, request_id, text, at, at FROM placed
            ), moved_on AS (
                UPDATE chats
                   SET last_seq = seq, last_event_at = at, updated_at = at
                  FROM placed
                 WHERE chats.id = chat_id AND is_last
            ), read_by_sender AS (
                UPDATE chat_members AS member
                   SET read_seq = greatest(read_seq, seq)
                  FROM placed
                 WHERE member.chat_id = placed.chat_id AND user_id = sender_id AND is_last_of_sender
            )
            SELECT n, id, seq, at, NULL, FALSE FROM placed
            UNION ALL
            SELECT n, id, seq, created_at, is_same, is_changed FROM seen",
        );
        Ok(())
    }
}

impl QueryId for InsertMessages<'_> {
    type QueryId = InsertMessages<'static>;
}

impl Query for InsertMessages<'_> {
    type SqlType = (BigInt, SqlUuid, BigInt, Timestamptz, Nullable<Bool>, Bool);
}

#[derive(Queryable)]
struct Row {
    /// The position of the message in the batch, from 1.
    n: i64,
    id: Uuid,
    seq: i64,
    created_at: DateTime<Utc>,
    /// For a message that was stored before: whether the content is the same.
    is_same: Option<bool>,
    /// Whether the message was edited or deleted since.
    is_changed: bool,
}

impl Row {
    fn outcome(&self) -> StoreResult {
        let Self { id, seq, created_at, is_changed, .. } = *self;
        let stored = StoredAt { id: MessageId(id), seq, created_at, is_changed };
        match self.is_same {
            None => Ok(StoreOutcome::Stored(stored)),
            Some(true) => Ok(StoreOutcome::Duplicate(stored)),
            Some(false) => Err(MessageError::IdempotencyMismatch),
        }
    }
}
