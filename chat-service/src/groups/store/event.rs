//! Stores the event of a change, in a chat that is locked.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{ExpressionMethods as _, QueryDsl as _, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::Seq;
use serde_json::{Value, json};

use super::locked::NewEvent;
use crate::{
    groups::model::Caller,
    schema::{chat_events, chats},
};

/// The place of the next event of a locked chat.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) seq: Seq,
    /// Its number among the events that are no messages.
    pub(super) n: i64,
    pub(super) at: DateTime<Utc>,
}

/// Returns when the next event of a locked chat happens, given the time and that of its last event.
pub(super) fn next_time(clock: DateTime<Utc>, last: Option<DateTime<Utc>>) -> DateTime<Utc> {
    last.map_or(clock, |last| clock.max(last + TimeDelta::microseconds(1)))
}

/// Stores the event of the caller's chat. Returns its `seq`.
pub(super) async fn append(
    connection: &mut AsyncPgConnection,
    Place { seq, n, at }: Place,
    caller: Caller,
    event: NewEvent,
    digest: Option<&str>,
) -> QueryResult<Seq> {
    diesel::insert_into(chat_events::table)
        .values((
            chat_events::chat_id.eq(caller.chat.0),
            chat_events::seq.eq(seq),
            chat_events::n.eq(n),
            chat_events::kind.eq(event.kind as i16),
            chat_events::actor_id.eq(caller.user.0),
            chat_events::request_id.eq(caller.request_id.0),
            chat_events::body.eq(with_digest(event.body, digest)),
            chat_events::created_at.eq(at),
        ))
        .execute(connection)
        .await?;
    diesel::update(chats::table.find(caller.chat.0))
        .set((
            chats::last_seq.eq(seq),
            chats::last_event_at.eq(at),
            chats::event_count.eq(n),
            chats::event_seq.eq(seq),
            chats::access_version.eq(chats::access_version + i32::from(event.takes_rights)),
            event.size,
        ))
        .execute(connection)
        .await?;
    Ok(seq)
}

fn with_digest(body: Option<Value>, digest: Option<&str>) -> Option<Value> {
    let Some(digest) = digest else { return body };
    let mut body = body.unwrap_or_else(|| json!({}));
    body["digest"] = json!(digest);
    Some(body)
}
