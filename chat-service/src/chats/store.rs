//! Chats in Postgres.

mod items;
mod list;
mod presence;
mod receipts;
mod seen;
mod unread;

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, HasQuery, Insertable, OptionalExtension as _, QueryDsl as _, QueryResult, Queryable,
    Selectable, define_sql_function,
    dsl::{exists, not, sql},
    result::{DatabaseErrorKind, Error as QueryError},
    sql_types::{Bool, Nullable, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::{
    chat::{ChatClass, Role},
    ids::{ChatId, Seq, UserId},
};
use uuid::Uuid;

pub(crate) use self::unread::{mention_count, unread_count};
pub(super) use self::{
    presence::presence_of,
    receipts::{mark, mark_many},
    seen::{receipts, seen},
};
use super::{
    error::ChatError,
    model::{ChatItem, GetOrCreate, ListFilter, ListStart, RpcPageLimit, UserChat},
};
use crate::{
    db::{Db, DbResult},
    rights::ChatKind,
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

/// Returns whether a user has more than `max` direct chats, including the new one. It locks the user's row, so that concurrent
/// inserts are counted one after another. It stops at `max + 1`.
async fn has_more_chats(connection: &mut AsyncPgConnection, user: UserId, max: u32) -> QueryResult<bool> {
    users::table.find(user.0).select(users::id).for_no_key_update().get_result::<Uuid>(connection).await?;
    let beyond = chat_members::table
        .inner_join(chats::table)
        .filter(chat_members::user_id.eq(user.0))
        .filter(chats::kind.eq(ChatKind::Direct.as_str()))
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
    fn least(a: Nullable<SqlUuid>, b: Nullable<SqlUuid>) -> Nullable<SqlUuid>;
}
define_sql_function! {
    /// SQL `greatest`.
    fn greatest(a: Nullable<SqlUuid>, b: Nullable<SqlUuid>) -> Nullable<SqlUuid>;
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

/// Returns a chat as each of the users sees it who are members of it, and the members who see each other's presence. `online` is
/// not filled in.
pub(super) async fn items_with_circle(
    db: &Db,
    chat: ChatId,
    users: &[UserId],
) -> DbResult<(Vec<(UserId, ChatItem)>, Vec<UserId>)> {
    db.query(async |connection| {
        let items = items::of_users(connection, chat, users).await?;
        Ok((items, presence::circles(connection, &[chat]).await?.remove(&chat).unwrap_or_default()))
    })
    .await
}

/// Returns a page of a user's chats, and the number of chats on all pages. A page from a cursor has instead one more than the limit, if
/// there are more. `online` is not filled in.
pub(super) async fn list(db: &Db, user: UserId, filter: &ListFilter) -> DbResult<(Vec<ChatItem>, Option<i64>)> {
    db.query(async |connection| {
        let total = match filter.from {
            ListStart::Offset(_) => Some(list::count(connection, user, filter).await?),
            ListStart::Cursor(_) => None,
        };
        Ok((list::page(connection, user, filter).await?, total))
    })
    .await
}

#[derive(HasQuery)]
#[diesel(base_query = chat_members::table.inner_join(chats::table).filter(chats::is_closed.eq(false)))]
#[diesel(table_name = chat_members)]
struct UserChatRow {
    user_id: Uuid,
    chat_id: Uuid,
    role: i16,
    from_seq: Seq,
    joined_seq: Seq,
    restricted_until: Option<DateTime<Utc>>,
    #[diesel(embed)]
    chat: ChatRow,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = chats)]
struct ChatRow {
    kind: String,
    user1_id: Option<Uuid>,
    user2_id: Option<Uuid>,
    last_seq: Seq,
    member_count: i32,
    class: i16,
    send_role: i16,
    access_version: i32,
}

impl UserChatRow {
    fn user_chat(self) -> QueryResult<UserChat> {
        let ChatRow { kind, user1_id, user2_id, last_seq, member_count, class, send_role, access_version } = self.chat;
        Ok(UserChat {
            id: ChatId(self.chat_id),
            last_seq,
            partner: [user1_id, user2_id].into_iter().flatten().find(|user| *user != self.user_id).map(UserId),
            from_seq: self.from_seq,
            class: parse_kind(&kind)?.class(parse_class(class)?, member_count),
            role: parse_role(self.role)?,
            joined_seq: self.joined_seq,
            send_role: parse_role(send_role)?,
            restricted_until: self.restricted_until,
            access_version,
            presence: Vec::new(),
        })
    }
}

/// Returns a chat if the user is a member of it.
pub(super) async fn find_user_chat(db: &Db, user: UserId, chat: ChatId) -> DbResult<Option<UserChat>> {
    db.query(async |connection| {
        let row = UserChatRow::query()
            .filter(chat_members::chat_id.eq(chat.0))
            .filter(chat_members::user_id.eq(user.0))
            .first(connection)
            .await
            .optional()?;
        let mut chat = row.map(UserChatRow::user_chat).transpose()?;
        presence::fill_in(connection, user, chat.as_mut_slice()).await?;
        Ok(chat)
    })
    .await
}

/// Returns the access version of a chat of which the user is not a member. Who is a member at this version, or later, has joined
/// since. Returns `None` if the user is a member.
pub(super) async fn access_version_without(db: &Db, user: UserId, chat: ChatId) -> DbResult<Option<i32>> {
    let membership = chat_members::table.find((chat.0, user.0));
    let version = chats::table.find(chat.0).filter(not(exists(membership))).select(chats::access_version);
    db.query(async move |connection| version.first(connection).await.optional()).await
}

/// Returns the chats of a user after the chat `after`, ordered by id: one more than the limit, if there are more.
pub(super) async fn user_chats(
    db: &Db,
    user: UserId,
    after: Option<ChatId>,
    limit: RpcPageLimit,
) -> DbResult<Vec<UserChat>> {
    let after = after.map_or(Uuid::nil(), |chat| chat.0);
    db.query(async |connection| {
        let rows = UserChatRow::query()
            .filter(chat_members::user_id.eq(user.0))
            .filter(chat_members::chat_id.gt(after))
            .order(chat_members::chat_id)
            .limit(limit.plus_one())
            .load(connection)
            .await?;
        let mut chats = rows.into_iter().map(UserChatRow::user_chat).collect::<QueryResult<Vec<_>>>()?;
        presence::fill_in(connection, user, &mut chats).await?;
        Ok(chats)
    })
    .await
}

fn parse_kind(name: &str) -> QueryResult<ChatKind> {
    ChatKind::from_name(name).ok_or_else(|| QueryError::DeserializationError("unknown kind of chat".into()))
}

fn parse_class(number: i16) -> QueryResult<ChatClass> {
    ChatClass::from_number(number).ok_or_else(|| QueryError::DeserializationError("unknown class of chat".into()))
}

fn parse_role(number: i16) -> QueryResult<Role> {
    Role::from_number(number.into()).ok_or_else(|| QueryError::DeserializationError("unknown role".into()))
}

/// Returns the heads of those of the chats that exist, also of closed ones until they are purged: notification-service
/// then finds their last event.
pub(super) async fn heads(db: &Db, chats: &[ChatId]) -> DbResult<Vec<(ChatId, Seq)>> {
    let ids: Vec<_> = chats.iter().map(|chat| chat.0).collect();
    let rows = db.query(async |connection| {
        let heads = chats::table.filter(chats::id.eq_any(ids)).filter(sql::<Bool>("NOT chats.is_purged"));
        heads.select((chats::id, chats::last_seq)).load(connection).await
    });
    Ok(rows.await?.into_iter().map(|(id, seq): (Uuid, Seq)| (ChatId(id), seq)).collect())
}
