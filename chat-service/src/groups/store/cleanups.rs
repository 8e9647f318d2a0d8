//! Members who were removed together with their messages.

use diesel::{
    OptionalExtension as _, QueryResult, QueryableByName,
    sql_types::{Array, BigInt, Bool, Integer, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::{
    ids::{ChatId, MessageId, Seq, UserId},
    message::MAX_DELETED,
};
use uuid::Uuid;

use super::uuids;
use crate::db::{Db, DbResult, prepared};

/// The most messages of one user that are deleted: the last ones. Those that were deleted before count, so a repeated request does not
/// delete more.
const MOST: i32 = 1000;

/// The number of places in the sequence that are looked through. There is no index by chat and sender.
const REACH: Seq = 100_000;

/// The number of places that one step looks through.
const SPAN: Seq = 2000;

/// What the actor does not see cannot be deleted.
const ADD: &str = "
    INSERT INTO message_cleanups (chat_id, user_id, by_id, from_seq, until_seq, remaining)
    SELECT $1, removed.user_id, $3, greatest(actor.from_seq, $4 - $5), $4, $6
      FROM unnest($2) AS removed (user_id), chat_members AS actor
     WHERE actor.chat_id = $1 AND actor.user_id = $3
    ON CONFLICT (chat_id, user_id) DO UPDATE
       SET by_id = excluded.by_id, from_seq = excluded.from_seq, until_seq = excluded.until_seq,
           remaining = excluded.remaining, claimed_until = excluded.claimed_until";

const CLAIM: &str = "
    UPDATE message_cleanups SET claimed_until = clock_timestamp() + interval '30 seconds'
     WHERE ctid = (SELECT ctid FROM message_cleanups WHERE claimed_until <= clock_timestamp()
                    ORDER BY claimed_until LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING chat_id, user_id, by_id, from_seq, until_seq, remaining";

const FIND: &str = "
    WITH seen AS MATERIALIZED (
        SELECT id, seq, sender_id, deleted_at FROM messages WHERE chat_id = $1 AND seq > $3 AND seq <= $4
    )
    SELECT id, seq, deleted_at IS NOT NULL AS is_deleted FROM seen WHERE sender_id = $2 ORDER BY seq DESC LIMIT $5";

/// A request that came meanwhile begins again.
const ADVANCE: &str = "
    UPDATE message_cleanups SET until_seq = $5, remaining = $6
     WHERE chat_id = $1 AND user_id = $2 AND by_id = $3 AND until_seq = $4";

const END: &str = "DELETE FROM message_cleanups WHERE chat_id = $1 AND user_id = $2 AND by_id = $3 AND until_seq = $4";

/// What is still to be deleted of a user's messages.
#[derive(Clone, Copy, Debug, QueryableByName)]
pub(in crate::groups) struct Cleanup {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    by_id: Uuid,
    #[diesel(sql_type = BigInt)]
    from_seq: Seq,
    #[diesel(sql_type = BigInt)]
    until_seq: Seq,
    #[diesel(sql_type = Integer)]
    remaining: i32,
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = BigInt)]
    seq: Seq,
    #[diesel(sql_type = Bool)]
    is_deleted: bool,
}

/// Messages to be deleted, and what is to be done after them.
#[derive(Debug)]
pub(in crate::groups) struct Step {
    pub(in crate::groups) messages: Vec<MessageId>,
    /// `None` if these are the last.
    rest: Option<Cleanup>,
}

/// Requests that the last messages of users up to this `seq` are deleted.
pub(super) async fn add(
    connection: &mut AsyncPgConnection,
    chat: ChatId,
    users: &[UserId],
    by: UserId,
    until: Seq,
) -> QueryResult<()> {
    let add = prepared(ADD).bind::<SqlUuid, _>(chat.0).bind::<Array<SqlUuid>, _>(uuids(users));
    let add = add.bind::<SqlUuid, _>(by.0).bind::<BigInt, _>(until).bind::<BigInt, _>(REACH);
    let add = add.bind::<Integer, _>(MOST);
    add.execute(connection).await.map(drop)
}

/// Takes a request that no instance works on.
pub(in crate::groups) async fn claim(db: &Db) -> DbResult<Option<Cleanup>> {
    db.query(async |connection| prepared(CLAIM).get_result::<Cleanup>(connection).await.optional()).await
}

impl Cleanup {
    pub(in crate::groups) const fn chat(&self) -> ChatId {
        ChatId(self.chat_id)
    }

    pub(in crate::groups) const fn user(&self) -> UserId {
        UserId(self.user_id)
    }

    /// Returns the user who asked for it.
    pub(in crate::groups) const fn by(&self) -> UserId {
        UserId(self.by_id)
    }

    /// Returns the next messages.
    pub(in crate::groups) async fn next(&self, db: &Db) -> DbResult<Step> {
        let most = usize::try_from(self.remaining).unwrap_or(0).min(MAX_DELETED);
        let from = self.from_seq.max(self.until_seq - SPAN);
        let find = async |connection: &mut _| {
            let find = prepared(FIND).bind::<SqlUuid, _>(self.chat_id).bind::<SqlUuid, _>(self.user_id);
            let find = find.bind::<BigInt, _>(from).bind::<BigInt, _>(self.until_seq);
            find.bind::<BigInt, _>(i64::try_from(most).unwrap_or(i64::MAX)).load::<Found>(connection).await
        };
        let found = db.query(find).await?;
        let until_seq = found.last().filter(|_| found.len() == most).map_or(from, |last| last.seq - 1);
        let remaining = self.remaining - i32::try_from(found.len()).unwrap_or(i32::MAX);
        let rest = Self { until_seq, remaining, ..*self };
        let messages = found.into_iter().filter(|found| !found.is_deleted).map(|found| MessageId(found.id)).collect();
        Ok(Step { messages, rest: Some(rest).filter(|rest| remaining > 0 && rest.until_seq > rest.from_seq) })
    }

    /// Records that the messages of a step are deleted. Returns what is still to be done.
    pub(in crate::groups) async fn finish(&self, db: &Db, step: Step) -> DbResult<Option<Self>> {
        let Some(rest) = step.rest else {
            self.end(db).await?;
            return Ok(None);
        };
        let advance = async |connection: &mut _| {
            let advance = prepared(ADVANCE).bind::<SqlUuid, _>(self.chat_id).bind::<SqlUuid, _>(self.user_id);
            let advance = advance.bind::<SqlUuid, _>(self.by_id).bind::<BigInt, _>(self.until_seq);
            advance.bind::<BigInt, _>(rest.until_seq).bind::<Integer, _>(rest.remaining).execute(connection).await
        };
        Ok((db.query(advance).await? > 0).then_some(rest))
    }

    /// Removes the request, unless it came again.
    pub(in crate::groups) async fn end(&self, db: &Db) -> DbResult<()> {
        let end = async |connection: &mut _| {
            let end = prepared(END).bind::<SqlUuid, _>(self.chat_id).bind::<SqlUuid, _>(self.user_id);
            end.bind::<SqlUuid, _>(self.by_id).bind::<BigInt, _>(self.until_seq).execute(connection).await
        };
        db.query(end).await.map(drop)
    }
}
