//! The list of a user's chats: a page of it, and its length.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::UserId;
use uuid::Uuid;

use super::items::{CHOSEN, Columns, Row, WITH_REST};
use crate::{
    chats::{
        model::{ChatItem, ListFilter},
        store::unread::unread_count,
    },
    rights::ChatKind,
};

/// Returns a page of the list of chats. `online` is not filled in.
pub(super) async fn page(
    connection: &mut AsyncPgConnection,
    user: UserId,
    filter: ListFilter,
) -> QueryResult<Vec<ChatItem>> {
    let page = Page { filter: Filter::new(user, filter), limit: filter.limit.get(), offset: filter.offset.get() };
    page.load::<Row>(connection).await?.into_iter().map(Row::item).collect()
}

/// Returns the number of chats on all pages.
pub(super) async fn count(connection: &mut AsyncPgConnection, user: UserId, filter: ListFilter) -> QueryResult<i64> {
    Count(Filter::new(user, filter)).get_result(connection).await
}

/// The first comparison spares most chats the expression.
const AND_IS_UNREAD: &str = concat!(
    " AND chats.last_seq > member.read_seq AND ",
    unread_count!("chats", "member", "greatest(member.read_seq, member.from_seq)"),
    " > 0"
);

const COUNT_CHATS: &str = "SELECT count(*) FROM chat_members AS member JOIN chats ON chats.id = member.chat_id
     WHERE NOT chats.is_closed";

/// Looks up closed chats in the index `chats_closed`, which is small, instead of every chat of the user. Purged ones have no
/// members.
const COUNT_MEMBERS: &str = "SELECT count(*) FROM chat_members AS member
     WHERE NOT EXISTS (SELECT FROM chats WHERE chats.id = member.chat_id AND chats.is_closed AND NOT chats.is_purged)";

/// The conditions on `member` and `chats`.
struct Filter {
    user: Uuid,
    kind: Option<&'static str>,
    unread_only: bool,
    updated_after: Option<DateTime<Utc>>,
}

impl Filter {
    fn new(user: UserId, ListFilter { kind, unread_only, updated_after, .. }: ListFilter) -> Self {
        Self { user: user.0, kind: kind.map(ChatKind::as_str), unread_only, updated_after }
    }

    /// Returns whether it needs only the rows of `chat_members`.
    const fn is_of_members(&self) -> bool {
        self.kind.is_none() && !self.unread_only && self.updated_after.is_none()
    }
}

impl QueryFragment<Pg> for Filter {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(" AND member.user_id = ");
        out.push_bind_param::<SqlUuid, _>(&self.user)?;
        if let Some(kind) = &self.kind {
            out.push_sql(" AND chats.kind = ");
            out.push_bind_param::<Text, _>(kind)?;
        }
        if self.unread_only {
            out.push_sql(AND_IS_UNREAD);
        }
        if let Some(after) = &self.updated_after {
            // Edits and changes of a group do not move a chat up in the list. `greatest` ignores NULL.
            out.push_sql(" AND greatest(chats.updated_at, chats.last_event_at, member.joined_at) > ");
            out.push_bind_param::<Timestamptz, _>(after)?;
        }
        Ok(())
    }
}

// Both stand for several statements, so they have no static id. diesel then caches the prepared statements by their texts.

struct Page {
    filter: Filter,
    limit: i64,
    offset: i64,
}

impl Query for Page {
    type SqlType = Columns;
}

impl QueryId for Page {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryFragment<Pg> for Page {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(CHOSEN);
        self.filter.walk_ast(out.reborrow())?;
        out.push_sql(" ORDER BY chats.updated_at DESC, chats.id DESC LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        out.push_sql(" OFFSET ");
        out.push_bind_param::<BigInt, _>(&self.offset)?;
        out.push_sql(WITH_REST);
        Ok(())
    }
}

struct Count(Filter);

impl Query for Count {
    type SqlType = BigInt;
}

impl QueryId for Count {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryFragment<Pg> for Count {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(if self.0.is_of_members() { COUNT_MEMBERS } else { COUNT_CHATS });
        self.0.walk_ast(out)
    }
}
