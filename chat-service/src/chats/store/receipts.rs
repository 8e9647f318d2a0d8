//! Read markers in Postgres.

use diesel::{
    QueryResult, Queryable,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Bool, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use neonchat_common::ids::{ChatId, Seq, UserId};
use uuid::Uuid;

use crate::{
    chats::{
        model::{ReadState, ReadUpdate},
        store::unread::unread_count,
    },
    db::{Attempts, Db, DbResult},
};

/// Moves the read marker of a user in a chat to a `seq`. Returns `None` if the user is not a member.
///
/// A message that the user sends at the same time never becomes unread by this: only a lower `read_seq` is replaced, and
/// Postgres checks the condition again after it has locked the row.
pub(in crate::chats) async fn mark_read(
    db: &Db,
    user: UserId,
    chat: ChatId,
    read: Seq,
) -> DbResult<Option<ReadUpdate>> {
    let statement = AdvanceReadMarker { user: user.0, chat: chat.0, read };
    let attempts = Attempts::default();
    db.query(async |connection| {
        let is_repeat = attempts.begin();
        // `load` reads the answer to its end: the first row arrives before the commit.
        if let Some(row) = statement.load::<Row>(connection).await?.pop() {
            return Ok(Some(ReadUpdate::Moved(row.into())));
        }
        // A separate statement, which sees the change that the first one may have waited for.
        let row = ReadMarker { user: user.0, chat: chat.0 }.load::<(Row, bool)>(connection).await?.pop();
        Ok(row.map(|(row, was_marked)| match (is_repeat, was_marked) {
            // The first attempt may have moved the marker. Publishing a receipt twice does no harm.
            (true, _) => ReadUpdate::Moved(row.into()),
            (false, true) => ReadUpdate::Unmarked(row.into()),
            (false, false) => ReadUpdate::Unchanged(row.into()),
        }))
    })
    .await
}

#[derive(Queryable)]
struct Row {
    read_seq: Seq,
    unread_count: i64,
}

impl From<Row> for ReadState {
    fn from(Row { read_seq, unread_count }: Row) -> Self {
        Self { read_seq, unread_count }
    }
}

/// Written by hand because diesel's UPDATE has no FROM. It returns no row if the marker does not move.
#[derive(Clone, Copy, QueryId)]
struct AdvanceReadMarker {
    user: Uuid,
    chat: Uuid,
    read: Seq,
}

impl Query for AdvanceReadMarker {
    type SqlType = (BigInt, BigInt);
}

impl QueryFragment<Pg> for AdvanceReadMarker {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("UPDATE chat_members AS member SET read_seq = target FROM chats, LATERAL least(chats.last_seq, ");
        out.push_bind_param::<BigInt, _>(&self.read)?;
        out.push_sql(") AS target WHERE NOT chats.is_closed AND chats.id = ");
        out.push_bind_param::<SqlUuid, _>(&self.chat)?;
        out.push_sql(" AND member.chat_id = chats.id AND member.read_seq < target AND member.user_id = ");
        out.push_bind_param::<SqlUuid, _>(&self.user)?;
        out.push_sql(" RETURNING member.read_seq, ");
        out.push_sql(unread_count!("chats", "member", "greatest(member.read_seq, member.from_seq, chats.floor_seq)"));
        Ok(())
    }
}

/// The read marker as it is. Ends the member's mark as unread, which any receipt does: one that moves the marker needs no write for it.
#[derive(Clone, Copy, QueryId)]
struct ReadMarker {
    user: Uuid,
    chat: Uuid,
}

impl Query for ReadMarker {
    type SqlType = ((BigInt, BigInt), Bool);
}

impl QueryFragment<Pg> for ReadMarker {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "WITH unmarked AS (
                 UPDATE chat_prefs AS prefs SET marked_seq = NULL FROM chat_members AS member
                  WHERE member.user_id = prefs.user_id AND member.chat_id = prefs.chat_id
                        AND prefs.marked_seq = member.read_seq AND prefs.chat_id = ",
        );
        out.push_bind_param::<SqlUuid, _>(&self.chat)?;
        out.push_sql(" AND prefs.user_id = ");
        out.push_bind_param::<SqlUuid, _>(&self.user)?;
        out.push_sql(" RETURNING prefs.user_id) SELECT member.read_seq, ");
        out.push_sql(unread_count!("chats", "member", "greatest(member.read_seq, member.from_seq, chats.floor_seq)"));
        out.push_sql(", EXISTS (SELECT FROM unmarked)");
        out.push_sql(" FROM chat_members AS member JOIN chats ON chats.id = member.chat_id");
        out.push_sql(" WHERE NOT chats.is_closed AND member.chat_id = ");
        out.push_bind_param::<SqlUuid, _>(&self.chat)?;
        out.push_sql(" AND member.user_id = ");
        out.push_bind_param::<SqlUuid, _>(&self.user)?;
        Ok(())
    }
}
