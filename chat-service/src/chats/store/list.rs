//! The list of a user's chats: a page of it, and its length.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::UserId;
use uuid::Uuid;

use super::items::{Columns, Row, WITH_REST, push_chosen};
use crate::{
    chats::{
        model::{ChatItem, ListFilter, ListStart},
        place::ListPlace,
        store::unread::unread_count,
    },
    prefs::model::MAX_PIN_PLACE,
    rights::ChatKind,
};

/// Returns a page of the list of chats, or one more chat if it begins at a cursor. `online` is not filled in.
pub(super) async fn page(
    connection: &mut AsyncPgConnection,
    user: UserId,
    filter: &ListFilter,
) -> QueryResult<Vec<ChatItem>> {
    let (limit, offset, after) = match filter.from {
        ListStart::Offset(offset) => (filter.limit.get(), offset.get(), None),
        ListStart::Cursor(after) => (filter.limit.plus_one(), 0, after.map(After::from)),
    };
    let page = Page { filter: Filter::new(user, filter), after, limit, offset };
    page.load::<Row>(connection).await?.into_iter().map(Row::item).collect()
}

/// Returns the number of chats on all pages.
pub(super) async fn count(connection: &mut AsyncPgConnection, user: UserId, filter: &ListFilter) -> QueryResult<i64> {
    Count(Filter::new(user, filter)).get_result(connection).await
}

/// The first comparison spares most chats the expression.
const AND_IS_UNREAD: &str = concat!(
    " AND (chats.last_seq > member.read_seq AND ",
    unread_count!("chats", "member", "greatest(member.read_seq, member.from_seq, chats.floor_seq)"),
    " > 0 OR (member.chat_id, member.read_seq) IN (
         SELECT chat_id, marked_seq FROM chat_prefs WHERE marked_seq IS NOT NULL AND user_id = "
);

const COUNT_CHATS: &str = "SELECT count(*) FROM chat_members AS member JOIN chats ON chats.id = member.chat_id
     WHERE NOT chats.is_closed";

/// Looks up closed chats in the index `chats_closed`, which is small, instead of every chat of the user. Purged ones have no
/// members.
const COUNT_MEMBERS: &str = "SELECT count(*) FROM chat_members AS member
     WHERE NOT EXISTS (SELECT FROM chats WHERE chats.id = member.chat_id AND chats.is_closed AND NOT chats.is_purged)";

/// The conditions on `member` and `chats`.
///
/// What most users have set for no chat is looked up once, in a partial index, and hashed: a subquery that names no column of the chat.
/// So a list costs the same with and without these conditions.
struct Filter<'a> {
    user: Uuid,
    kind: Option<&'static str>,
    unread_only: bool,
    updated_after: Option<DateTime<Utc>>,
    archived: bool,
    folder: Option<&'a str>,
}

impl<'a> Filter<'a> {
    fn new(user: UserId, filter: &'a ListFilter) -> Self {
        let &ListFilter { kind, unread_only, updated_after, archived, ref folder, .. } = filter;
        let (kind, folder) = (kind.map(ChatKind::as_str), folder.as_deref());
        Self { user: user.0, kind, unread_only, updated_after, archived, folder }
    }

    /// Returns whether it needs only the rows of `chat_members`, and those of `chat_prefs`.
    const fn is_of_members(&self) -> bool {
        self.kind.is_none() && !self.unread_only && self.updated_after.is_none()
    }
}

