//! Pins in Postgres.

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, HasQuery as _, OptionalExtension as _, QueryDsl as _, QueryResult, QueryableByName,
    sql_types::{BigInt, Bool, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::{ChatId, Seq, UserId};
use uuid::Uuid;

use super::model::{MAX_PINS, NewPin, Pin, PinOutcome, Pins};
use crate::{
    db::{Db, prepared},
    messages::{
        error::{MessageError, Quantity},
        model::Message,
        store::{self, attempts::Attempts, lock::lock_chats},
    },
    reactions::store::add_own_reactions,
    rights::ChatKind,
    schema::{messages, pins},
    timeline::model::{Event, Origin, StoredEvent},
};

/// How often a change is tried. Each retry means that the chat was just changed by others.
const ATTEMPTS: usize = 5;

/// One statement, so one transaction and one round trip. It reads what it changes before it holds the lock of the chat. So it also
/// reads `event_count` and `access_version` before, and compares them under the lock. The rights are those of [`crate::rights`].
const CHANGE: &str = "
    WITH allowed AS MATERIALIZED (
        SELECT chats.kind AS chat_kind, event_count AS version, access_version AS allowed_version, from_seq,
               CASE WHEN restricted_until > now() THEN 10 WHEN role < pin_role AND kind <> 'direct' THEN 9 END AS refusal
          FROM chat_members AS member, chats
         WHERE member.chat_id = $1 AND user_id = $2 AND chats.id = $1 AND NOT is_closed
    ), seen AS MATERIALIZED (
        SELECT event.seq,
               event.chat_id = $1 AND event.kind = $6
               AND EXISTS (SELECT FROM messages
                            WHERE messages.id = $3 AND messages.chat_id = $1 AND messages.seq = target_seq) AS is_same
          FROM chat_events AS event WHERE actor_id = $2 AND event.request_id = $4
    ), target AS MATERIALIZED (
        SELECT allowed.*, message_seq,
               CASE WHEN refusal IS NOT NULL THEN refusal
                    WHEN EXISTS (SELECT FROM pins WHERE chat_id = $1 AND pins.message_seq = message.message_seq) = $5 THEN 3
                    WHEN $5 AND (SELECT count(*) FROM pins, LATERAL (
                                        SELECT FROM messages
                                         WHERE messages.chat_id = $1 AND messages.seq = pins.message_seq
                                               AND (expires_at IS NULL OR expires_at > now())
                                        OFFSET 0) AS pinned
                                  WHERE pins.chat_id = $1) >= $7 THEN 11
                    ELSE 0
               END::smallint AS verdict
          FROM allowed, LATERAL (
               SELECT seq AS message_seq, chat_id AS found_in, deleted_at, expires_at FROM messages WHERE id = $3 OFFSET 0
          ) AS message
         WHERE found_in = $1 AND message_seq > from_seq AND deleted_at IS NULL
               AND (expires_at IS NULL OR expires_at > now()) AND NOT EXISTS (SELECT FROM seen)
    ), chat AS MATERIALIZED (
        SELECT id, last_seq, last_event_at, event_count, access_version FROM chats
         WHERE id = $1 AND EXISTS (SELECT FROM target WHERE verdict = 0)
           FOR NO KEY UPDATE
    ), placed AS MATERIALIZED (
        SELECT target.*, last_seq + 1 AS seq, event_count + 1 AS event_n,
               greatest(clock_timestamp(), last_event_at + interval '1 us') AS at
          FROM target, chat
         WHERE verdict = 0 AND event_count = version AND access_version = allowed_version
    ), pinned AS (
        INSERT INTO pins (chat_id, message_seq, by_id, at) SELECT $1, message_seq, $2, at FROM placed WHERE $5
    ), unpinned AS (
        DELETE FROM pins USING placed
         WHERE NOT $5 AND pins.chat_id = $1 AND pins.message_seq = placed.message_seq
    ), stored AS (
        INSERT INTO chat_events (chat_id, seq, n, kind, actor_id, request_id, target_seq, created_at)
        SELECT $1, seq, event_n, $6, $2, $4, message_seq, at FROM placed
    ), moved_on AS (
        UPDATE chats SET last_seq = seq, last_event_at = at, event_count = event_n, event_seq = seq
          FROM placed WHERE chats.id = $1
    )
    SELECT 0::smallint AS verdict, seq, at, chat_kind FROM placed
    UNION ALL
    SELECT CASE WHEN is_same THEN 1 ELSE 2 END::smallint, seq, NULL, NULL FROM seen
    UNION ALL
    SELECT CASE verdict WHEN 0 THEN 8 ELSE coalesce(verdict, 4) END::smallint, NULL, NULL, NULL
      FROM allowed LEFT JOIN target ON TRUE
     WHERE NOT EXISTS (SELECT FROM seen) AND NOT EXISTS (SELECT FROM placed)";

const DONE: i16 = 0;
const DUPLICATE: i16 = 1;
const MISMATCH: i16 = 2;
const UNCHANGED: i16 = 3;
const GONE: i16 = 4;
const STALE: i16 = 8;
const ROLE: i16 = 9;
const RESTRICTED: i16 = 10;
const TOO_MANY: i16 = 11;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SmallInt)]
    verdict: i16,
    #[diesel(sql_type = Nullable<BigInt>)]
    seq: Option<Seq>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    chat_kind: Option<String>,
}

