//! Scheduled messages in Postgres.

mod claims;

use std::{sync::OnceLock, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, HasQuery, OptionalExtension as _, QueryDsl as _, QueryResult,
    QueryableByName,
    dsl::exists,
    result::Error as QueryError,
    sql_types::{BigInt, Bool, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::{ChatId, MessageId, ScheduledId, SendId, Seq, UserId};
use serde_json::Value;
use uuid::Uuid;

pub(super) use self::claims::{Postponed, claim, settle, until_next};
use super::{
    MAX_SCHEDULED,
    model::{
        Body, NewScheduled, Place, ScheduledAt, ScheduledLimit, ScheduledMessage, ScheduledPatch, Scheduling, SentAt,
        Target,
    },
};
use crate::{
    access::Access,
    db::{Db, DbResult, prepared},
    messages::{error::MessageError, given::Given, model::IS_GONE},
    rights::{Action, ChatKind, ChatSettings, may},
    schema::{chat_profiles, messages, scheduled_messages, users},
};

/// The longest time until a message is sent.
const MAX: TimeDelta = TimeDelta::days(366);

#[derive(HasQuery)]
#[diesel(table_name = scheduled_messages)]
struct Row {
    id: Uuid,
    send_at: DateTime<Utc>,
    request_id: Uuid,
    body: Value,
}

impl Row {
    fn message(self) -> QueryResult<ScheduledMessage> {
        let body = serde_json::from_value(self.body).map_err(|error| QueryError::DeserializationError(error.into()));
        let Body { text, given } = body?;
        let (id, request_id) = (ScheduledId(self.id), SendId(self.request_id));
        Ok(ScheduledMessage { id, send_at: self.send_at, request_id, text, given })
    }
}

/// Checks that a message may be sent at this time.
pub(super) fn check_time(send_at: DateTime<Utc>, min: Duration) -> Result<(), MessageError> {
    let ahead = send_at - Utc::now();
    let is_within = TimeDelta::from_std(min).is_ok_and(|min| (min..=MAX).contains(&ahead));
    if is_within { Ok(()) } else { Err(MessageError::SendAt { min }) }
}

/// Schedules a message, or finds the one that has its `request_id`.
///
/// The row of the sender serializes the requests of one user, so that the limit holds.
pub(super) async fn schedule(db: &Db, message: NewScheduled, min: Duration) -> Result<Scheduling, MessageError> {
    let id = ScheduledId::new();
    db.run(async |connection| {
        let schedule = async |connection: &mut AsyncPgConnection| {
            let sender = users::table.find(message.sender.0).select(users::id).for_no_key_update();
            sender.first::<Uuid>(connection).await.optional()?.ok_or(MessageError::NoSuchChat)?;
            if let Some(earlier) = find_earlier(connection, &message, id).await? {
                return Ok(earlier);
            }
            let access = access(connection, message.sender, message.chat).await?;
            require_send(connection, access).await?;
            check_time(message.send_at, min)?;
            if count(connection, access).await? >= MAX_SCHEDULED {
                return Err(MessageError::TooManyScheduled);
            }
            insert(connection, &message, id).await?;
            Ok(Scheduling::New(ScheduledAt { id, send_at: message.send_at }))
        };
        connection.transaction(schedule).await
    })
    .await
}

async fn access(connection: &mut AsyncPgConnection, user: UserId, chat: ChatId) -> Result<Access, MessageError> {
    Access::find(connection, user, chat).await?.ok_or(MessageError::NoSuchChat)
}

/// Checks that a member may send messages. Whether it is allowed when the message is sent is decided then.
async fn require_send(connection: &mut AsyncPgConnection, access: Access) -> Result<(), MessageError> {
    let profile = chat_profiles::table.find(access.chat().0).select((chat_profiles::settings, chat_profiles::handle));
    // A direct chat has no profile.
    let settings = match profile.first::<(String, Option<String>)>(connection).await.optional()? {
        Some((settings, handle)) => ChatSettings::from_stored(&settings, access.kind(), handle.is_some(), 0)
            .map_err(|error| QueryError::DeserializationError(error.into()))?,
        None => ChatSettings::of_new(ChatKind::Direct, false, None),
    };
    Ok(may(access.standing(Utc::now()), Action::Send, access.kind(), &settings)?)
}

async fn count(connection: &mut AsyncPgConnection, access: Access) -> QueryResult<i64> {
    let own = scheduled_messages::table
        .filter(scheduled_messages::chat_id.eq(access.chat().0))
        .filter(scheduled_messages::sender_id.eq(access.user().0));
    own.count().get_result(connection).await
}

async fn insert(connection: &mut AsyncPgConnection, message: &NewScheduled, id: ScheduledId) -> QueryResult<()> {
    let body = serde_json::to_value(&message.body).map_err(|error| QueryError::SerializationError(error.into()))?;
    diesel::insert_into(scheduled_messages::table)
        .values((
            scheduled_messages::id.eq(id.0),
            scheduled_messages::chat_id.eq(message.chat.0),
            scheduled_messages::sender_id.eq(message.sender.0),
            scheduled_messages::request_id.eq(message.request_id.0),
            scheduled_messages::digest.eq(message.digest()),
            scheduled_messages::send_at.eq(message.send_at),
            scheduled_messages::due_at.eq(message.send_at),
            scheduled_messages::body.eq(body),
        ))
        .execute(connection)
        .await
        .map(drop)
}

/// Finds what an earlier request with this `request_id` scheduled, or sent. `id` is that of this request: the first attempt may be
/// committed already.
async fn find_earlier(
    connection: &mut AsyncPgConnection,
    message: &NewScheduled,
    id: ScheduledId,
) -> Result<Option<Scheduling>, MessageError> {
    let row = scheduled_messages::table
        .filter(scheduled_messages::sender_id.eq(message.sender.0))
        .filter(scheduled_messages::request_id.eq(message.request_id.0))
        .select((
            scheduled_messages::id,
            scheduled_messages::chat_id,
            scheduled_messages::digest,
            scheduled_messages::send_at,
        ))
        .first::<(Uuid, Uuid, i64, DateTime<Utc>)>(connection)
        .await
        .optional()?;
    let Some((known, chat, digest, send_at)) = row else { return find_sent(connection, message).await };
    if chat != message.chat.0 || digest != message.digest() {
        return Err(MessageError::IdempotencyMismatch);
    }
    let at = ScheduledAt { id: ScheduledId(known), send_at };
    Ok(Some(if at.id == id { Scheduling::New(at) } else { Scheduling::Duplicate(at) }))
}

#[derive(QueryableByName)]
struct SentRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = BigInt)]
    seq: Seq,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = Bool)]
    is_same: bool,
}

