//! Messages in Postgres.

mod insert;

use diesel::{ExpressionMethods as _, HasQuery as _, OptionalExtension as _, QueryDsl as _, QueryResult, dsl::exists};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::{ChatId, MessageId, Seq, UserId};

pub(super) use self::insert::{StoreResult, insert_batch};
use super::{
    error::MessageError,
    model::{Event, Events, EventsLimit, History, HistoryLimit, Message, Position},
};
use crate::{
    db::{Db, Replica},
    schema::{chat_members, chats, messages},
};

/// The maximum size of a page of events, in bytes. gRPC clients refuse answers above 4 MiB; an event has at most 17 KiB.
const MAX_EVENTS_BYTES: usize = 3 * 1024 * 1024;

/// The size of an event without its text, encoded for gRPC and rounded up, in bytes.
const EVENT_OVERHEAD: usize = 256;

/// Returns a page of history. It is found by key and not by offset, so page 10,000 costs as much as page 1.
///
/// A page before a message may come from a replica. A replica that has the message also has all earlier ones, because `seq`
/// follows the order of commits, and so does replication. This relies on two facts: members never leave a chat, and messages
/// never change.
pub(super) async fn history(
    db: &Db,
    replica: Option<&Replica>,
    user: UserId,
    chat: ChatId,
    position: Position,
    limit: HistoryLimit,
) -> Result<History, MessageError> {
    if let (Position::Before(_), Some(replica)) = (position, replica) {
        let answer = replica.try_read(async |connection| match page(connection, user, chat, position, limit).await {
            // The replica does not have the member or the message yet, or neither exists.
            Err(MessageError::NoSuchChat | MessageError::UnknownCursor { .. }) => Ok(None),
            answer => answer.map(Some),
        });
        if let Some(page) = answer.await {
            return Ok(page);
        }
    }
    db.run(async |connection| page(connection, user, chat, position, limit).await).await
}

async fn page(
    connection: &mut AsyncPgConnection,
    user: UserId,
    chat: ChatId,
    position: Position,
    limit: HistoryLimit,
) -> Result<History, MessageError> {
    check_member(connection, user, chat).await?;
    match position {
        Position::Newest => {
            let (messages, has_previous) = older_than(connection, chat, Seq::MAX, limit).await?;
            Ok(History { messages, has_previous, has_next: false })
        }
        // The cursor itself is a newer message than those before it, and an older one than those after it.
        Position::Before(cursor) => {
            let cursor = find_seq(connection, chat, cursor, "before_id").await?;
            let (messages, has_previous) = older_than(connection, chat, cursor, limit).await?;
            Ok(History { messages, has_previous, has_next: true })
        }
        Position::After(cursor) => {
            let cursor = find_seq(connection, chat, cursor, "after_id").await?;
            let mut messages = newer_than(connection, chat, cursor, limit.plus_one()).await?;
            let has_next = limit.truncate(&mut messages);
            messages.reverse();
            Ok(History { messages, has_previous: true, has_next })
        }
    }
}

async fn check_member(connection: &mut AsyncPgConnection, user: UserId, chat: ChatId) -> Result<(), MessageError> {
    let is_member = diesel::select(exists(chat_members::table.find((chat.0, user.0))));
    if is_member.get_result(connection).await? { Ok(()) } else { Err(MessageError::NoSuchChat) }
}

async fn find_seq(
    connection: &mut AsyncPgConnection,
    chat: ChatId,
    message: MessageId,
    field: &'static str,
) -> Result<Seq, MessageError> {
    let message = messages::table.find(message.0).filter(messages::chat_id.eq(chat.0));
    let seq = message.select(messages::seq).first(connection).await.optional()?;
    seq.ok_or(MessageError::UnknownCursor { field })
}

/// Returns the messages directly before a `seq`, the newest first, and whether there are older ones.
async fn older_than(
    connection: &mut AsyncPgConnection,
    chat: ChatId,
    seq: Seq,
    limit: HistoryLimit,
) -> QueryResult<(Vec<Message>, bool)> {
    let mut messages = Message::query()
        .filter(messages::chat_id.eq(chat.0))
        .filter(messages::seq.lt(seq))
        .order(messages::seq.desc())
        .limit(limit.plus_one())
        .load(connection)
        .await?;
    let has_more = limit.truncate(&mut messages);
    Ok((messages, has_more))
}

/// Returns the messages directly after a `seq`, the oldest first.
async fn newer_than(
    connection: &mut AsyncPgConnection,
    chat: ChatId,
    seq: Seq,
    limit: i64,
) -> QueryResult<Vec<Message>> {
    Message::query()
        .filter(messages::chat_id.eq(chat.0))
        .filter(messages::seq.gt(seq))
        .order(messages::seq)
        .limit(limit)
        .load(connection)
        .await
}

/// Returns the events of a chat after a `seq`, as many as fit into a page. If `member` is given, checks the membership
/// first.
pub(super) async fn events(
    db: &Db,
    member: Option<UserId>,
    chat: ChatId,
    after: Seq,
    limit: EventsLimit,
) -> Result<Events, MessageError> {
    db.run(async |connection| {
        if let Some(member) = member {
            check_member(connection, member, chat).await?;
        }
        // The head is read last, so that it is not lower than an event that is stored in between.
        let messages = newer_than(connection, chat, after, limit.get()).await?;
        let head = chats::table.find(chat.0).select(chats::last_seq).first(connection).await.optional()?;
        let head_seq = head.ok_or(MessageError::NoSuchChat)?;
        let events = fit_into_page(messages);
        let last = events.last().map_or(after, Event::seq);
        Ok(Events { events, head_seq, has_more: last < head_seq })
    })
    .await
}

fn fit_into_page(messages: Vec<Message>) -> Vec<Event> {
    let mut bytes = 0;
    let fits = |message: &Message| {
        bytes += message.text.len() + EVENT_OVERHEAD;
        bytes <= MAX_EVENTS_BYTES
    };
    messages.into_iter().take_while(fits).map(Event::message).collect()
}
