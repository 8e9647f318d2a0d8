//! What messages refer to: other messages, and members.

use std::collections::HashMap;

use chrono::Utc;
use diesel::{
    OptionalExtension as _, QueryDsl as _, QueryableByName,
    sql_types::{Array, BigInt, Bool, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use neonchat_common::ids::{ChatId, MessageId, Seq, UserId};
use uuid::Uuid;

use crate::{
    access::Access,
    db::{Db, DbResult, prepared},
    messages::model::NewMessage,
    rights::{Action, ChatKind, ChatSettings, may},
    schema::chat_profiles,
};

/// A message that is answered.
#[derive(Clone, Copy, Debug)]
pub(in crate::messages) struct Replied {
    pub(in crate::messages) id: MessageId,
    pub(in crate::messages) seq: Seq,
    pub(in crate::messages) sender_id: UserId,
    /// Whether its sender is still a member.
    pub(in crate::messages) is_by_member: bool,
}

/// `OFFSET 0` makes Postgres look up the rows one by one through their index.
const REPLIED: &str = "
    SELECT n, message.id, seq, sender_id,
           EXISTS (SELECT FROM chat_members AS author
                    WHERE author.chat_id = wanted.chat_id AND author.user_id = sender_id) AS is_by_member
      FROM unnest($1, $2, $3, $4) AS wanted (n, chat_id, user_id, message_id),
           LATERAL (SELECT from_seq FROM chat_members AS member
                     WHERE member.chat_id = wanted.chat_id AND member.user_id = wanted.user_id OFFSET 0) AS member,
           LATERAL (SELECT id, chat_id AS found_in, seq, sender_id, deleted_at, expires_at FROM messages
                     WHERE messages.id = wanted.message_id OFFSET 0) AS message
     WHERE found_in = wanted.chat_id AND seq > from_seq AND deleted_at IS NULL
           AND (expires_at IS NULL OR expires_at > now())";

#[derive(QueryableByName)]
struct RepliedRow {
    #[diesel(sql_type = BigInt)]
    n: i64,
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = BigInt)]
    seq: Seq,
    #[diesel(sql_type = SqlUuid)]
    sender_id: Uuid,
    #[diesel(sql_type = Bool)]
    is_by_member: bool,
}

/// Returns the messages that are answered, each with the index of its request. Those that do not exist for the sender of the answer are
/// left out.
pub(in crate::messages) async fn find_replied(
    db: &Db,
    replies: &[(ChatId, UserId, Option<MessageId>)],
) -> DbResult<HashMap<usize, Replied>> {
    let wanted = || replies.iter().zip(0_i64..).filter_map(|(reply, n)| Some((n, reply.0.0, reply.1.0, reply.2?.0)));
    if wanted().next().is_none() {
        return Ok(HashMap::new());
    }
    let query = || {
        prepared(REPLIED)
            .bind::<Array<BigInt>, _>(wanted().map(|reply| reply.0).collect::<Vec<_>>())
            .bind::<Array<SqlUuid>, _>(wanted().map(|reply| reply.1).collect::<Vec<_>>())
            .bind::<Array<SqlUuid>, _>(wanted().map(|reply| reply.2).collect::<Vec<_>>())
            .bind::<Array<SqlUuid>, _>(wanted().map(|reply| reply.3).collect::<Vec<_>>())
    };
    let rows: Vec<RepliedRow> = db.query(async |connection| query().load(connection).await).await?;
    let indexed = |RepliedRow { n, id, seq, sender_id, is_by_member }| {
        let sender_id = UserId(sender_id);
        Some((usize::try_from(n).ok()?, Replied { id: MessageId(id), seq, sender_id, is_by_member }))
    };
    Ok(rows.into_iter().filter_map(indexed).collect())
}

/// Who may be mentioned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::messages) enum Mentionable {
    /// The user with this folded name.
    Name(String),
    User(UserId),
}

impl Mentionable {
    fn columns(&self) -> (Option<&str>, Option<Uuid>) {
        match self {
            Self::Name(name) => (Some(name), None),
            Self::User(user) => (None, Some(user.0)),
        }
    }
}

