//! Gathers the changes of reactions to a message into one event.
//!
//! A change commits its rows of `reactions` together with a row of `reactions_due`. One statement here counts the reactions to a
//! message, stores the event, and deletes the due rows. Both are as they were when it began. So a reaction whose due row it deletes is
//! in the count, and one that is committed later has a due row that stays for the next event. If the process is killed, the due rows
//! stay, or the event is committed.
//!
//! The statement counts before it locks the chat, because the lock holds up all who send. Then it compares `event_count`: if another
//! event was committed in between, such as that of another instance for the same message, it does nothing and is tried again.

use diesel::{
    OptionalExtension as _, QueryResult, QueryableByName,
    sql_types::{BigInt, Bool, Jsonb, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::{ChatId, MessageId, Seq, UserId};
use uuid::Uuid;

use crate::{
    db::{Db, DbResult, prepared},
    messages::{extra::Reactions, store::lock::lock_chats},
    rights::ChatKind,
    timeline::model::{Event, StoredEvent},
};

/// How often a message is tried before the chat is locked first.
const ATTEMPTS: usize = 5;

/// The actor of an event that gathers the reactions of several users.
const NOBODY: UserId = UserId(Uuid::nil());

/// It reads a part of a backlog, so that it is not slow.
///
/// A time that is later than the longest window was noted when the clock of Postgres was ahead. Its reactions are due: otherwise they
/// would have no event until the clock is there again.
const DUE: &str = "
    SELECT chat_id, message_seq
      FROM (SELECT * FROM reactions_due
             WHERE due_at <= clock_timestamp() OR due_at > clock_timestamp() + interval '10 seconds'
             ORDER BY due_at LIMIT 1000) AS due
     GROUP BY 1, 2 ORDER BY min(due_at)";

/// A message whose reactions have changed.
#[derive(Clone, Copy, Debug, QueryableByName)]
pub(in crate::reactions) struct Due {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = BigInt)]
    message_seq: Seq,
}

/// Returns the messages whose time has come.
pub(in crate::reactions) async fn due(db: &Db) -> DbResult<Vec<Due>> {
    db.query(async |connection| prepared(DUE).load(connection).await).await
}

/// Returns whether there are messages whose time has come or will come.
pub(in crate::reactions) async fn has_due(db: &Db) -> DbResult<bool> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = Bool)]
        found: bool,
    }
    let query = async |connection: &mut AsyncPgConnection| {
        prepared("SELECT EXISTS (SELECT FROM reactions_due) AS found").get_result::<Found>(connection).await
    };
    Ok(db.query(query).await?.found)
}

/// There is no row if another instance was faster. A deleted message loses the reactions that were
/// committed while it was deleted.
const GATHER: &str = "
    WITH target AS MATERIALIZED (
        SELECT message.id, message.reactions AS summary, event_count AS version, chats.kind AS chat_kind,
               deleted_at IS NOT NULL OR coalesce(expires_at <= now(), FALSE) OR is_closed AS is_gone
          FROM chats, messages AS message
         WHERE chats.id = $1 AND message.chat_id = $1 AND message.seq = $2
               AND EXISTS (SELECT FROM reactions_due WHERE chat_id = $1 AND message_seq = $2)
    ), counted AS MATERIALIZED (
        SELECT target.*, kinds.reactions
          FROM target, LATERAL (
               SELECT jsonb_agg(jsonb_build_object('emoji', emoji, 'count', count, 'recent', recent) ORDER BY since, emoji)
                      AS reactions
                 FROM (SELECT emoji, count(*) AS count, min(at) AS since
                         FROM reactions WHERE chat_id = $1 AND message_seq = $2 AND NOT is_gone
                        GROUP BY emoji) AS kind,
                      LATERAL (
                      SELECT jsonb_agg(user_id) AS recent
                        FROM (SELECT user_id FROM reactions
                               WHERE chat_id = $1 AND message_seq = $2 AND reactions.emoji = kind.emoji
                               ORDER BY at DESC, user_id DESC LIMIT 3) AS last) AS newest) AS kinds
    ), chat AS MATERIALIZED (
        SELECT chats.id, last_seq, last_event_at, event_count
          FROM counted, chats WHERE chats.id = $1
           FOR NO KEY UPDATE OF chats
    ), fresh AS MATERIALIZED (
        SELECT counted.*, last_seq + 1 AS seq, event_count + 1 AS event_n,
               greatest(clock_timestamp(), last_event_at + interval '1 us') AS at
          FROM counted, chat WHERE event_count = version
    ), placed AS MATERIALIZED (
        SELECT * FROM fresh WHERE NOT is_gone AND reactions IS DISTINCT FROM summary
    ), deleted AS (
        DELETE FROM reactions WHERE chat_id = $1 AND message_seq = $2 AND (SELECT is_gone FROM fresh)
    ), summarized AS (
        UPDATE messages SET reactions = placed.reactions FROM placed WHERE messages.id = placed.id
    ), stored AS (
        INSERT INTO chat_events (chat_id, seq, n, kind, actor_id, target_seq, created_at)
        SELECT $1, seq, event_n, 3, $3, $2, at FROM placed
    ), moved_on AS (
        UPDATE chats SET last_seq = seq, last_event_at = at, event_count = event_n, event_seq = seq
          FROM placed WHERE chats.id = $1
    ), done AS (
        DELETE FROM reactions_due WHERE chat_id = $1 AND message_seq = $2 AND EXISTS (SELECT FROM fresh)
    )
    SELECT NOT EXISTS (SELECT FROM fresh) AS is_stale, counted.id, counted.chat_kind, placed.seq, placed.reactions
      FROM counted LEFT JOIN placed USING (id)";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Bool)]
    is_stale: bool,
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    chat_kind: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    seq: Option<Seq>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    reactions: Option<Reactions>,
}

/// The event that gathers the changes of reactions to a message.
pub(in crate::reactions) struct Gathered {
    pub(in crate::reactions) chat: ChatId,
    pub(in crate::reactions) event: StoredEvent,
}

/// Stores the event of a message whose reactions have changed, unless they are as before.
pub(in crate::reactions) async fn gather(db: &Db, due: Due) -> DbResult<Option<Gathered>> {
    for _ in 0..ATTEMPTS {
        match db.query(async |connection| run(connection, due).await).await? {
            Some(row) if row.is_stale => {}
            row => return Ok(row.and_then(|row| row.event(due))),
        }
    }
    let locked = async |connection: &mut AsyncPgConnection| {
        lock_chats(connection, std::iter::once(ChatId(due.chat_id))).await?;
        run(connection, due).await
    };
    let row = db.query(async |connection| connection.transaction(locked).await).await?;
    Ok(row.and_then(|row| row.event(due)))
}

async fn run(connection: &mut AsyncPgConnection, due: Due) -> QueryResult<Option<Row>> {
    prepared(GATHER)
        .bind::<SqlUuid, _>(due.chat_id)
        .bind::<BigInt, _>(due.message_seq)
        .bind::<SqlUuid, _>(NOBODY.0)
        .get_result(connection)
        .await
        .optional()
}

impl Row {
    fn event(self, due: Due) -> Option<Gathered> {
        let (chat, message) = (ChatId(due.chat_id), (MessageId(self.id), due.message_seq));
        let event = Event::reactions(chat, self.seq?, message, self.reactions.into());
        let chat_kind = ChatKind::from_name(&self.chat_kind);
        Some(Gathered { chat, event: StoredEvent { actor: NOBODY, request_id: None, chat_kind, event } })
    }
}
