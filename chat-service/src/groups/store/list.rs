//! Lists of members.

use chrono::{DateTime, Utc};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, dsl::sql,
    expression::SqlLiteral, sql_types::Bool,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::{
    chat::Role,
    ids::{ChatId, Seq, UserId},
};
use uuid::Uuid;

use crate::{
    access::Access,
    db::Db,
    groups::{
        error::GroupError,
        model::{MemberFilter, MemberItem},
        place::Place,
    },
    rights::{Action, ChatKind, ChatSettings, may},
    schema::{chat_members, chat_profiles, chats, users},
    users::username::NamePrefix,
};

/// A page of members, one more than the limit if there are more, with the head of the chat.
#[derive(Clone, Debug)]
pub(in crate::groups) struct MemberPage {
    pub(in crate::groups) members: Vec<MemberItem>,
    pub(in crate::groups) head: Seq,
}

/// Returns a page of the members of a chat after a place, for one of them.
pub(in crate::groups) async fn members(
    db: &Db,
    reader: UserId,
    chat: ChatId,
    filter: &MemberFilter,
) -> Result<MemberPage, GroupError> {
    db.run(async move |connection| {
        require(connection, reader, chat, Action::Members).await?;
        // The head is read first: the page has every change up to it.
        let head = chats::table.find(chat.0).select(chats::last_seq).first(connection).await?;
        let members = page(connection, chat, filter).await?;
        Ok(MemberPage { members, head })
    })
    .await
}

/// Checks, without a lock, that a member may read something.
pub(super) async fn require(
    connection: &mut AsyncPgConnection,
    reader: UserId,
    chat: ChatId,
    action: Action,
) -> Result<(), GroupError> {
    let access = Access::find(connection, reader, chat).await?.ok_or(GroupError::NoSuchChat)?;
    if access.kind() == ChatKind::Direct {
        return Err(GroupError::DirectChat);
    }
    let stored = chat_profiles::table.find(chat.0).select((chat_profiles::settings, chat_profiles::handle));
    let stored = stored.first::<(String, Option<String>)>(connection).await.optional()?;
    let (settings, handle) = stored.ok_or(GroupError::NoSuchChat)?;
    // Slow mode is not among the rights.
    let settings = ChatSettings::from_stored(&settings, access.kind(), handle.is_some(), 0)?;
    Ok(may(access.standing(Utc::now()), action, access.kind(), &settings)?)
}

type MemberRow = (Uuid, String, i16, DateTime<Utc>, Option<DateTime<Utc>>);

/// The condition of the index of the owner and the admins. Postgres compares it with a literal only: plans are made without the
/// values of parameters.
pub(super) fn above_member() -> SqlLiteral<Bool> {
    sql("chat_members.role > 1")
}

/// Two ranges of two indexes: the owner and the admins, and then the others. A search for names reads members
/// of the chat until the page is full.
async fn page(
    connection: &mut AsyncPgConnection,
    chat: ChatId,
    filter: &MemberFilter,
) -> Result<Vec<MemberItem>, GroupError> {
    let MemberFilter { role, name, after, limit } = filter;
    let named = || {
        let query = select(chat).into_boxed();
        let Some((from, to)) = name.as_ref().map(NamePrefix::key_range) else { return query };
        query.filter(users::username_key.ge(from)).filter(users::username_key.lt(to))
    };
    let mut rows = Vec::new();
    if *role != Some(Role::Member) && after.is_none_or(|after| after.role > Role::Member) {
        let mut query = named().filter(above_member());
        if let Some(role) = role {
            query = query.filter(chat_members::role.eq(*role as i16));
        }
        if let Some(Place { role, user }) = after {
            let same_role = chat_members::role.eq(*role as i16).and(chat_members::user_id.gt(user.0));
            query = query.filter(chat_members::role.lt(*role as i16).or(same_role));
        }
        let order = (chat_members::role.desc(), chat_members::user_id);
        rows = query.order(order).limit(limit.plus_one()).load::<MemberRow>(connection).await?;
    }
    let rest = limit.plus_one() - i64::try_from(rows.len()).unwrap_or(i64::MAX);
    if rest > 0 && role.is_none_or(|role| role == Role::Member) {
        let after = after.filter(|after| after.role == Role::Member).map_or(Uuid::nil(), |after| after.user.0);
        let query = named().filter(chat_members::role.eq(Role::Member as i16)).filter(chat_members::user_id.gt(after));
        rows.extend(query.order(chat_members::user_id).limit(rest).load::<MemberRow>(connection).await?);
    }
    Ok(rows.into_iter().map(item).collect())
}

#[diesel::dsl::auto_type(no_type_alias)]
fn select(chat: ChatId) -> _ {
    let chat: Uuid = chat.0;
    chat_members::table.inner_join(users::table).filter(chat_members::chat_id.eq(chat)).select((
        chat_members::user_id,
        users::username,
        chat_members::role,
        chat_members::joined_at,
        chat_members::restricted_until,
    ))
}

fn item((user, username, role, joined_at, restricted_until): MemberRow) -> MemberItem {
    MemberItem {
        user_id: UserId(user),
        username,
        role: Role::from_number(role.into()).unwrap_or_default(),
        joined_at,
        restricted_until: restricted_until.filter(|until| *until > Utc::now()),
        online: false,
    }
}