/// Returns the index of a request as a number of Postgres.
fn index(index: usize) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

const MEMBERS: &str = "
    SELECT n, name, member.user_id
      FROM unnest($1, $2, $3, $4) AS wanted (n, chat_id, name, given_id),
           LATERAL (SELECT coalesce(given_id, (SELECT id FROM users WHERE username_key = name)) AS user_id OFFSET 0) AS who,
           LATERAL (SELECT user_id FROM chat_members AS member
                     WHERE member.chat_id = wanted.chat_id AND member.user_id = who.user_id OFFSET 0) AS member";

#[derive(QueryableByName)]
struct MemberRow {
    #[diesel(sql_type = BigInt)]
    n: i64,
    #[diesel(sql_type = Nullable<Text>)]
    name: Option<String>,
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
}

/// Returns those who are members of their chat.
pub(in crate::messages) async fn find_members(
    db: &Db,
    wanted: &[(usize, ChatId, Mentionable)],
) -> DbResult<HashMap<(usize, Mentionable), UserId>> {
    let query = || {
        prepared(MEMBERS)
            .bind::<Array<BigInt>, _>(wanted.iter().map(|wanted| index(wanted.0)).collect::<Vec<_>>())
            .bind::<Array<SqlUuid>, _>(wanted.iter().map(|wanted| wanted.1.0).collect::<Vec<_>>())
            .bind::<Array<Nullable<Text>>, _>(wanted.iter().map(|wanted| wanted.2.columns().0).collect::<Vec<_>>())
            .bind::<Array<Nullable<SqlUuid>>, _>(wanted.iter().map(|wanted| wanted.2.columns().1).collect::<Vec<_>>())
    };
    let rows: Vec<MemberRow> = db.query(async |connection| query().load(connection).await).await?;
    let member = |MemberRow { n, name, user_id }| {
        let who = name.map_or(Mentionable::User(UserId(user_id)), Mentionable::Name);
        Some(((usize::try_from(n).ok()?, who), UserId(user_id)))
    };
    Ok(rows.into_iter().filter_map(member).collect())
}

/// One statement, so that of two mentions at the same time one wins. A repeated send has the mention that it had.
const CLAIM_MENTION_OF_ALL: &str = "
    UPDATE chat_profiles
       SET all_mentioned_at = CASE WHEN all_mentioned_request = $2 THEN all_mentioned_at ELSE clock_timestamp() END,
           all_mentioned_request = $2
     WHERE chat_id = $1
           AND (all_mentioned_request = $2 OR all_mentioned_at IS NULL
                OR all_mentioned_at <= clock_timestamp() - $3 * interval '1 s')";

/// Returns whether a message may mention all members of its chat: its sender has the right, and nobody did it within the interval.
pub(in crate::messages) async fn claim_mention_of_all(
    db: &Db,
    message: &NewMessage,
    interval_s: i64,
) -> DbResult<bool> {
    let (chat, sender, request) = (message.chat, message.sender, message.request_id);
    db.query(async |connection| {
        let Some(access) =
            Access::find(connection, sender, chat).await?.filter(|access| access.kind() != ChatKind::Direct)
        else {
            return Ok(false);
        };
        let profile = chat_profiles::table.find(chat.0).select((chat_profiles::settings, chat_profiles::handle));
        let Some((settings, handle)) = profile.first::<(String, Option<String>)>(connection).await.optional()? else {
            return Ok(false);
        };
        let settings = ChatSettings::from_stored(&settings, access.kind(), handle.is_some(), 0)
            .map_err(|error| diesel::result::Error::DeserializationError(error.into()))?;
        let standing = access.standing(Utc::now());
        let is_allowed = |action| may(standing, action, access.kind(), &settings).is_ok();
        if !is_allowed(Action::MentionAll) || !is_allowed(Action::Send) {
            return Ok(false);
        }
        let claim = prepared(CLAIM_MENTION_OF_ALL)
            .bind::<SqlUuid, _>(chat.0)
            .bind::<SqlUuid, _>(request.0)
            .bind::<BigInt, _>(interval_s);
        Ok(claim.execute(connection).await? > 0)
    })
    .await
}
