//! Chats in Postgres.

mod items;
mod receipts;
mod unread;

use diesel::{
    ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _, QueryResult, define_sql_function,
    dsl::exists,
    result::{DatabaseErrorKind, Error as QueryError},
    sql_types::Uuid as SqlUuid,
};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::{ChatId, Seq, UserId};
use uuid::Uuid;

pub(super) use self::receipts::mark_read;
use super::{
    error::ChatError,
    model::{ChatItem, GetOrCreate, ListFilter, RpcPageLimit, UserChat},
};
use crate::{
    db::{Db, DbResult},
    schema::{chat_members, chats, users},
};

/// A new chat as both members see it, or the existing chat as `user` sees it.
pub(super) type GetOrCreateItems = GetOrCreate<(ChatItem, ChatItem), ChatItem>;

/// Returns the direct chat of two users, and creates it if there is none. Both users may do this at the same time.
pub(super) async fn get_or_create(
    db: &Db,
    user: UserId,
    partner: UserId,
    max_chats: u32,
) -> Result<GetOrCreateItems, ChatError> {
    let new = ChatId::new();
    db.run(async |connection| {
        let partner_exists = diesel::select(exists(users::table.find(partner.0)));
        if !partner_exists.get_result::<bool>(connection).await? {
            return Err(ChatError::NoSuchPartner);
        }
        connection
            .transaction(async |connection| get_or_create_pair(connection, new, user, partner, max_chats).await)
            .await
    })
    .await
}

async fn get_or_create_pair(
    connection: &mut AsyncPgConnection,
    new: ChatId,
    user: UserId,
    partner: UserId,
    max_chats: u32,
) -> Result<GetOrCreateItems, ChatError> {
    let is_inserted = insert(connection, new, user, partner).await.map_err(|error| match error {
        // Users are never deleted, so the partner still exists. The caller may have a token from before the database was
        // recreated.
        QueryError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _) => ChatError::CallerNotFound,
        error => error.into(),
    })?;
    if is_inserted && max_chats > 0 && has_more_chats(connection, user, max_chats).await? {
        return Err(ChatError::TooMany(max_chats));
    }
    let chat = if is_inserted { new } else { find_pair(connection, user, partner).await? };
    let mine = items::find(connection, user, chat).await?;
    // Also if an earlier attempt inserted it and its answer was lost.
    if chat == new {
        Ok(GetOrCreate::Created((mine, items::find(connection, partner, chat).await?)))
    } else {
        Ok(GetOrCreate::Existing(mine))
    }
}

/// Returns whether a user has more than `max` chats, including the new one. It locks the user's row, so that concurrent
/// inserts are counted one after another. It reads at most `max + 1` entries of the index.
async fn has_more_chats(connection: &mut AsyncPgConnection, user: UserId, max: u32) -> QueryResult<bool> {
    users::table.find(user.0).select(users::id).for_no_key_update().get_result::<Uuid>(connection).await?;
    let beyond = chat_members::table
        .filter(chat_members::user_id.eq(user.0))
        .select(chat_members::chat_id)
        .offset(max.into())
        .limit(1);
    Ok(beyond.first::<Uuid>(connection).await.optional()?.is_some())
}

#[derive(Insertable)]
#[diesel(table_name = chats)]
struct NewChat {
    id: Uuid,
    user1_id: Uuid,
    user2_id: Uuid,
}

/// Returns whether the chat was inserted. If not, another transaction has committed the chat of the pair, and the next
/// statements of this one see it.
async fn insert(connection: &mut AsyncPgConnection, chat: ChatId, user: UserId, partner: UserId) -> QueryResult<bool> {
    let inserted = diesel::insert_into(chats::table)
        .values(NewChat { id: chat.0, user1_id: user.0, user2_id: partner.0 })
        .on_conflict_do_nothing()
        .execute(connection)
        .await?;
    if inserted == 0 {
        return Ok(false);
    }
    let member = |user: UserId| (chat_members::chat_id.eq(chat.0), chat_members::user_id.eq(user.0));
    let members = [member(user), member(partner)];
    diesel::insert_into(chat_members::table).values(&members).execute(connection).await?;
    Ok(true)
}

