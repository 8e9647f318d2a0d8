//! Repeated requests: what the first one with this `request_id` did.

use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::{Seq, UserId};
use serde::Deserialize as _;
use serde_json::Value;
use uuid::Uuid;

use super::locked::Change;
use crate::{
    event_kind::EventKind,
    groups::{error::GroupError, model::Caller},
    schema::{chat_audit, chat_events},
};

/// What an earlier request with this `request_id` did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::groups) struct Earlier {
    /// The `seq` of its event; `None` for a join or leave of a large chat.
    pub(in crate::groups) seq: Option<Seq>,
    /// The users that came or went by it.
    pub(in crate::groups) users: Vec<UserId>,
}

/// A change that is stored.
struct Stored {
    chat: Uuid,
    kind: Option<EventKind>,
    body: Value,
    seq: Option<Seq>,
}

/// Returns what an earlier request with this `request_id` did.
pub(super) async fn find<C: Change>(
    connection: &mut AsyncPgConnection,
    caller: Caller,
    change: &C,
) -> Result<Option<Earlier>, GroupError> {
    let stored = match event(connection, caller).await? {
        Some(event) => event,
        None => match change_without_event(connection, caller).await? {
            Some(change) => change,
            None => return Ok(None),
        },
    };
    let Stored { chat, kind, body, seq } = stored;
    let is_same = chat == caller.chat.0 && kind.is_some_and(|kind| C::KINDS.contains(&kind)) && change.is_same(&body);
    // Events of earlier versions have no digest, and changes of large chats that make no event.
    let has_same_digest = body["digest"].is_null() || change.digest().is_some_and(|digest| body["digest"] == digest);
    if !is_same || !has_same_digest {
        return Err(GroupError::IdempotencyMismatch);
    }
    let users = Vec::deserialize(&body["user_ids"]).unwrap_or_default();
    Ok(Some(Earlier { seq, users }))
}

async fn event(connection: &mut AsyncPgConnection, caller: Caller) -> QueryResult<Option<Stored>> {
    let event = chat_events::table
        .filter(chat_events::actor_id.eq(caller.user.0))
        .filter(chat_events::request_id.eq(caller.request_id.0))
        .select((chat_events::chat_id, chat_events::kind, chat_events::body, chat_events::seq))
        .first::<(Uuid, i16, Option<Value>, Seq)>(connection)
        .await
        .optional()?;
    Ok(event.map(|(chat, kind, body, seq)| {
        let kind = EventKind::from_number(kind);
        Stored { chat, kind, body: body.unwrap_or_default(), seq: Some(seq) }
    }))
}

/// Finds a join or leave of a large chat: only the audit log has it.
async fn change_without_event(connection: &mut AsyncPgConnection, caller: Caller) -> QueryResult<Option<Stored>> {
    let entry = chat_audit::table
        .filter(chat_audit::actor_id.eq(caller.user.0))
        .filter(chat_audit::request_id.eq(caller.request_id.0))
        .select((chat_audit::chat_id, chat_audit::action, chat_audit::details))
        .first::<(Uuid, String, Value)>(connection)
        .await
        .optional()?;
    Ok(entry.map(|(chat, action, body)| {
        let kind =
            [EventKind::MembersAdded, EventKind::MembersRemoved].into_iter().find(|kind| kind.as_str() == action);
        Stored { chat, kind, body, seq: None }
    }))
}
