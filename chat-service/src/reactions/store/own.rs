//! What a user sees of the reactions to messages beside their counts.

use std::collections::HashMap;

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Bool, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::{Seq, UserId};
use uuid::Uuid;

use crate::messages::model::Message;

/// One look-up in the primary key for each message. The members of a channel do not see each other.
const OWN: &str = "
    SELECT target.chat_id, target.seq, kind = 'channel' AND role < 2 AS hides_users,
           ARRAY(SELECT emoji FROM reactions
                  WHERE reactions.chat_id = target.chat_id AND message_seq = target.seq AND user_id = $1
                  ORDER BY at) AS emojis
      FROM unnest($2, $3) AS target (chat_id, seq)
      JOIN chats ON chats.id = target.chat_id
      JOIN chat_members AS member ON member.chat_id = target.chat_id AND member.user_id = $1";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = BigInt)]
    seq: Seq,
    #[diesel(sql_type = Bool)]
    hides_users: bool,
    #[diesel(sql_type = Array<Text>)]
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
    let query =
        sql_query(OWN).bind::<SqlUuid, _>(user.0).bind::<Array<SqlUuid>, _>(chats).bind::<Array<BigInt>, _>(seqs);
    let rows: Vec<Row> = query.load(connection).await?;
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