define_sql_function! {
    /// SQL `least`.
    fn least(a: SqlUuid, b: SqlUuid) -> SqlUuid;
}
define_sql_function! {
    /// SQL `greatest`.
    fn greatest(a: SqlUuid, b: SqlUuid) -> SqlUuid;
}

/// Finds the chat by `idx_chat_pair`, in which the order of the two users does not matter.
async fn find_pair(connection: &mut AsyncPgConnection, a: UserId, b: UserId) -> QueryResult<ChatId> {
    chats::table
        .filter(least(chats::user1_id, chats::user2_id).eq(a.0.min(b.0)))
        .filter(greatest(chats::user1_id, chats::user2_id).eq(a.0.max(b.0)))
        .select(chats::id)
        .first::<Uuid>(connection)
        .await
        .map(ChatId)
}

/// Returns a chat if the user is a member of it. `online` is not filled in.
pub(super) async fn find_item(db: &Db, user: UserId, chat: ChatId) -> DbResult<Option<ChatItem>> {
    db.query(async |connection| items::find(connection, user, chat).await.optional()).await
}

/// Returns a page of a user's chats, and the number of chats on all pages. `online` is not filled in.
pub(super) async fn list(db: &Db, user: UserId, filter: ListFilter) -> DbResult<(Vec<ChatItem>, i64)> {
    db.query(async |connection| {
        let total = count(connection, user, filter.unread_only).await?;
        Ok((items::list(connection, user, filter).await?, total))
    })
    .await
}

async fn count(connection: &mut AsyncPgConnection, user: UserId, unread_only: bool) -> QueryResult<i64> {
    let mine = chat_members::table.filter(chat_members::user_id.eq(user.0));
    if unread_only { items::count_unread(connection, user).await } else { mine.count().get_result(connection).await }
}

type UserChatRow = (Uuid, Seq, Uuid, Uuid);

const USER_CHAT: (chats::id, chats::last_seq, chats::user1_id, chats::user2_id) =
    (chats::id, chats::last_seq, chats::user1_id, chats::user2_id);

fn user_chat(user: UserId, (id, last_seq, user1, user2): UserChatRow) -> UserChat {
    let partners = [user1, user2].into_iter().map(UserId).filter(|member| *member != user).collect();
    UserChat { id: ChatId(id), last_seq, partners }
}

/// Returns a chat if the user is a member of it.
pub(super) async fn find_user_chat(db: &Db, user: UserId, chat: ChatId) -> DbResult<Option<UserChat>> {
    let row = db.query(async |connection| {
        chat_members::table
            .find((chat.0, user.0))
            .inner_join(chats::table)
            .select(USER_CHAT)
            .first(connection)
            .await
            .optional()
    });
    Ok(row.await?.map(|row| user_chat(user, row)))
}

/// Returns the chats of a user after the chat `after`, ordered by id: one more than the limit, if there are more.
pub(super) async fn user_chats(
    db: &Db,
    user: UserId,
    after: Option<ChatId>,
    limit: RpcPageLimit,
) -> DbResult<Vec<UserChat>> {
    let after = after.map_or(Uuid::nil(), |chat| chat.0);
    let rows = db.query(async |connection| {
        chat_members::table
            .inner_join(chats::table)
            .filter(chat_members::user_id.eq(user.0))
            .filter(chat_members::chat_id.gt(after))
            .order(chat_members::chat_id)
            .select(USER_CHAT)
            .limit(limit.plus_one())
            .load(connection)
            .await
    });
    Ok(rows.await?.into_iter().map(|row| user_chat(user, row)).collect())
}

/// Returns the heads of those of the chats that exist.
pub(super) async fn heads(db: &Db, chats: &[ChatId]) -> DbResult<Vec<(ChatId, Seq)>> {
    let ids: Vec<_> = chats.iter().map(|chat| chat.0).collect();
    let rows = db.query(async |connection| {
        chats::table.filter(chats::id.eq_any(ids)).select((chats::id, chats::last_seq)).load(connection).await
    });
    Ok(rows.await?.into_iter().map(|(id, seq): (Uuid, Seq)| (ChatId(id), seq)).collect())
}
