//! Users in Postgres.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, HasQuery as _, Insertable, JoinOnDsl as _,
    NullableExpressionMethods as _, OptionalExtension as _, QueryDsl as _, QueryResult, SelectableHelper as _,
    dsl::{exists, sql},
    sql_types::{Nullable, Text},
};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::UserId;
use uuid::Uuid;

use super::{
    model::{SearchLimit, UserProfile},
    username::{NamePrefix, Username},
};
use crate::{
    chats::model::MAX_PRESENCE_MEMBERS,
    db::{Db, DbResult},
    names,
    rights::ChatKind,
    schema::{chat_members, chat_profiles, chats, users},
    validation::Offset,
};

#[derive(Insertable)]
#[diesel(table_name = users)]
struct NewUser<'a> {
    id: Uuid,
    username: &'a str,
    username_key: String,
    username_skeleton: String,
    password_hash: &'a str,
}

/// Stores a new user. Returns `None` if the name is taken or looks like a taken one.
pub(super) async fn insert(db: &Db, username: &Username, password_hash: &str) -> DbResult<Option<UserProfile>> {
    let user = NewUser {
        id: UserId::new().0,
        username: username.as_str(),
        username_key: username.key(),
        username_skeleton: username.skeleton(),
        password_hash,
    };
    db.query(async |connection| {
        let inserted = connection.transaction(async |connection| {
            names::lock(connection, &user.username_key).await?;
            if is_handle(connection, &user.username_key).await? {
                return Ok(None);
            }
            let insert = diesel::insert_into(users::table)
                .values(&user)
                .on_conflict_do_nothing()
                .returning(UserProfile::as_returning());
            insert.get_result(connection).await.optional()
        });
        if let Some(inserted) = inserted.await? {
            return Ok(Some(inserted));
        }
        // An earlier attempt may have inserted the user before its answer was lost.
        UserProfile::query().find(user.id).first(connection).await.optional()
    })
    .await
}

async fn is_handle(connection: &mut AsyncPgConnection, name: &str) -> QueryResult<bool> {
    let handles = chat_profiles::table.filter(chat_profiles::handle.eq(name));
    diesel::select(exists(handles)).get_result(connection).await
}

/// Returns whether another user has this name, or one that looks the same, or a chat has it.
pub(super) async fn is_taken(db: &Db, username: &Username) -> DbResult<bool> {
    let same = users::username_key.eq(username.key()).or(users::username_skeleton.eq(username.skeleton()));
    let query = diesel::select(exists(users::table.filter(same)));
    let name = username.key();
    db.query(async |connection| Ok(query.get_result::<bool>(connection).await? || is_handle(connection, &name).await?))
        .await
}

/// Returns the user of this name with the password hash, and the highest cost of all users' hashes. The queries are the same
/// whether or not the user exists.
pub(super) async fn find_login(
    db: &Db,
    username: Option<&Username>,
) -> DbResult<(Option<(UserProfile, String)>, Option<u32>)> {
    let key = username.map(Username::key);
    // The expression of an index, so Postgres reads its last entry instead of the table. A hash starts with `$2b$10$`.
    let highest = users::table.select(sql::<Nullable<Text>>("max(substr(password_hash, 5, 2) COLLATE \"C\")"));
    db.query(async |connection| {
        let found = users::table
            .filter(users::username_key.nullable().eq(&key))
            .select((UserProfile::as_select(), users::password_hash))
            .first(connection)
            .await
            .optional()?;
        let highest: Option<String> = highest.get_result(connection).await?;
        Ok((found, highest.and_then(|cost| cost.parse().ok())))
    })
    .await
}

/// Replaces a user's password hash. Returns `false` if it is no longer `old`: then it was replaced by a newer one.
pub(super) async fn replace_hash(db: &Db, user: UserId, old: &str, new: &str) -> DbResult<bool> {
    let unchanged = users::table.find(user.0).filter(users::password_hash.eq(old));
    let update = diesel::update(unchanged).set(users::password_hash.eq(new));
    db.query(async |connection| update.execute(connection).await.map(|updated| updated > 0)).await
}

pub(super) async fn find(db: &Db, id: UserId) -> DbResult<Option<UserProfile>> {
    db.query(async |connection| UserProfile::query().find(id.0).first(connection).await.optional()).await
}

/// Returns those of the users whose presence `user` sees: direct partners, and fellow members of small groups. Each with the time at
/// which they were last seen, if it is known.
pub(super) async fn partners_among(
    db: &Db,
    user: UserId,
    others: &[UserId],
) -> DbResult<HashMap<UserId, Option<DateTime<Utc>>>> {
    let (mine, theirs) = diesel::alias!(chat_members as mine, chat_members as theirs);
    let is_small_group = chats::kind.eq(ChatKind::Group.as_str()).and(chats::member_count.le(MAX_PRESENCE_MEMBERS));
    let shows_presence = exists(
        mine.inner_join(theirs.on(theirs.field(chat_members::chat_id).eq(mine.field(chat_members::chat_id))))
            .inner_join(chats::table.on(chats::id.eq(mine.field(chat_members::chat_id))))
            .filter(chats::is_closed.eq(false))
            .filter(chats::kind.eq(ChatKind::Direct.as_str()).or(is_small_group))
            .filter(mine.field(chat_members::user_id).eq(user.0))
            .filter(theirs.field(chat_members::user_id).eq(users::id)),
    );
    let others = others.iter().map(|other| other.0).collect::<Vec<_>>();
    let partners = users::table.filter(users::id.eq_any(others)).filter(shows_presence);
    let partners = partners.filter(users::id.ne(user.0)).select((users::id, users::last_seen_at));
    let partners: Vec<(Uuid, _)> = db.query(async |connection| partners.load(connection).await).await?;
    Ok(partners.into_iter().map(|(id, last_seen_at)| (UserId(id), last_seen_at)).collect())
}

/// Returns the users whose names start with `prefix`: one more than the limit, if there are more.
pub(super) async fn search(
    db: &Db,
    prefix: &NamePrefix,
    limit: SearchLimit,
    offset: Offset,
) -> DbResult<Vec<UserProfile>> {
    let (from, to) = prefix.key_range();
    db.query(async |connection| {
        UserProfile::query()
            .filter(users::username_key.ge(from))
            .filter(users::username_key.lt(&to))
            .order(users::username_key)
            .limit(limit.plus_one())
            .offset(offset.get())
            .load(connection)
            .await
    })
    .await
}
