//! Events in Postgres.

mod membership;

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension as _, QueryDsl as _, QueryResult, Queryable,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Bool, Jsonb, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use neonchat_common::ids::{ChatId, SendId, Seq, UserId};
use uuid::Uuid;

use super::{
    error::TimelineError,
    model::{Event, EventsLimit, EventsPage, Origin, StoredEvent, UnknownEvent, UnknownEventType},
};
use crate::{
    access::Access,
    db::{Db, DbResult},
    event_kind::EventKind,
    messages::{
        extra::{Extra, Reactions},
        model::{IS_GONE, Message, MessageRow},
    },
    rights::ChatKind,
    schema::chats,
};

/// Returns the events of a chat after a `seq`. If `member` is given: those that exist for the member, as the member sees them.
///
/// The membership is read after the events. So a page that has an event after the removal of the member is never returned: the
/// removal was committed before the page was read.
pub(super) async fn page(
    db: &Db,
    member: Option<UserId>,
    chat: ChatId,
    after: Seq,
    limit: EventsLimit,
) -> Result<EventsPage, TimelineError> {
    db.run(async |connection| {
        let query = EventsAfter { chat: chat.0, member: member.map(|member| member.0), after, limit: limit.get() };
        let rows = query.load::<Row>(connection).await?;
        let mut events: Vec<_> = rows.into_iter().map(|row| row.event(chat)).collect();
        let access = match member {
            None => None,
            Some(member) => {
                let access = Access::find(connection, member, chat).await?.ok_or(TimelineError::NoSuchChat)?;
                // The user may have left and joined since the events were read.
                events.retain(|stored| stored.event.seq() > access.hidden_up_to());
                events = events.into_iter().map(|stored| stored.seen_by(access)).collect();
                Some(access)
            }
        };
        // The head is read last, so that it is not lower than an event that is stored in between.
        let head = chats::table.find(chat.0).select(chats::last_seq).first(connection).await.optional()?;
        Ok(EventsPage { events, head_seq: head.ok_or(TimelineError::NoSuchChat)?, access })
    })
    .await
}

/// Returns the event with this `seq`.
pub(super) async fn find(db: &Db, chat: ChatId, seq: Seq) -> DbResult<Option<StoredEvent>> {
    let query = EventsAfter { chat: chat.0, member: None, after: seq - 1, limit: 1 };
    let row = db.query(async |connection| query.get_result::<Row>(connection).await.optional()).await?;
    Ok(row.map(|row| row.event(chat)))
}

/// One statement, so that both tables are read as they are at one moment. Each branch is a range of a primary key or unique
/// index. An edit joins its message; the event of a message is its row.
#[derive(Clone, Copy, QueryId)]
struct EventsAfter {
    chat: Uuid,
    /// Leaves out the events that do not exist for this member.
    member: Option<Uuid>,
    after: Seq,
    limit: i64,
}

