//! Creates groups and channels.

use std::sync::OnceLock;

use chrono::{TimeDelta, Utc};
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, QueryResult,
    result::{DatabaseErrorKind, Error as QueryError},
};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::{
    chat::{ChatClass, Role},
    ids::{ChatId, SendId, UserId},
};
use uuid::Uuid;

use super::{additions, candidates::Candidates, names, rooms::search_key};
use crate::{
    config::GroupSettings,
    db::Db,
    groups::{
        error::{GroupError, Quantity},
        handle::Handle,
        model::{NewGroup, NotAdded},
    },
    rights::{Action, needed},
    schema::{chat_members, chat_profiles, chats, users},
};

/// A created chat, or one that an earlier request with this `request_id` created.
#[derive(Clone, Debug)]
pub(in crate::groups) enum Created {
    New { chat: ChatId, members: Vec<UserId>, not_added: Vec<NotAdded> },
    Existing(ChatId),
}

/// Creates a chat. Its founding members see it from its first event on.
pub(in crate::groups) async fn create(
    db: &Db,
    creator: UserId,
    request_id: SendId,
    group: NewGroup,
    limits: GroupSettings,
) -> Result<Created, GroupError> {
    let id = ChatId::new();
    let made = &OnceLock::new();
    db.run(async move |connection| {
        connection
            .transaction(async move |connection| {
                lock(connection, creator).await?;
                if let Some((existing, digest)) = find_by_request(connection, creator, request_id).await? {
                    // Chats of earlier versions have no digest.
                    if digest.is_some_and(|digest| digest != group.digest()) {
                        return Err(GroupError::IdempotencyMismatch);
                    }
                    // An earlier attempt may have created it although its answer was lost.
                    let made = made.get().filter(|_| existing == id).cloned();
                    return Ok(made.unwrap_or(Created::Existing(existing)));
                }
                let users: Vec<_> = std::iter::once(creator).chain(group.members.iter().copied()).collect();
                let candidates = Candidates::find(connection, &users, limits).await?;
                if candidates.is_full(creator) {
                    return Err(GroupError::LimitReached(Quantity::Chats, limits.chats_per_user));
                }
                require_creation(connection, creator, limits).await?;
                let (members, not_added) = candidates.select(&group.members, &[]);
                let most = limits.members_of(group.kind);
                if count_with_creator(&members) > most {
                    return Err(GroupError::LimitReached(Quantity::Members, most));
                }
                additions::require(connection, creator, members.len(), limits).await?;
                if let Some(handle) = &group.handle {
                    names::reserve(connection, handle).await?;
                }
                insert(connection, id, creator, request_id, &group, &members).await?;
                additions::record(connection, Utc::now(), &members, Some(creator)).await?;
                let new = Created::New { chat: id, members, not_added };
                made.set(new.clone()).ok();
                Ok(new)
            })
            .await
    })
    .await
}

/// Returns the chat that an earlier request created, and the digest of that request.
async fn find_by_request(
    connection: &mut AsyncPgConnection,
    creator: UserId,
    request_id: SendId,
) -> QueryResult<Option<(ChatId, Option<String>)>> {
    let chat = chat_profiles::table
        .filter(chat_profiles::created_by.eq(creator.0))
        .filter(chat_profiles::request_id.eq(request_id.0))
        .select((chat_profiles::chat_id, chat_profiles::request_digest));
    let found = chat.first::<(Uuid, Option<String>)>(connection).await.optional()?;
    Ok(found.map(|(chat, digest)| (ChatId(chat), digest)))
}

/// Locks the creator's row, so that concurrent requests are recognized and counted one after another.
async fn lock(connection: &mut AsyncPgConnection, creator: UserId) -> Result<(), GroupError> {
    let locked = users::table.find(creator.0).select(users::id).for_no_key_update().first::<Uuid>(connection).await;
    locked.optional()?.map(drop).ok_or(GroupError::CallerNotFound)
}

/// Checks that a user may create another chat today.
async fn require_creation(
    connection: &mut AsyncPgConnection,
    creator: UserId,
    limits: GroupSettings,
) -> Result<(), GroupError> {
    let most = limits.created_per_day;
    if most == 0 {
        return Ok(());
    }
    let in_the_way = chat_profiles::table
        .inner_join(chats::table)
        .filter(chat_profiles::created_by.eq(creator.0))
        .filter(chats::created_at.gt(Utc::now() - TimeDelta::days(1)))
        .order(chats::created_at.desc())
        .offset(i64::from(most) - 1)
        .select(chats::created_at)
        .first(connection)
        .await
        .optional()?;
    in_the_way.map_or(Ok(()), |at| Err(additions::until_a_day_after(Some(at))))
}

fn count_with_creator(members: &[UserId]) -> i32 {
    i32::try_from(members.len() + 1).unwrap_or(i32::MAX)
}

async fn insert(
    connection: &mut AsyncPgConnection,
    id: ChatId,
    creator: UserId,
    request_id: SendId,
    group: &NewGroup,
    members: &[UserId],
) -> Result<(), GroupError> {
    let member_count = count_with_creator(members);
    let class = group.kind.class(ChatClass::default(), member_count);
    diesel::insert_into(chats::table)
        .values((
            chats::id.eq(id.0),
            chats::kind.eq(group.kind.as_str()),
            chats::member_count.eq(member_count),
            chats::class.eq(class as i16),
            chats::send_role.eq(needed(Action::Send, group.kind, &group.settings) as i16),
            chats::delete_role.eq(needed(Action::Delete, group.kind, &group.settings) as i16),
            chats::react_role.eq(needed(Action::React, group.kind, &group.settings) as i16),
            chats::pin_role.eq(needed(Action::Pin, group.kind, &group.settings) as i16),
            chats::slow_s.eq(group.settings.slow_s),
        ))
        .execute(connection)
        .await?;
    diesel::insert_into(chat_profiles::table)
        .values((
            chat_profiles::chat_id.eq(id.0),
            chat_profiles::title.eq(&group.title),
            chat_profiles::description.eq(&group.description),
            chat_profiles::handle.eq(group.handle.as_ref().map(Handle::as_str)),
            chat_profiles::search_key.eq(search_key(
                group.handle.as_ref().map(Handle::as_str),
                &group.title,
                &group.description,
            )),
            chat_profiles::settings.eq(group.settings.to_stored()?),
            chat_profiles::created_by.eq(creator.0),
            chat_profiles::request_id.eq(request_id.0),
            chat_profiles::request_digest.eq(group.digest()),
        ))
        .execute(connection)
        .await?;
    let row = |user: UserId, role: Role| {
        (
            chat_members::chat_id.eq(id.0),
            chat_members::user_id.eq(user.0),
            chat_members::is_group.eq(true),
            chat_members::role.eq(role as i16),
        )
    };
    let others = members.iter().map(|user| row(*user, Role::Member));
    let rows: Vec<_> = std::iter::once(row(creator, Role::Owner)).chain(others).collect();
    match diesel::insert_into(chat_members::table).values(&rows).execute(connection).await {
        // The token is from before the database was recreated.
        Err(QueryError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)) => Err(GroupError::CallerNotFound),
        result => Ok(result.map(drop)?),
    }
}
