//! The timer of a direct chat. That of a group or channel is one of its settings.

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, QueryResult, Queryable, Selectable,
    SelectableHelper as _, sql_types::Timestamptz,
};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection as _};
use neonchat_common::ids::Seq;
use tokio::time::Instant;

use super::{
    earlier, event,
    locked::{Change as _, LOCK_TIMEOUT, NewEvent, Outcome, PATIENCE, count, is_contended},
    update::Update,
};
use crate::{
    access::Access,
    db::Db,
    event_kind::EventKind,
    groups::{error::GroupError, model::Caller},
    rights::ChatKind,
    schema::chats,
};

/// Returns whether the chat is a direct one of the caller.
pub(in crate::groups) async fn is_direct(db: &Db, caller: Caller) -> Result<bool, GroupError> {
    let access = db.query(async |connection| Access::find(connection, caller.user, caller.chat).await).await?;
    Ok(access.is_some_and(|access| access.kind() == ChatKind::Direct))
}

/// Sets the timer of a direct chat of the caller. `update` is the same change of a group: its digest recognizes a repeated request.
pub(in crate::groups) async fn set_direct_timer(
    db: &Db,
    caller: Caller,
    update: &Update,
    ttl_s: i32,
) -> Result<Outcome<Option<Seq>>, GroupError> {
    let start_by = Instant::now() + PATIENCE;
    let outcome = loop {
        let outcome = set_once(db, start_by, caller, update, ttl_s).await;
        if !is_contended(&outcome, start_by) {
            break outcome;
        }
    };
    count::<Update, _>(&outcome);
    outcome
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = chats)]
struct ChatRow {
    last_seq: Seq,
    event_count: i64,
    last_event_at: Option<DateTime<Utc>>,
    ttl_s: i32,
}

async fn set_once(
    db: &Db,
    start_by: Instant,
    caller: Caller,
    update: &Update,
    ttl_s: i32,
) -> Result<Outcome<Option<Seq>>, GroupError> {
    let set = async |connection: &mut AsyncPgConnection| {
        if let Some(earlier) = earlier::find(connection, caller, update).await? {
            return Ok(Outcome::Duplicate(earlier));
        }
        connection.batch_execute(LOCK_TIMEOUT).await?;
        let chat = chats::table.find(caller.chat.0).select(ChatRow::as_select()).for_no_key_update();
        let chat = chat.first::<ChatRow>(connection).await.optional()?.ok_or(GroupError::NoSuchChat)?;
        // The same request may have held the lock.
        if let Some(earlier) = earlier::find(connection, caller, update).await? {
            return Ok(Outcome::Duplicate(earlier));
        }
        if chat.ttl_s == ttl_s {
            return Ok(Outcome::Done(None));
        }
        Ok(Outcome::Done(Some(append(connection, caller, update, &chat, ttl_s).await?)))
    };
    db.run_by(start_by, async |connection| connection.transaction(set).await).await
}

/// Stores the event. Messages that were allowed before it are tried again: they have another time to live now.
async fn append(
    connection: &mut AsyncPgConnection,
    caller: Caller,
    update: &Update,
    chat: &ChatRow,
    ttl_s: i32,
) -> QueryResult<Seq> {
    let clock = diesel::select(diesel::dsl::sql::<Timestamptz>("clock_timestamp()"));
    let at = event::next_time(clock.get_result(connection).await?, chat.last_event_at);
    diesel::update(chats::table.find(caller.chat.0)).set(chats::ttl_s.eq(ttl_s)).execute(connection).await?;
    let place = event::Place { seq: chat.last_seq + 1, n: chat.event_count + 1, at };
    let updated = NewEvent::new(EventKind::ChatUpdated, true);
    event::append(connection, place, caller, updated, update.digest().as_deref()).await
}
