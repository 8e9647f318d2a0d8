//! The beginning of the history, which a member moves.

use diesel::{
    OptionalExtension as _, QueryResult, Queryable,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use neonchat_common::ids::{ChatId, Seq, UserId};
use uuid::Uuid;

use crate::{
    chats::unread_count,
    db::{Attempts, Db, DbResult},
    prefs::model::Cleared,
};

/// The outcome of [`clear`].
pub(in crate::prefs) struct ClearUpdate {
    pub(in crate::prefs) cleared: Cleared,
    /// Whether the history begins later than before.
    pub(in crate::prefs) is_changed: bool,
}

/// Lets the history of a chat begin after the event `upto` for a member. Returns `None` if the user is not a member.
pub(in crate::prefs) async fn clear(db: &Db, user: UserId, chat: ChatId, upto: Seq) -> DbResult<Option<ClearUpdate>> {
    let attempts = Attempts::default();
    db.query(async |connection| {
        let is_repeat = attempts.begin();
        // `load` reads the answer to its end: the first row arrives before the commit.
        let advance = AdvanceBeginning { user: user.0, chat: chat.0, upto };
        if let Some(row) = advance.load::<Row>(connection).await?.pop() {
            return Ok(Some(ClearUpdate { cleared: row.into(), is_changed: true }));
        }
        let row: Option<Row> = Beginning { user: user.0, chat: chat.0 }.get_result(connection).await.optional()?;
        // The first attempt may have changed it.
        Ok(row.map(|row| ClearUpdate { cleared: row.into(), is_changed: is_repeat }))
    })
    .await
}

#[derive(Queryable)]
struct Row {
    from_seq: Seq,
    unread_count: i64,
}

impl From<Row> for Cleared {
    fn from(Row { from_seq, unread_count }: Row) -> Self {
        Self { first_seq: from_seq + 1, unread_count }
    }
}

/// Written by hand because diesel's UPDATE has no FROM. It returns no row if nothing changes.
#[derive(Clone, Copy, QueryId)]
struct AdvanceBeginning {
    user: Uuid,
    chat: Uuid,
    upto: Seq,
}

impl Query for AdvanceBeginning {
    type SqlType = (BigInt, BigInt);
}

impl QueryFragment<Pg> for AdvanceBeginning {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("UPDATE chat_members AS member SET from_seq = target FROM chats, LATERAL least(chats.last_seq, ");
        out.push_bind_param::<BigInt, _>(&self.upto)?;
        out.push_sql(") AS target WHERE NOT chats.is_closed AND chats.id = ");
        out.push_bind_param::<SqlUuid, _>(&self.chat)?;
        out.push_sql(" AND member.chat_id = chats.id AND member.from_seq < target AND member.user_id = ");
        out.push_bind_param::<SqlUuid, _>(&self.user)?;
        out.push_sql(" RETURNING member.from_seq, ");
        out.push_sql(unread_count!("chats", "member", "greatest(member.read_seq, member.from_seq, chats.floor_seq)"));
        Ok(())
    }
}

/// The beginning of the history as it is.
#[derive(Clone, Copy, QueryId)]
struct Beginning {
    user: Uuid,
    chat: Uuid,
}

impl Query for Beginning {
    type SqlType = (BigInt, BigInt);
}

impl QueryFragment<Pg> for Beginning {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT member.from_seq, ");
        out.push_sql(unread_count!("chats", "member", "greatest(member.read_seq, member.from_seq, chats.floor_seq)"));
        out.push_sql(" FROM chat_members AS member JOIN chats ON chats.id = member.chat_id");
        out.push_sql(" WHERE NOT chats.is_closed AND member.chat_id = ");
        out.push_bind_param::<SqlUuid, _>(&self.chat)?;
        out.push_sql(" AND member.user_id = ");
        out.push_bind_param::<SqlUuid, _>(&self.user)?;
        Ok(())
    }
}
