//! What a user sees of the reactions to messages beside their counts.

use std::collections::HashMap;

use diesel::{
    QueryResult, Queryable,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Array, BigInt, Bool, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::{Seq, UserId};
use uuid::Uuid;

use crate::messages::model::Message;

/// One look-up for each message. The inner `ORDER BY` chooses the index, as in [`statement`](super::statement). The members of a channel do not see each other.
struct OwnReactions {
    chats: Vec<Uuid>,
    seqs: Vec<Seq>,
    user: Uuid,
}

impl QueryFragment<Pg> for OwnReactions {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "SELECT target.chat_id, target.seq, kind = 'channel' AND role < 2,
                    ARRAY(SELECT emoji
                            FROM (SELECT emoji, at FROM reactions
                                   WHERE reactions.chat_id = target.chat_id AND message_seq = target.seq
                                         AND reactions.user_id = member.user_id
                                   ORDER BY slot OFFSET 0) AS mine
                           ORDER BY at)
               FROM unnest(",
        );
        out.push_bind_param::<Array<SqlUuid>, _>(&self.chats)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.seqs)?;
        out.push_sql(
            ") AS target (chat_id, seq)
               JOIN chats ON chats.id = target.chat_id
               JOIN chat_members AS member ON member.chat_id = target.chat_id AND member.user_id = ",
        );
        out.push_bind_param::<SqlUuid, _>(&self.user)
    }
}

impl QueryId for OwnReactions {
    type QueryId = Self;
}

impl Query for OwnReactions {
    type SqlType = (SqlUuid, BigInt, Bool, Array<Text>);
}

#[derive(Queryable)]
struct Row {
    chat_id: Uuid,
    seq: Seq,
    /// Whether the user may not know who the others are.
    hides_users: bool,
    emojis: Vec<String>,
}

/// Adds the user's own reactions to messages, and removes the other users from the reactions of channels whose members the user may not
/// see.
pub(crate) async fn add_own_reactions(
    connection: &mut AsyncPgConnection,
    user: UserId,
    messages: &mut [Message],
) -> QueryResult<()> {
    let alive = || messages.iter().filter(|message| !message.is_deleted);
    let (chats, seqs): (Vec<_>, Vec<_>) = alive().map(|message| (message.chat_id.0, message.seq)).unzip();
    if chats.is_empty() {
        return Ok(());
    }
    let rows: Vec<Row> = OwnReactions { chats, seqs, user: user.0 }.load(connection).await?;
    let mut rows: HashMap<_, _> = rows.into_iter().map(|row| ((row.chat_id, row.seq), row)).collect();
    for message in messages {
        let row = rows.remove(&(message.chat_id.0, message.seq));
        if row.as_ref().is_none_or(|row| row.hides_users) {
            message.reactions.hide_users();
        }
        message.my_reactions = row.map(|row| row.emojis).unwrap_or_default();
    }
    Ok(())
}
