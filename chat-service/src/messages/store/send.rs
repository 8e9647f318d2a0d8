//! Storing one message: the hot path, and one statement.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, Queryable,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    result::{DatabaseErrorKind, Error as QueryError},
    sql_types::{BigInt, Bool, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::MessageId;
use uuid::Uuid;

use crate::{
    db::Db,
    messages::{
        error::MessageError,
        model::{NewMessage, Receipt, Sent},
    },
};

/// Stores a message, or finds the one of its `request_id`.
pub(in crate::messages) async fn store(db: &Db, message: &NewMessage) -> Result<Sent, MessageError> {
    let statement = StoreMessage::new(message);
    let row = db.query(async |connection| statement.run(connection).await).await?;
    match row {
        None => Err(MessageError::NoSuchChat),
        Some(row) if row.is_new => Ok(Sent::Stored(row.receipt())),
        Some(row) if row.is_of(message) => Ok(Sent::Duplicate(row.receipt())),
        Some(_) => Err(MessageError::IdempotencyMismatch),
    }
}

/// One statement, so one transaction and one round trip.
///
/// The order of its parts is what keeps the promises (guarantees G2 and G3). The chat's row is locked first; all who
/// write in this chat stand in line here, and each reads `last_seq` as the one before has left it. Only then is it
/// looked up whether the request was stored before, so that a duplicate takes no place in the sequence. The clock is
/// read under the lock, and where it has gone back, time goes on by a microsecond.
///
/// `seen` is what had been committed when the statement began. A message of the same request that is committed while
/// this one waits is caught by the unique index: see [`StoreMessage::run`].
struct StoreMessage<'a> {
    chat: Uuid,
    sender: Uuid,
    request: Uuid,
    id: Uuid,
    text: &'a str,
}

impl QueryFragment<Pg> for StoreMessage<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH request (chat_id, sender_id, request_id, id, text) AS (VALUES (");
        out.push_bind_param::<SqlUuid, _>(&self.chat)?;
        out.push_sql(", ");
        out.push_bind_param::<SqlUuid, _>(&self.sender)?;
        out.push_sql(", ");
        out.push_bind_param::<SqlUuid, _>(&self.request)?;
        out.push_sql(", ");
        out.push_bind_param::<SqlUuid, _>(&self.id)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(self.text)?;
        out.push_sql(
            ")), chat AS MATERIALIZED (
                SELECT chats.id, chats.last_seq, chats.last_event_at
                  FROM request
                  JOIN chat_members USING (chat_id)
                  JOIN chats ON chats.id = chat_id
                 WHERE chat_members.user_id = request.sender_id
                   FOR NO KEY UPDATE OF chats
            ), seen AS (
                SELECT messages.* FROM chat, request JOIN messages USING (sender_id, request_id)
            ), stored AS (
                INSERT INTO messages (id, chat_id, seq, sender_id, request_id, text, created_at, updated_at)
                SELECT request.id, chat.id, chat.last_seq + 1, sender_id, request_id, text, now, now
                  FROM chat, request, LATERAL greatest(clock_timestamp(), chat.last_event_at + interval '1 us') AS now
                 WHERE NOT EXISTS (SELECT FROM seen)
                RETURNING *
            ), moved_on AS (
                UPDATE chats
                   SET last_seq = stored.seq, last_event_at = stored.created_at, updated_at = stored.created_at
                  FROM stored WHERE chats.id = stored.chat_id
            ), read_by_sender AS (
                UPDATE chat_members
                   SET read_seq = greatest(read_seq, stored.seq)
                  FROM stored WHERE chat_members.chat_id = stored.chat_id AND user_id = stored.sender_id
            )
            SELECT id, chat_id, seq, text, created_at, TRUE FROM stored
            UNION ALL
            SELECT id, chat_id, seq, text, created_at, FALSE FROM seen",
        );
        Ok(())
    }
}

impl QueryId for StoreMessage<'_> {
    type QueryId = StoreMessage<'static>;
}

impl Query for StoreMessage<'_> {
    type SqlType = (SqlUuid, SqlUuid, BigInt, Text, Timestamptz, Bool);
}

#[derive(Queryable)]
struct Row {
    id: Uuid,
    chat_id: Uuid,
    seq: i64,
    text: String,
    created_at: DateTime<Utc>,
    is_new: bool,
}

impl<'a> StoreMessage<'a> {
    fn new(message: &'a NewMessage) -> Self {
        Self {
            chat: message.chat.0,
            sender: message.sender.0,
            request: message.request.0,
            id: MessageId::new().0,
            text: message.text.as_str(),
        }
    }

    /// `None` where the sender is not a member of such a chat.
    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<Option<Row>> {
        match self.run_once(connection).await {
            // The same request was stored meanwhile, here or in another chat. Nothing of this attempt is left, and the
            // second one sees the other message.
            Err(QueryError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => self.run_once(connection).await,
            result => result,
        }
    }

    /// Reads the answer to its end. The row comes before the commit: who takes it and goes, as `get_result` does, takes a
    /// commit that failed for one that did not.
    async fn run_once(&self, connection: &mut AsyncPgConnection) -> QueryResult<Option<Row>> {
        Ok(self.load(connection).await?.pop())
    }
}

impl Row {
    fn receipt(&self) -> Receipt {
        Receipt { id: MessageId(self.id), seq: self.seq, created_at: self.created_at }
    }

    fn is_of(&self, message: &NewMessage) -> bool {
        self.chat_id == message.chat.0 && self.text == message.text.as_str()
    }
}
