//! Edits and deletions in Postgres. One statement applies any number of them.

mod statement;

use chrono::{DateTime, Utc};
use diesel::{QueryResult, Queryable};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::Seq;
use uuid::Uuid;

use self::statement::{
    ApplyChanges, CHANGED_SINCE, DONE, DUPLICATE, GONE, MISMATCH, NOT_AUTHOR, RESTRICTED, ROLE, STALE, TOO_LATE,
    UNCHANGED,
};
use super::{attempts::Attempts, lock::lock_chats};
use crate::{
    event_kind::EventKind,
    messages::{
        change::{Change, ChangeOutcome, ChangePolicy, NewChange},
        error::MessageError,
        extra::{Extra, Reactions},
        model::Message,
    },
    rights::ChatKind,
    timeline::model::{Event, Origin, StoredEvent},
};

/// How often the changes are tried. Each retry means that another instance has just changed one of the chats.
const ATTEMPTS: usize = 5;

/// The outcome of one change.
pub(in crate::messages) type ChangeResult = Result<ChangeOutcome, MessageError>;

/// Applies changes, or finds the events of earlier ones with their `request_id`s. If the database fails, it applies none.
/// No two of the changes may concern the same message or have the same actor and `request_id`.
pub(in crate::messages) async fn apply_changes(
    connection: &mut AsyncPgConnection,
    changes: &[&NewChange],
    policy: ChangePolicy,
) -> QueryResult<Vec<ChangeResult>> {
    let mut attempts = Attempts::new(changes.len(), ATTEMPTS);
    let mut is_contended = false;
    while attempts.begin() {
        let batch = attempts.pending(changes);
        // The rows are read to their end: they arrive before the commit.
        let rows = if is_contended {
            let apply_locked = async |connection: &mut AsyncPgConnection| {
                lock_chats(connection, batch.iter().map(|change| change.chat)).await?;
                statement(connection, &batch, policy).await
            };
            connection.transaction(apply_locked).await
        } else {
            statement(connection, &batch, policy).await
        };
        let Some(rows) = attempts.rows(rows)? else { continue };
        is_contended |= rows.iter().any(|row| row.verdict == STALE);
        let outcome = |position: usize, row: Row| row.outcome(batch[position]);
        attempts.settle(rows.into_iter().map(|row| (row.n, row)), outcome);
    }
    Ok(attempts.finish())
}

async fn statement(
    connection: &mut AsyncPgConnection,
    changes: &[&NewChange],
    policy: ChangePolicy,
) -> QueryResult<Vec<Row>> {
    if changes.iter().all(|change| change.change.edit().is_some()) {
        ApplyChanges::<false>::new(changes, policy).load(connection).await
    } else {
        ApplyChanges::<true>::new(changes, policy).load(connection).await
    }
}

#[derive(Queryable)]
struct Row {
    /// The position of the change in the statement, from 1.
    n: i64,
    verdict: i16,
    seq: Option<Seq>,
    written: WrittenColumns,
    rich: RichColumns,
}

/// What only some edited messages have.
#[derive(Queryable)]
struct RichColumns {
    expires_at: Option<DateTime<Utc>>,
    extra: Option<Extra>,
    reactions: Option<Reactions>,
}

/// What the event of an applied change shows, unless the change itself has it.
#[derive(Queryable)]
struct WrittenColumns {
    at: Option<DateTime<Utc>>,
    chat_kind: Option<String>,
    /// Of the edited message.
    message_seq: Option<Seq>,
    message_request_id: Option<Uuid>,
    message_created_at: Option<DateTime<Utc>>,
    /// The deleted messages, as `chat_events.body` has them.
    deleted: Option<String>,
}

impl Row {
    /// Returns the outcome; `None` if the change must be tried again.
    fn outcome(self, new: &NewChange) -> Option<ChangeResult> {
        Some(match (self.verdict, self.seq) {
            (DONE, Some(seq)) => {
                let event = self.written.event(new, seq, self.rich).map(Box::new);
                event.map(ChangeOutcome::Applied).ok_or(MessageError::UnknownVerdict(DONE))
            }
            (DUPLICATE, Some(seq)) => Ok(ChangeOutcome::Duplicate(seq)),
            (MISMATCH, _) => Err(MessageError::IdempotencyMismatch),
            (UNCHANGED, _) => Ok(ChangeOutcome::Unchanged),
            // A deletion skips messages that are deleted or unknown.
            (GONE, _) if new.change.kind() == EventKind::Deleted => Ok(ChangeOutcome::Unchanged),
            (GONE, _) => Err(MessageError::NoSuchMessage),
            (NOT_AUTHOR, _) => Err(MessageError::NotAuthor),
            (TOO_LATE, _) => Err(MessageError::EditWindowClosed),
            (CHANGED_SINCE, _) => Err(MessageError::ChangedSince),
            (ROLE, _) => Err(MessageError::Role),
            (RESTRICTED, _) => Err(MessageError::Restricted),
            (STALE, _) => return None,
            (verdict, _) => Err(MessageError::UnknownVerdict(verdict)),
        })
    }
}

impl WrittenColumns {
    /// Returns the event of the change that was stored with this `seq`.
    fn event(self, new: &NewChange, seq: Seq, rich: RichColumns) -> Option<StoredEvent> {
        let &NewChange { chat, actor, request_id, ref change } = new;
        let origin = Origin { chat_id: chat, seq, by: actor, at: self.at? };
        let chat_kind = self.chat_kind.as_deref().and_then(ChatKind::from_name);
        let event = match change {
            Change::Edit { message, text, .. } => {
                let mut message = Message {
                    id: *message,
                    chat_id: chat,
                    // Only the author can edit it.
                    sender_id: actor,
                    request_id: self.message_request_id,
                    text: text.as_str().to_owned(),
                    created_at: self.message_created_at?,
                    updated_at: origin.at,
                    seq: self.message_seq?,
                    changed_seq: Some(seq),
                    is_deleted: false,
                    expires_at: rich.expires_at,
                    extra: rich.extra.into(),
                    reactions: rich.reactions.into(),
                    my_reactions: Vec::new(),
                };
                // Everybody gets the same message, also those who may not know the members of a channel.
                if chat_kind == Some(ChatKind::Channel) {
                    message.reactions.hide_users();
                }
                Event::edited(origin, message)
            }
            Change::Delete { .. } => Event::deleted(origin, serde_json::from_str(self.deleted.as_deref()?).ok()?),
        };
        Some(StoredEvent { actor, request_id, chat_kind, event })
    }
}