/// Finds the message that a scheduled one became. It has the text that was scheduled last.
async fn find_sent(
    connection: &mut AsyncPgConnection,
    message: &NewScheduled,
) -> Result<Option<Scheduling>, MessageError> {
    let query = format!(
        "SELECT id, seq, created_at,
                chat_id = $3 AND ({IS_GONE} IS TRUE
                    OR EXISTS (SELECT FROM passive_messages AS passive
                                WHERE passive.chat_id = messages.chat_id AND user_id = sender_id AND passive.seq = messages.seq)
                       AND (changed_seq IS NOT NULL OR text = $4 AND extra_digest IS NOT DISTINCT FROM $5)) AS is_same
           FROM messages WHERE sender_id = $1 AND request_id = $2"
    );
    let Body { text, given } = &message.body;
    let given_digest = (*given != Given::default()).then(|| given.digest());
    let query = prepared(&query).bind::<SqlUuid, _>(message.sender.0).bind::<SqlUuid, _>(message.request_id.0);
    let query = query.bind::<SqlUuid, _>(message.chat.0).bind::<Text, _>(text.as_str());
    let row = query.bind::<Nullable<BigInt>, _>(given_digest).get_result::<SentRow>(connection).await.optional()?;
    match row {
        None => Ok(None),
        Some(SentRow { is_same: false, .. }) => Err(MessageError::IdempotencyMismatch),
        Some(SentRow { id, seq, created_at, .. }) => {
            Ok(Some(Scheduling::Sent(SentAt { id: MessageId(id), seq, created_at })))
        }
    }
}

/// Returns whether a user has scheduled a message with this `request_id`.
pub(super) async fn is_scheduled(db: &Db, sender: UserId, request: SendId) -> DbResult<bool> {
    let known = scheduled_messages::table
        .filter(scheduled_messages::sender_id.eq(sender.0))
        .filter(scheduled_messages::request_id.eq(request.0));
    db.query(async |connection| diesel::select(exists(known)).get_result(connection).await).await
}

