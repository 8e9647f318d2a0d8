//! Events in Postgres.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension as _, QueryDsl as _, QueryResult, Queryable,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Bool, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use neonchat_common::ids::{ChatId, MessageId, SendId, Seq, UserId};
use uuid::Uuid;

use super::{
    error::TimelineError,
    model::{
        DeletedMessage, Event, EventsLimit, EventsPage, MessageEditedEvent, MessageEditedEventType,
        MessagesDeletedEvent, MessagesDeletedEventType, StoredEvent, UnknownEvent, UnknownEventType,
    },
};
use crate::{
    access::Access,
    db::{Db, DbResult},
    messages::{change::ChangeKind, model::Message},
    schema::chats,
};

/// Returns the events of a chat after a `seq`. If `member` is given, checks the membership first.
pub(super) async fn page(
    db: &Db,
    member: Option<UserId>,
    chat: ChatId,
    after: Seq,
    limit: EventsLimit,
) -> Result<EventsPage, TimelineError> {
    db.run(async |connection| {
        if let Some(member) = member {
            Access::find(connection, member, chat).await?.ok_or(TimelineError::NoSuchChat)?;
        }
        // The head is read last, so that it is not lower than an event that is stored in between.
        let rows = EventsAfter { chat: chat.0, after, limit: limit.get() }.load::<Row>(connection).await?;
        let head = chats::table.find(chat.0).select(chats::last_seq).first(connection).await.optional()?;
        let events = rows.into_iter().map(|row| row.event(chat)).collect();
        Ok(EventsPage { events, head_seq: head.ok_or(TimelineError::NoSuchChat)? })
    })
    .await
}

/// Returns the event with this `seq`.
pub(super) async fn find(db: &Db, chat: ChatId, seq: Seq) -> DbResult<Option<StoredEvent>> {
    let query = EventsAfter { chat: chat.0, after: seq - 1, limit: 1 };
    let row = db.query(async |connection| query.get_result::<Row>(connection).await.optional()).await?;
    Ok(row.map(|row| row.event(chat)))
}

/// One statement, so that both tables are read as they are at one moment. Each branch is a range of a primary key or unique
/// index. An edit joins its message; the event of a message is its row.
#[derive(Clone, Copy, QueryId)]
struct EventsAfter {
    chat: Uuid,
    after: Seq,
    limit: i64,
}

impl QueryFragment<Pg> for EventsAfter {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "(SELECT seq, 0::smallint, sender_id, request_id, created_at, NULL,
                     id, seq, sender_id, request_id, text, created_at, updated_at, changed_seq, deleted_at IS NOT NULL
                FROM messages WHERE chat_id = ",
        );
        self.push_range(&mut out, "seq")?;
        out.push_sql(
            ") UNION ALL (
              SELECT event.seq, kind, actor_id, event.request_id, event.created_at, body::text,
                     message.id, message.seq, sender_id, message.request_id, text, message.created_at, updated_at,
                     changed_seq, deleted_at IS NOT NULL
                FROM chat_events AS event
                LEFT JOIN messages AS message ON message.chat_id = event.chat_id AND message.seq = target_seq
               WHERE event.chat_id = ",
        );
        self.push_range(&mut out, "event.seq")?;
        out.push_sql(") ORDER BY 1 LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)
    }
}

impl EventsAfter {
    fn push_range<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>, seq: &str) -> QueryResult<()> {
        out.push_bind_param::<SqlUuid, _>(&self.chat)?;
        out.push_sql(" AND ");
        out.push_sql(seq);
        out.push_sql(" > ");
        out.push_bind_param::<BigInt, _>(&self.after)?;
        out.push_sql(" ORDER BY ");
        out.push_sql(seq);
        out.push_sql(" LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)
    }
}

impl Query for EventsAfter {
    type SqlType = (
        (BigInt, SmallInt, SqlUuid, Nullable<SqlUuid>, Timestamptz, Nullable<Text>),
        (Nullable<SqlUuid>, Nullable<BigInt>, Nullable<SqlUuid>, Nullable<SqlUuid>, Nullable<Text>),
        (Nullable<Timestamptz>, Nullable<Timestamptz>, Nullable<BigInt>, Bool),
    );
}

#[derive(Queryable)]
struct Row {
    event: EventColumns,
    message: MessageColumns,
    history: HistoryColumns,
}

#[derive(Queryable)]
struct EventColumns {
    seq: Seq,
    /// 0 for a message.
    kind: i16,
    actor: Uuid,
    request_id: Option<Uuid>,
    at: DateTime<Utc>,
    body: Option<String>,
}

/// The message that the event is about, if there is one.
#[derive(Queryable)]
struct MessageColumns {
    id: Option<Uuid>,
    seq: Option<Seq>,
    sender: Option<Uuid>,
    request_id: Option<Uuid>,
    text: Option<String>,
}

/// The changes of that message.
#[derive(Clone, Copy, Queryable)]
struct HistoryColumns {
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    changed_seq: Option<Seq>,
    is_deleted: bool,
}

impl Row {
    fn event(self, chat: ChatId) -> StoredEvent {
        let Self { event: EventColumns { seq, kind, actor, request_id, at, body }, message, history } = self;
        let actor = UserId(actor);
        let message = message.message(chat, history);
        let unknown = Event::Unknown(UnknownEvent { kind: UnknownEventType::Unknown, chat_id: chat, seq });
        let event = match (ChangeKind::from_number(kind), message, body) {
            (None, Some(message), _) if kind == 0 => Event::message(message),
            (Some(ChangeKind::Edit), Some(message), _) => Event::Edited(edited(chat, seq, actor, at, message)),
            (Some(ChangeKind::Deletion), _, Some(body)) => {
                deleted(chat, seq, actor, at, &body).map_or(unknown, Event::Deleted)
            }
            _ => unknown,
        };
        StoredEvent { actor, request_id: request_id.map(SendId), event }
    }
}

fn edited(chat_id: ChatId, seq: Seq, by: UserId, at: DateTime<Utc>, message: Message) -> MessageEditedEvent {
    let is_superseded = message.changed_seq != Some(seq);
    MessageEditedEvent {
        kind: MessageEditedEventType::MessageEdited,
        chat_id,
        seq,
        by,
        at,
        message_id: is_superseded.then_some(message.id),
        superseded: is_superseded.then_some(true),
        message: (!is_superseded).then_some(message),
    }
}

fn deleted(chat_id: ChatId, seq: Seq, by: UserId, at: DateTime<Utc>, body: &str) -> Option<MessagesDeletedEvent> {
    let messages: Vec<DeletedMessage> = serde_json::from_str(body)
        .inspect_err(
            |error| tracing::error!(chat.id = %chat_id, event.seq = seq, error.cause = %error, "event unreadable"),
        )
        .ok()?;
    Some(MessagesDeletedEvent { kind: MessagesDeletedEventType::MessagesDeleted, chat_id, seq, by, at, messages })
}

impl MessageColumns {
    fn message(self, chat_id: ChatId, history: HistoryColumns) -> Option<Message> {
        Some(Message {
            id: MessageId(self.id?),
            chat_id,
            sender_id: UserId(self.sender?),
            request_id: self.request_id,
            text: self.text?,
            created_at: history.created_at?,
            updated_at: history.updated_at?,
            seq: self.seq?,
            changed_seq: history.changed_seq,
            is_deleted: history.is_deleted,
        })
    }
}
