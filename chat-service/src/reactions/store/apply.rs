//! Changes of reactions. One statement applies any number of them.

use std::collections::HashMap;

use diesel::{ExpressionMethods as _, QueryDsl as _, QueryResult, Queryable};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::{
    chat::ChatClass,
    ids::{ChatId, Seq},
};
use uuid::Uuid;

use super::statement::{
    ApplyReactions, DONE, DUPLICATE, GONE, MISMATCH, RESTRICTED, ROLE, STALE, TOO_MANY, TOO_MANY_KINDS, UNCHANGED,
};
use crate::{
    messages::{
        error::{MessageError, Quantity},
        extra::Reactions,
        store::{attempts::Attempts, lock::lock_chats},
    },
    reactions::model::{MAX_KINDS, MAX_OF_USER, NewReaction, ReactionOutcome, window_s},
    rights::ChatKind,
    schema::chats,
    timeline::model::{Event, StoredEvent},
};

/// How often the changes are tried. Each retry means that another instance has just changed one of the chats, or the reactions of one
/// of the users.
const ATTEMPTS: usize = 5;

/// The outcome of one change.
pub(in crate::reactions) type ReactionResult = Result<ReactionOutcome, MessageError>;

/// How a statement changes reactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::reactions) enum Shape {
    /// Each change is an event. No two changes may concern the same message.
    Events,
    /// The changes are gathered. No two changes may be of the same user and message.
    Gathered,
}

/// Returns the time within which the reactions of each chat are gathered, in seconds, unless each is an event.
pub(in crate::reactions) async fn windows(
    connection: &mut AsyncPgConnection,
    chats: Vec<Uuid>,
) -> QueryResult<HashMap<ChatId, i32>> {
    let rows = chats::table
        .filter(chats::id.eq_any(chats))
        .select((chats::id, chats::kind, chats::class, chats::member_count))
        .load::<(Uuid, String, i16, i32)>(connection)
        .await?;
    let window = |(id, kind, class, members): (Uuid, String, i16, i32)| {
        let class = ChatClass::from_number(class).unwrap_or_default();
        let class = ChatKind::from_name(&kind)?.class(class, members);
        Some((ChatId(id), window_s(class)?))
    };
    Ok(rows.into_iter().filter_map(window).collect())
}

/// Applies changes, or finds earlier ones with their `request_id`s. If the database fails, it applies none. No two of the changes may
/// have the same user and `request_id`.
pub(in crate::reactions) async fn apply(
    connection: &mut AsyncPgConnection,
    shape: Shape,
    changes: &[(&NewReaction, i32)],
) -> QueryResult<Vec<ReactionResult>> {
    let changes: Vec<_> = changes.iter().collect();
    let mut attempts = Attempts::new(changes.len(), ATTEMPTS);
    let mut is_contended = false;
    while attempts.begin() {
        let batch = attempts.pending(&changes);
        let rows = if is_contended {
            let apply_locked = async |connection: &mut AsyncPgConnection| {
                lock_chats(connection, batch.iter().map(|(change, _)| change.chat)).await?;
                statement(connection, shape, &batch).await
            };
            connection.transaction(apply_locked).await
        } else {
            statement(connection, shape, &batch).await
        };
        let Some(rows) = attempts.rows(rows)? else { continue };
        is_contended |= rows.iter().any(|row| row.verdict == STALE);
        let outcome = |position: usize, row: Row| row.outcome(batch[position].0);
        attempts.settle(rows.into_iter().map(|row| (row.n, row)), outcome);
    }
    Ok(attempts.finish())
}

async fn statement(
    connection: &mut AsyncPgConnection,
    shape: Shape,
    changes: &[&(&NewReaction, i32)],
) -> QueryResult<Vec<Row>> {
    match shape {
        Shape::Events => ApplyReactions::<false>::new(changes).load(connection).await,
        Shape::Gathered => ApplyReactions::<true>::new(changes).load(connection).await,
    }
}

#[derive(Queryable)]
struct Row {
    /// The position of the change in the statement, from 1.
    n: i64,
    verdict: i16,
    seq: Option<Seq>,
    chat_kind: Option<String>,
    message_seq: Option<Seq>,
    reactions: Option<Reactions>,
}

impl Row {
    /// Returns the outcome; `None` if the change must be tried again.
    fn outcome(self, new: &NewReaction) -> Option<ReactionResult> {
        Some(match (self.verdict, self.seq) {
            (DONE, None) => Ok(ReactionOutcome::Gathered),
            (DONE, Some(seq)) => {
                let event = self.event(new, seq).map(Box::new);
                event.map(ReactionOutcome::Applied).ok_or(MessageError::UnknownVerdict(DONE))
            }
            (DUPLICATE, seq) => Ok(ReactionOutcome::Duplicate(seq)),
            (MISMATCH, _) => Err(MessageError::IdempotencyMismatch),
            (UNCHANGED, _) => Ok(ReactionOutcome::Unchanged),
            (GONE, _) => Err(MessageError::NoSuchMessage),
            (ROLE, _) => Err(MessageError::Role),
            (RESTRICTED, _) => Err(MessageError::Restricted),
            (TOO_MANY, _) => Err(MessageError::LimitReached(Quantity::Reactions, MAX_OF_USER)),
            (TOO_MANY_KINDS, _) => Err(MessageError::LimitReached(Quantity::ReactionKinds, MAX_KINDS)),
            (STALE, _) => return None,
            (verdict, _) => Err(MessageError::UnknownVerdict(verdict)),
        })
    }

    fn event(self, new: &NewReaction, seq: Seq) -> Option<StoredEvent> {
        let event = Event::reactions(new.chat, seq, (new.message, self.message_seq?), self.reactions.into());
        let chat_kind = self.chat_kind.as_deref().and_then(ChatKind::from_name);
        Some(StoredEvent { actor: new.user, request_id: new.request_id, chat_kind, event })
    }
}
