//! How far a member has read a chat.

use diesel::{
    OptionalExtension as _, QueryDsl as _, QueryResult,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use neonchat_common::ids::{ChatId, Seq, UserId};
use uuid::Uuid;

use crate::{
    chats::model::{ReadState, ReadUpdate, unread_count},
    db::{Attempts, Db, DbResult},
    schema::{chat_members, chats},
};

/// Notes that a user has read a chat up to a `seq`. `None` where the user is not a member of it.
///
/// A message that the user sends meanwhile is never left unread by it: only a `read_seq` that is less is replaced, and
/// Postgres looks at it again once it has the row's lock.
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
        // All of the answer, and not its first row alone, which comes before the commit.
        if let Some(row) = statement.load(connection).await?.pop() {
            return Ok(Some(ReadUpdate::Moved(read_state(row))));
        }
        // In a statement of its own, which sees what a lock was waited for.
        let member = chat_members::table.find((chat.0, user.0)).inner_join(chats::table);
        let row = member.select((chat_members::read_seq, chats::last_seq)).first(connection).await.optional()?;
        // The first attempt may have moved it. A receipt that is published twice changes nothing for clients.
        let update = if is_repeat { ReadUpdate::Moved } else { ReadUpdate::Unchanged };
        Ok(row.map(|row| update(read_state(row))))
    })
    .await
}

fn read_state((read_seq, last_seq): (Seq, Seq)) -> ReadState {
    ReadState { read_seq, unread_count: unread_count(last_seq, read_seq) }
}

/// diesel's UPDATE has no FROM. No row comes back where nothing is to be moved.
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
        out.push_sql(") AS target WHERE chats.id = ");
        out.push_bind_param::<SqlUuid, _>(&self.chat)?;
        out.push_sql(" AND member.chat_id = chats.id AND member.read_seq < target AND member.user_id = ");
        out.push_bind_param::<SqlUuid, _>(&self.user)?;
        out.push_sql(" RETURNING member.read_seq, chats.last_seq");
        Ok(())
    }
}