impl QueryFragment<Pg> for EventsAfter {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "(SELECT seq, 0::smallint, sender_id, request_id, created_at, NULL,
                     (SELECT chats.kind FROM chats WHERE chats.id = ",
        );
        out.push_bind_param::<SqlUuid, _>(&self.chat)?;
        out.push_sql(
            "),
                     id, seq, sender_id, request_id, text, created_at, updated_at, changed_seq, ",
        );
        out.push_sql(IS_GONE);
        out.push_sql(", expires_at, extra, reactions FROM messages WHERE chat_id = ");
        self.push_range(&mut out, "seq")?;
        out.push_sql(
            ") UNION ALL (
              SELECT event.seq, kind, actor_id, event.request_id, event.created_at,
                     CASE kind WHEN 9 THEN (
                         SELECT jsonb_build_object('kind', chats.kind, 'title', title, 'description', description,
                                                   'handle', handle, 'settings', settings, 'slow_s', slow_s, 'ttl_s', ttl_s)
                           FROM chats LEFT JOIN chat_profiles AS profile ON profile.chat_id = chats.id
                          WHERE chats.id = event.chat_id)
                     ELSE body END::text,
                     (SELECT chats.kind FROM chats WHERE chats.id = ",
        );
        out.push_bind_param::<SqlUuid, _>(&self.chat)?;
        out.push_sql(
            "),
                     message.id, message.seq, sender_id, message.request_id, text, message.created_at, updated_at,
                     changed_seq, ",
        );
        out.push_sql(IS_GONE);
        out.push_sql(
            ", expires_at, extra, reactions
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
        // Without a membership there is no `from_seq`, and `greatest` ignores NULL.
        out.push_sql(" > greatest(");
        out.push_bind_param::<BigInt, _>(&self.after)?;
        out.push_sql(", (SELECT from_seq FROM chat_members AS member WHERE member.chat_id = ");
        out.push_bind_param::<SqlUuid, _>(&self.chat)?;
        out.push_sql(" AND user_id = ");
        out.push_bind_param::<Nullable<SqlUuid>, _>(&self.member)?;
        out.push_sql(")) ORDER BY ");
        out.push_sql(seq);
        out.push_sql(" LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)
    }
}

impl Query for EventsAfter {
    type SqlType = (
        (BigInt, SmallInt, SqlUuid, Nullable<SqlUuid>, Timestamptz, Nullable<Text>, Nullable<Text>),
        (Nullable<SqlUuid>, Nullable<BigInt>, Nullable<SqlUuid>, Nullable<SqlUuid>, Nullable<Text>),
        (Nullable<Timestamptz>, Nullable<Timestamptz>, Nullable<BigInt>, Nullable<Bool>),
        (Nullable<Timestamptz>, Nullable<Jsonb>, Nullable<Jsonb>),
    );
}

#[derive(Queryable)]
struct Row {
    event: EventColumns,
    message: MessageColumns,
    history: HistoryColumns,
    rich: RichColumns,
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
    /// The type of the chat.
    chat_kind: Option<String>,
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
    is_gone: Option<bool>,
}

/// What only some messages have.
#[derive(Queryable)]
struct RichColumns {
    expires_at: Option<DateTime<Utc>>,
    extra: Option<Extra>,
    reactions: Option<Reactions>,
}

impl Row {
    fn event(self, chat: ChatId) -> StoredEvent {
        let Self { event, message, history, rich } = self;
        let EventColumns { seq, kind, actor, request_id, at, body, chat_kind } = event;
        let chat_kind = chat_kind.and_then(|name| ChatKind::from_name(&name));
        let actor = UserId(actor);
        let mut message = message.message(chat, history, rich);
        // Everybody gets the same message, also those who may not know the members of a channel.
        if chat_kind == Some(ChatKind::Channel)
            && kind != EventKind::Reactions as i16
            && let Some(message) = &mut message
        {
            message.reactions.hide_users();
        }
        let unknown = Event::Unknown(UnknownEvent { kind: UnknownEventType::Unknown, chat_id: chat, seq });
        let origin = Origin { chat_id: chat, seq, by: actor, at };
        let event = match (EventKind::from_number(kind), message) {
            (None, Some(message)) if kind == 0 => Event::message(message),
            (Some(EventKind::Edited), Some(message)) => Event::edited(origin, message),
            (Some(EventKind::Reactions), Some(message)) => {
                Event::reactions(chat, seq, (message.id, message.seq), message.reactions)
            }
            (Some(kind @ (EventKind::Pinned | EventKind::Unpinned)), Some(message)) => {
                Event::pinned(origin, message.id, kind == EventKind::Pinned)
            }
            (Some(EventKind::Deleted), _) => {
                membership::read(origin, body.as_deref()).map_or(unknown, |messages| Event::deleted(origin, messages))
            }
            (Some(kind), _) => membership::event(kind, origin, body.as_deref()).unwrap_or(unknown),
            _ => unknown,
        };
        StoredEvent { actor, request_id: request_id.map(SendId), chat_kind, event }
    }
}

impl MessageColumns {
    fn message(self, chat_id: ChatId, history: HistoryColumns, rich: RichColumns) -> Option<Message> {
        let row = MessageRow {
            id: self.id?,
            chat_id: chat_id.0,
            sender_id: self.sender?,
            request_id: self.request_id,
            text: self.text?,
            created_at: history.created_at?,
            updated_at: history.updated_at?,
            seq: self.seq?,
            changed_seq: history.changed_seq,
            is_gone: history.is_gone,
            expires_at: rich.expires_at,
            extra: rich.extra,
            reactions: rich.reactions,
        };
        Some(row.into())
    }
}
