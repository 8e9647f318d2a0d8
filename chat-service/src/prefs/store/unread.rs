//! What a user has not read, in all chats.

use diesel::{
    QueryResult, Queryable,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use neonchat_common::ids::UserId;
use uuid::Uuid;

use crate::{
    chats::{mention_count, unread_count},
    db::{Db, DbResult},
    prefs::model::UnreadTotals,
};

/// Returns what a user has not read, in all chats that are neither archived nor muted.
pub(in crate::prefs) async fn unread(db: &Db, user: UserId) -> DbResult<UnreadTotals> {
    let row: Row = db.query(async |connection| Unread { user: user.0 }.get_result(connection).await).await?;
    Ok(UnreadTotals { chats: row.chats, messages: row.messages, mentions: row.mentions })
}

#[derive(Queryable)]
struct Row {
    chats: i64,
    messages: i64,
    mentions: i64,
}

/// One look-up for each chat of the user, and those of the unread count for each chat with something after the read marker.
///
/// What is left out is looked up once, in partial indexes, and hashed. `OFFSET 0` keeps the count of a chat from being computed twice.
#[derive(Clone, Copy, QueryId)]
struct Unread {
    user: Uuid,
}

impl Query for Unread {
    type SqlType = (BigInt, BigInt, BigInt);
}

impl QueryFragment<Pg> for Unread {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(concat!(
            "SELECT count(*), coalesce(sum(unread), 0)::bigint, coalesce(sum(mentions), 0)::bigint
               FROM (SELECT is_marked, ",
            unread_count!("chat", "chat", "chat.seen_seq"),
            " AS unread, ",
            mention_count!("chat", "chat", "chat.seen_seq"),
            " AS mentions
              FROM (SELECT chats.*, member.user_id, member.passive_seq,
                           greatest(member.read_seq, member.from_seq, chats.floor_seq) AS seen_seq,
                           (chats.id, member.read_seq) IN (
                               SELECT chat_id, marked_seq FROM chat_prefs
                                WHERE marked_seq IS NOT NULL AND user_id = "
        ));
        out.push_bind_param::<SqlUuid, _>(&self.user)?;
        out.push_sql(
            ") AS is_marked
                      FROM chat_members AS member JOIN chats ON chats.id = member.chat_id
                     WHERE NOT chats.is_closed AND member.user_id = ",
        );
        out.push_bind_param::<SqlUuid, _>(&self.user)?;
        out.push_sql(" AND chats.id NOT IN (SELECT chat_id FROM chat_prefs WHERE archived AND user_id = ");
        out.push_bind_param::<SqlUuid, _>(&self.user)?;
        out.push_sql(" UNION ALL SELECT chat_id FROM chat_prefs WHERE muted_until > now() AND user_id = ");
        out.push_bind_param::<SqlUuid, _>(&self.user)?;
        out.push_sql(
            ")
                   ) AS chat
             WHERE is_marked OR last_seq > seen_seq
            OFFSET 0) AS counted
             WHERE is_marked OR unread > 0",
        );
        Ok(())
    }
}