impl QueryFragment<Pg> for Filter<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(" AND member.user_id = ");
        out.push_bind_param::<SqlUuid, _>(&self.user)?;
        out.push_sql(if self.archived { " AND member.chat_id IN (" } else { " AND member.chat_id NOT IN (" });
        out.push_sql("SELECT chat_id FROM chat_prefs WHERE archived AND user_id = ");
        out.push_bind_param::<SqlUuid, _>(&self.user)?;
        out.push_sql(")");
        if let Some(folder) = &self.folder {
            out.push_sql(" AND member.chat_id IN (SELECT chat_id FROM chat_prefs WHERE folder = ");
            out.push_bind_param::<Text, _>(folder)?;
            out.push_sql(" AND user_id = ");
            out.push_bind_param::<SqlUuid, _>(&self.user)?;
            out.push_sql(")");
        }
        if let Some(kind) = &self.kind {
            out.push_sql(" AND chats.kind = ");
            out.push_bind_param::<Text, _>(kind)?;
        }
        if self.unread_only {
            out.push_sql(AND_IS_UNREAD);
            out.push_bind_param::<SqlUuid, _>(&self.user)?;
            out.push_sql("))");
        }
        if let Some(after) = &self.updated_after {
            // Edits and changes of a group do not move a chat up in the list. `greatest` ignores NULL.
            out.push_sql(" AND greatest(chats.updated_at, chats.last_event_at, member.joined_at) > ");
            out.push_bind_param::<Timestamptz, _>(after)?;
        }
        Ok(())
    }
}

/// The place of the last chat of the page before.
struct After {
    /// Chats pinned up to this place precede it.
    pin_place: i16,
    /// `None` for a pinned chat: all that are not pinned follow it.
    recent: Option<(DateTime<Utc>, Uuid)>,
}

impl From<ListPlace> for After {
    fn from(place: ListPlace) -> Self {
        match place {
            ListPlace::Pinned(pin_place) => Self { pin_place, recent: None },
            ListPlace::Recent { updated_at, chat } => {
                Self { pin_place: MAX_PIN_PLACE, recent: Some((updated_at, chat.0)) }
            }
        }
    }
}

// Both stand for several statements, so they have no static id. diesel then caches the prepared statements by their texts.

struct Page<'a> {
    filter: Filter<'a>,
    after: Option<After>,
    limit: i64,
    offset: i64,
}

impl Query for Page<'_> {
    type SqlType = Columns;
}

impl QueryId for Page<'_> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryFragment<Pg> for Page<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_chosen(&mut out);
        self.filter.walk_ast(out.reborrow())?;
        if let Some(After { pin_place, recent }) = &self.after {
            out.push_sql(" AND member.chat_id NOT IN (SELECT chat_id FROM chat_prefs WHERE pin_place <= ");
            out.push_bind_param::<SmallInt, _>(pin_place)?;
            out.push_sql(" AND user_id = ");
            out.push_bind_param::<SqlUuid, _>(&self.filter.user)?;
            out.push_sql(")");
            if let Some((updated_at, chat)) = recent {
                out.push_sql(" AND (chats.updated_at, chats.id) < (");
                out.push_bind_param::<Timestamptz, _>(updated_at)?;
                out.push_sql(", ");
                out.push_bind_param::<SqlUuid, _>(chat)?;
                out.push_sql(")");
            }
        }
        // The pinned chats are read once: at most twenty ids, in the order of their places; NULL if there are none.
        out.push_sql(
            " ORDER BY array_position((SELECT array_agg(chat_id ORDER BY pin_place) FROM chat_prefs
                                        WHERE pin_place IS NOT NULL AND user_id = ",
        );
        out.push_bind_param::<SqlUuid, _>(&self.filter.user)?;
        out.push_sql("), chats.id), chats.updated_at DESC, chats.id DESC LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        out.push_sql(" OFFSET ");
        out.push_bind_param::<BigInt, _>(&self.offset)?;
        out.push_sql(WITH_REST);
        Ok(())
    }
}

struct Count<'a>(Filter<'a>);

impl Query for Count<'_> {
    type SqlType = BigInt;
}

impl QueryId for Count<'_> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryFragment<Pg> for Count<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(if self.0.is_of_members() { COUNT_MEMBERS } else { COUNT_CHATS });
        self.0.walk_ast(out)
    }
}