/// Returns the messages after a place that a user has scheduled in a chat, the next one first, and one more than the limit. Those that
/// are being sent are left out.
pub(super) async fn list(
    db: &Db,
    user: UserId,
    chat: ChatId,
    after: Option<Place>,
    limit: ScheduledLimit,
) -> Result<Vec<ScheduledMessage>, MessageError> {
    let Place { send_at, id } = after.unwrap_or(Place { send_at: DateTime::UNIX_EPOCH, id: ScheduledId(Uuid::nil()) });
    let is_same_time = scheduled_messages::send_at.eq(send_at).and(scheduled_messages::id.gt(id.0));
    let rows = Row::query()
        .filter(scheduled_messages::chat_id.eq(chat.0))
        .filter(scheduled_messages::sender_id.eq(user.0))
        .filter(scheduled_messages::is_claimed.eq(false))
        .filter(scheduled_messages::send_at.gt(send_at).or(is_same_time))
        .order((scheduled_messages::send_at, scheduled_messages::id))
        .limit(limit.plus_one());
    db.run(async |connection| {
        access(connection, user, chat).await?;
        let rows = rows.load(connection).await?;
        Ok(rows.into_iter().map(Row::message).collect::<QueryResult<_>>()?)
    })
    .await
}

/// Formatting that the new text does not have goes with the old one.
const CHANGE: &str = "
    UPDATE scheduled_messages
       SET send_at = coalesce($4, send_at), due_at = coalesce($4, due_at),
           body = CASE WHEN $5 IS NULL THEN body ELSE body - 'entities' || $5 END
     WHERE id = $1 AND chat_id = $2 AND sender_id = $3 AND NOT is_claimed
    RETURNING id, send_at, request_id, body";

#[derive(QueryableByName)]
struct Changed {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    send_at: DateTime<Utc>,
    #[diesel(sql_type = SqlUuid)]
    request_id: Uuid,
    #[diesel(sql_type = Jsonb)]
    body: Value,
}

/// Changes a message that is not being sent.
pub(super) async fn change(
    db: &Db,
    Target { user, chat, id }: Target,
    patch: ScheduledPatch,
) -> Result<ScheduledMessage, MessageError> {
    let text = patch.text.as_ref().map(serde_json::to_value).transpose();
    let text = text.map_err(|error| QueryError::SerializationError(error.into()))?;
    db.run(async |connection| {
        access(connection, user, chat).await?;
        let change = prepared(CHANGE).bind::<SqlUuid, _>(id.0).bind::<SqlUuid, _>(chat.0).bind::<SqlUuid, _>(user.0);
        let change = change.bind::<Nullable<Timestamptz>, _>(patch.send_at).bind::<Nullable<Jsonb>, _>(&text);
        let changed = change.get_result::<Changed>(connection).await.optional()?;
        let Changed { id, send_at, request_id, body } = changed.ok_or(MessageError::NoSuchScheduled)?;
        Ok(Row { id, send_at, request_id, body }.message()?)
    })
    .await
}

/// Deletes a message that is not being sent.
pub(super) async fn cancel(db: &Db, Target { user, chat, id }: Target) -> Result<(), MessageError> {
    let own = scheduled_messages::table
        .find(id.0)
        .filter(scheduled_messages::chat_id.eq(chat.0))
        .filter(scheduled_messages::sender_id.eq(user.0))
        .filter(scheduled_messages::is_claimed.eq(false));
    let request = OnceLock::new();
    db.run(async |connection| {
        access(connection, user, chat).await?;
        let found: Option<Uuid> = own.select(scheduled_messages::request_id).first(connection).await.optional()?;
        if let Some(found) = found {
            request.get_or_init(|| found);
        }
        let is_deleted = diesel::delete(own).execute(connection).await? > 0;
        match request.get() {
            Some(_) if is_deleted => Ok(()),
            // An earlier attempt may have deleted it. If not, it is being sent or was sent.
            Some(request) if !is_sent(connection, user, id, *request).await? => Ok(()),
            _ => Err(MessageError::NoSuchScheduled),
        }
    })
    .await
}

/// Returns whether a scheduled message is being sent or was sent.
async fn is_sent(
    connection: &mut AsyncPgConnection,
    user: UserId,
    id: ScheduledId,
    request: Uuid,
) -> QueryResult<bool> {
    let sent = messages::table.filter(messages::sender_id.eq(user.0)).filter(messages::request_id.eq(request));
    diesel::select(exists(scheduled_messages::table.find(id.0)).or(exists(sent))).get_result(connection).await
}