/// Applies a change, or finds the event of an earlier one with its `request_id`.
pub(super) async fn change(db: &Db, new: NewPin) -> Result<PinOutcome, MessageError> {
    db.run(async |connection| {
        let mut attempts = Attempts::new(1, ATTEMPTS);
        let mut is_contended = false;
        while attempts.begin() {
            let row = if is_contended {
                let locked = async |connection: &mut AsyncPgConnection| {
                    lock_chats(connection, std::iter::once(new.chat)).await?;
                    run(connection, new).await
                };
                connection.transaction(locked).await
            } else {
                run(connection, new).await
            };
            let Some(rows) = attempts.rows(row.map(Vec::from_iter))? else { continue };
            is_contended |= rows.iter().any(|row| row.verdict == STALE);
            attempts.settle(rows.into_iter().map(|row| (1, row)), |_, row| row.outcome(new));
        }
        attempts.finish().pop().unwrap_or(Err(MessageError::Contended))
    })
    .await
}

async fn run(connection: &mut AsyncPgConnection, new: NewPin) -> QueryResult<Option<Row>> {
    prepared(CHANGE)
        .bind::<SqlUuid, _>(new.chat.0)
        .bind::<SqlUuid, _>(new.user.0)
        .bind::<SqlUuid, _>(new.message.0)
        .bind::<Nullable<SqlUuid>, _>(new.request_id.map(|id| id.0))
        .bind::<Bool, _>(new.is_on)
        .bind::<SmallInt, _>(new.kind() as i16)
        .bind::<BigInt, _>(i64::from(MAX_PINS))
        .get_result(connection)
        .await
        .optional()
}

impl Row {
    /// Returns the outcome; `None` if the change must be tried again.
    fn outcome(self, new: NewPin) -> Option<Result<PinOutcome, MessageError>> {
        Some(match (self.verdict, self.seq) {
            (DONE, Some(seq)) => {
                let event = self.event(new, seq).map(Box::new);
                event.map(PinOutcome::Applied).ok_or(MessageError::UnknownVerdict(DONE))
            }
            (DUPLICATE, Some(seq)) => Ok(PinOutcome::Duplicate(seq)),
            (MISMATCH, _) => Err(MessageError::IdempotencyMismatch),
            (UNCHANGED, _) => Ok(PinOutcome::Unchanged),
            (GONE, _) => Err(MessageError::NoSuchMessage),
            (ROLE, _) => Err(MessageError::Role),
            (RESTRICTED, _) => Err(MessageError::Restricted),
            (TOO_MANY, _) => Err(MessageError::LimitReached(Quantity::Pins, MAX_PINS)),
            (STALE, _) => return None,
            (verdict, _) => Err(MessageError::UnknownVerdict(verdict)),
        })
    }

    fn event(self, new: NewPin, seq: Seq) -> Option<StoredEvent> {
        let NewPin { chat: chat_id, user: by, message, is_on, request_id } = new;
        let event = Event::pinned(Origin { chat_id, seq, by, at: self.at? }, message, is_on);
        let chat_kind = self.chat_kind.as_deref().and_then(ChatKind::from_name);
        Some(StoredEvent { actor: by, request_id, chat_kind, event })
    }
}

/// Returns the pinned messages of a chat that exist for a member.
pub(super) async fn list(db: &Db, user: UserId, chat: ChatId) -> Result<Pins, MessageError> {
    db.run(async |connection| {
        let access = store::access(connection, user, chat).await?;
        // Expired messages may add to those that are not.
        let rows: Vec<(Seq, Uuid, DateTime<Utc>)> = pins::table
            .filter(pins::chat_id.eq(chat.0))
            .filter(pins::message_seq.gt(access.hidden_up_to()))
            .order((pins::at.desc(), pins::message_seq.desc()))
            .select((pins::message_seq, pins::by_id, pins::at))
            .load(connection)
            .await?;
        let mut found: Vec<Message> = Message::query()
            .filter(messages::chat_id.eq(chat.0))
            .filter(messages::seq.eq_any(rows.iter().map(|(seq, ..)| *seq)))
            .load(connection)
            .await?;
        let access = store::latest_access(connection, access).await?;
        found.retain(|message| message.seq > access.hidden_up_to() && !message.is_deleted);
        add_own_reactions(connection, user, &mut found).await?;
        let pin = |(seq, by, at)| {
            let place = found.iter().position(|message| message.seq == seq)?;
            Some(Pin { message: found.swap_remove(place).seen_by(user), by: UserId(by), at })
        };
        Ok(Pins { pins: rows.into_iter().filter_map(pin).collect(), next: None })
    })
    .await
}
