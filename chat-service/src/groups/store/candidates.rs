//! Who of some users can become a member.

use diesel::{
    ExpressionMethods as _, QueryDsl as _, QueryResult, QueryableByName,
    sql_types::{Array, BigInt, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::{ChatId, UserId};
use uuid::Uuid;

use super::uuids;
use crate::{
    config::GroupSettings,
    db::prepared,
    groups::model::{NotAdded, NotAddedReason},
    schema::{chat_bans, users},
};

/// What is known about users who are to become members before the chat is locked: counting the chats of many users takes time.
/// So a user can exceed the limit a little by joining several chats at once.
#[derive(Clone, Debug, Default)]
pub(super) struct Candidates {
    unknown: Vec<UserId>,
    full: Vec<UserId>,
}

impl Candidates {
    /// Looks up the users.
    pub(super) async fn find(
        connection: &mut AsyncPgConnection,
        of: &[UserId],
        limits: GroupSettings,
    ) -> QueryResult<Self> {
        if of.is_empty() {
            return Ok(Self::default());
        }
        let known = existing(connection, of).await?;
        let unknown = of.iter().filter(|user| !known.contains(user)).copied().collect();
        Ok(Self { unknown, full: over_limit(connection, of, limits).await? })
    }

    /// Returns whether a user has as many groups and channels as one can have.
    pub(super) fn is_full(&self, user: UserId) -> bool {
        self.full.contains(&user)
    }

    /// Returns those of the users who can become members, except for some who are banned, and why the others cannot.
    pub(super) fn select(&self, of: &[UserId], banned: &[UserId]) -> (Vec<UserId>, Vec<NotAdded>) {
        let (mut members, mut not_added) = (Vec::new(), Vec::new());
        for user in of {
            let reason = if self.unknown.contains(user) {
                NotAddedReason::Unknown
            } else if banned.contains(user) {
                NotAddedReason::Banned
            } else if self.is_full(*user) {
                NotAddedReason::Limit
            } else {
                members.push(*user);
                continue;
            };
            not_added.push(NotAdded { user_id: *user, reason });
        }
        (members, not_added)
    }
}

/// Returns those of the users who exist.
pub(super) async fn existing(connection: &mut AsyncPgConnection, of: &[UserId]) -> QueryResult<Vec<UserId>> {
    Ok(ids(users::table.filter(users::id.eq_any(uuids(of))).select(users::id).load(connection).await?))
}

/// Returns those of the users who are banned from a chat.
pub(super) async fn banned(
    connection: &mut AsyncPgConnection,
    chat: ChatId,
    of: &[UserId],
) -> QueryResult<Vec<UserId>> {
    let bans = chat_bans::table
        .filter(chat_bans::chat_id.eq(chat.0))
        .filter(chat_bans::user_id.eq_any(uuids(of)))
        .select(chat_bans::user_id);
    Ok(ids(bans.load(connection).await?))
}

/// Reads at most as many memberships of each user as the limit allows, and none of direct chats.
const OVER_LIMIT: &str = "
    SELECT candidate.id FROM unnest($1) AS candidate (id)
    WHERE (SELECT count(*) FROM (
        SELECT FROM chat_members AS member
        WHERE member.user_id = candidate.id AND member.is_group
            AND NOT (SELECT is_closed FROM chats WHERE chats.id = member.chat_id)
        LIMIT $2
    ) AS counted) >= $2";

#[derive(QueryableByName)]
struct Candidate {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

async fn over_limit(
    connection: &mut AsyncPgConnection,
    of: &[UserId],
    limits: GroupSettings,
) -> QueryResult<Vec<UserId>> {
    let query =
        prepared(OVER_LIMIT).bind::<Array<SqlUuid>, _>(uuids(of)).bind::<BigInt, _>(i64::from(limits.chats_per_user));
    let full: Vec<Candidate> = query.load(connection).await?;
    Ok(full.into_iter().map(|candidate| UserId(candidate.id)).collect())
}

fn ids(users: Vec<Uuid>) -> Vec<UserId> {
    users.into_iter().map(UserId).collect()
}
