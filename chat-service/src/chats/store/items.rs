//! Reads chats with their partners and last messages, by one statement for all of them.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, Queryable,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::{ChatId, Seq, UserId};
use uuid::Uuid;

use crate::chats::{
    model::{ChatItem, LastMessage, ListFilter, Partner},
    store::unread::unread_count,
};

/// Returns one chat, if the user is a member of it. `online` is not filled in.
pub(super) async fn find(connection: &mut AsyncPgConnection, user: UserId, chat: ChatId) -> QueryResult<ChatItem> {
    let query = OneItem { user: user.0, chat: chat.0 };
    Ok(query.get_result::<Row>(connection).await?.into())
}

/// Returns a page of the list of chats. `online` is not filled in.
pub(super) async fn list(
    connection: &mut AsyncPgConnection,
    user: UserId,
    filter: ListFilter,
) -> QueryResult<Vec<ChatItem>> {
    let ListFilter { unread_only, limit, offset } = filter;
    let query = PageOfItems { user: user.0, unread_only, limit: limit.get(), offset: offset.get() };
    Ok(query.load::<Row>(connection).await?.into_iter().map(ChatItem::from).collect())
}

/// Returns the number of a user's chats with unread messages.
pub(super) async fn count_unread(connection: &mut AsyncPgConnection, user: UserId) -> QueryResult<i64> {
    CountUnread { user: user.0 }.get_result(connection).await
}

// diesel does not support LATERAL, and does not cache the prepared statement of an `sql_query`. A query type of our own is
// prepared once per connection. The chats are selected first, so that partners and last messages are looked up only for
// them.

const CHOSEN: &str = concat!(
    "
    SELECT chat.id, chat.kind, chat.last_seq, chat.updated_at, chat.read_seq, ",
    unread_count!("chat", "chat.read_seq"),
    ", partner.id, partner.username, last.text, last.sender_id, last.created_at
      FROM (SELECT chats.*, member.user_id, member.read_seq
              FROM chat_members AS member JOIN chats ON chats.id = member.chat_id
             WHERE member.user_id = "
);

/// The first comparison spares most chats the expression.
const AND_IS_UNREAD: &str =
    concat!(" AND chats.last_seq > member.read_seq AND ", unread_count!("chats", "member.read_seq"), " > 0");

const WITH_PARTNER_AND_LAST_MESSAGE: &str = "
           ) AS chat
      JOIN users AS partner
        ON partner.id = CASE chat.user_id WHEN chat.user1_id THEN chat.user2_id ELSE chat.user1_id END
      LEFT JOIN LATERAL (SELECT text, sender_id, created_at FROM messages
                          WHERE messages.chat_id = chat.id AND deleted_at IS NULL
                          ORDER BY seq DESC LIMIT 1) AS last ON TRUE
     ORDER BY chat.updated_at DESC, chat.id DESC";

type Columns = (
    SqlUuid,
    Text,
    BigInt,
    Timestamptz,
    BigInt,
    BigInt,
    SqlUuid,
    Text,
    Nullable<Text>,
    Nullable<SqlUuid>,
    Nullable<Timestamptz>,
);

#[derive(QueryId)]
struct OneItem {
    user: Uuid,
    chat: Uuid,
}

impl Query for OneItem {
    type SqlType = Columns;
}

impl QueryFragment<Pg> for OneItem {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(CHOSEN);
        out.push_bind_param::<SqlUuid, _>(&self.user)?;
        out.push_sql(" AND member.chat_id = ");
        out.push_bind_param::<SqlUuid, _>(&self.chat)?;
        out.push_sql(WITH_PARTNER_AND_LAST_MESSAGE);
        Ok(())
    }
}

struct PageOfItems {
    user: Uuid,
    unread_only: bool,
    limit: i64,
    offset: i64,
}

impl Query for PageOfItems {
    type SqlType = Columns;
}

impl QueryFragment<Pg> for PageOfItems {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(CHOSEN);
        out.push_bind_param::<SqlUuid, _>(&self.user)?;
        if self.unread_only {
            out.push_sql(AND_IS_UNREAD);
        }
        out.push_sql(" ORDER BY chats.updated_at DESC, chats.id DESC LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        out.push_sql(" OFFSET ");
        out.push_bind_param::<BigInt, _>(&self.offset)?;
        out.push_sql(WITH_PARTNER_AND_LAST_MESSAGE);
        Ok(())
    }
}

/// There are two statements, so it has no static id. diesel then caches the prepared statement by its text.
impl QueryId for PageOfItems {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

/// The number of a user's chats with unread messages.
#[derive(QueryId)]
struct CountUnread {
    user: Uuid,
}

impl Query for CountUnread {
    type SqlType = BigInt;
}

impl QueryFragment<Pg> for CountUnread {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "SELECT count(*) FROM chat_members AS member JOIN chats ON chats.id = member.chat_id WHERE member.user_id = ",
        );
        out.push_bind_param::<SqlUuid, _>(&self.user)?;
        out.push_sql(AND_IS_UNREAD);
        Ok(())
    }
}

#[derive(Queryable)]
struct Row {
    id: Uuid,
    kind: String,
    last_seq: Seq,
    updated_at: DateTime<Utc>,
    read_seq: Seq,
    unread_count: i64,
    partner_id: Uuid,
    partner_name: String,
    text: Option<String>,
    sender_id: Option<Uuid>,
    sent_at: Option<DateTime<Utc>>,
}

impl From<Row> for ChatItem {
    fn from(row: Row) -> Self {
        let last_message = match (row.text, row.sender_id, row.sent_at) {
            (Some(text), Some(sender), Some(created_at)) => {
                Some(LastMessage { text, sender_id: UserId(sender), created_at })
            }
            _ => None,
        };
        Self {
            id: ChatId(row.id),
            kind: row.kind,
            partner: Partner { id: UserId(row.partner_id), username: row.partner_name, online: false },
            last_message,
            unread_count: row.unread_count,
            last_seq: row.last_seq,
            read_seq: row.read_seq,
            updated_at: row.updated_at,
        }
    }
}
