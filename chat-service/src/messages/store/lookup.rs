//! Messages that are looked up by what they are, not by their place in a chat.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, HasQuery as _, OptionalExtension as _, QueryDsl as _, QueryableByName,
    sql_types::{BigInt, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::{ChatId, MessageId, Seq, UserId};
use uuid::Uuid;

use super::{access, is_visible_to, latest_access};
use crate::{
    access::Access,
    db::{Db, DbResult, prepared},
    messages::{
        error::MessageError,
        model::{History, LookupLimit, MentionPlace, Mentioned, Message, Replies},
    },
    reactions::store::add_own_reactions,
    schema::{chats, messages, replies},
};

/// Returns those of the messages that exist for the member, the newest first.
pub(in crate::messages) async fn by_ids(
    db: &Db,
    user: UserId,
    chat: ChatId,
    ids: &[MessageId],
) -> Result<History, MessageError> {
    db.run(async |connection| {
        let access = access(connection, user, chat).await?;
        // The head is read first, so that the answer reflects every event up to it.
        let head = chats::table.find(chat.0).select(chats::last_seq).first(connection).await.optional()?;
        let mut messages: Vec<Message> =
            Message::query().filter(messages::id.eq_any(ids.iter().map(|id| id.0))).load(connection).await?;
        let access = latest_access(connection, access).await?;
        messages.retain(|message| is_visible_to(access, message.chat_id, message.seq));
        messages.sort_unstable_by_key(|message| -message.seq);
        add_own_reactions(connection, user, &mut messages).await?;
        Ok(History {
            messages,
            has_previous: false,
            has_next: false,
            head_seq: head.ok_or(MessageError::NoSuchChat)?,
            first_seq: access.hidden_up_to() + 1,
        })
    })
    .await
}

/// Returns the messages after a `seq` that answer a message.
pub(in crate::messages) async fn replies(
    db: &Db,
    access: Access,
    to_seq: Seq,
    after: Seq,
    limit: LookupLimit,
) -> Result<Replies, MessageError> {
    let seqs = replies::table
        .filter(replies::chat_id.eq(access.chat().0))
        .filter(replies::to_seq.eq(to_seq))
        .filter(replies::seq.gt(after.max(access.hidden_up_to())))
        .order(replies::seq)
        .limit(limit.plus_one())
        .select(replies::seq);
    db.run(async |connection| {
        let mut seqs: Vec<Seq> = seqs.load(connection).await?;
        let next = limit.next_place(&mut seqs, Seq::to_string);
        let mut replies: Vec<Message> = Message::query()
            .filter(messages::chat_id.eq(access.chat().0))
            .filter(messages::seq.eq_any(&seqs))
            .order(messages::seq)
            .load(connection)
            .await?;
        let access = latest_access(connection, access).await?;
        replies.retain(|message| !message.is_deleted && message.seq > access.hidden_up_to());
        add_own_reactions(connection, access.user(), &mut replies).await?;
        Ok(Replies { replies, next })
    })
    .await
}

/// The first part has the mentions of the user, the second one those of all members. Both are ranges of an index, in the order of the
/// list. A user is not mentioned by a message of their own.
const MENTIONS: &str = "
    SELECT at, chat_id, seq, id FROM (
        (SELECT mention.at, mention.chat_id, mention.seq, message.id
           FROM mentions AS mention
           JOIN chat_members AS member ON member.chat_id = mention.chat_id AND member.user_id = mention.user_id
           JOIN chats ON chats.id = mention.chat_id AND NOT is_closed
           JOIN messages AS message ON message.chat_id = mention.chat_id AND message.seq = mention.seq
          WHERE mention.user_id = $1 AND mention.at <= $2 AND (mention.at, mention.chat_id, mention.seq) < ($2, $3, $4)
                AND mention.seq > from_seq AND deleted_at IS NULL AND (expires_at IS NULL OR expires_at > now())
          ORDER BY mention.at DESC, mention.chat_id DESC, mention.seq DESC LIMIT $5)
        UNION
        (SELECT mention.at, chats.id, mention.seq, message.id
           FROM chat_members AS member
           JOIN chats ON chats.id = member.chat_id AND NOT is_closed AND all_seq > from_seq,
                LATERAL (SELECT at, seq FROM mentions
                          WHERE user_id = '00000000-0000-0000-0000-000000000000' AND chat_id = chats.id
                                AND seq > from_seq AND (at, chat_id, seq) < ($2, $3, $4)
                          ORDER BY seq DESC LIMIT $5) AS mention
           JOIN messages AS message ON message.seq = mention.seq
          WHERE member.user_id = $1 AND message.chat_id = chats.id AND sender_id <> $1 AND deleted_at IS NULL
                AND (expires_at IS NULL OR expires_at > now())
          ORDER BY mention.at DESC, chats.id DESC, mention.seq DESC LIMIT $5)) AS found
     ORDER BY at DESC, chat_id DESC, seq DESC LIMIT $5";

#[derive(QueryableByName)]
struct MentionRow {
    #[diesel(sql_type = Timestamptz)]
    at: DateTime<Utc>,
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = BigInt)]
    seq: Seq,
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

/// Returns the messages before a place that mention a user.
pub(in crate::messages) async fn mentions(
    db: &Db,
    user: UserId,
    before: Option<MentionPlace>,
    limit: LookupLimit,
) -> DbResult<Mentioned> {
    let before =
        before.unwrap_or(MentionPlace { at: DateTime::<Utc>::MAX_UTC, chat: ChatId(Uuid::max()), seq: Seq::MAX });
    db.query(async |connection| {
        let query = prepared(MENTIONS)
            .bind::<SqlUuid, _>(user.0)
            .bind::<Timestamptz, _>(before.at)
            .bind::<SqlUuid, _>(before.chat.0)
            .bind::<BigInt, _>(before.seq)
            .bind::<BigInt, _>(limit.plus_one());
        let mut rows: Vec<MentionRow> = query.load(connection).await?;
        let place = |row: &MentionRow| MentionPlace { at: row.at, chat: ChatId(row.chat_id), seq: row.seq }.to_string();
        let next = limit.next_place(&mut rows, place);
        let mut found = found(connection, user, &rows).await?;
        let mentions = rows.iter().filter_map(|row| found.remove(&row.id)).collect();
        Ok(Mentioned { mentions, next })
    })
    .await
}

async fn found(
    connection: &mut AsyncPgConnection,
    user: UserId,
    rows: &[MentionRow],
) -> diesel::QueryResult<HashMap<Uuid, Message>> {
    let query = Message::query().filter(messages::id.eq_any(rows.iter().map(|row| row.id)));
    let mut found: Vec<Message> = query.load(connection).await?;
    add_own_reactions(connection, user, &mut found).await?;
    Ok(found.into_iter().filter(|message| !message.is_deleted).map(|message| (message.id.0, message)).collect())
}
