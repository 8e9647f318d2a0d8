//! Who reacted to a message.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    sql_types::{BigInt, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use neonchat_common::ids::{Seq, UserId};
use uuid::Uuid;

use super::KINDS;
use crate::{
    access::Access,
    db::{Db, prepared},
    messages::{error::MessageError, store::confirm},
    reactions::{
        emoji::Emoji,
        model::{ReactionList, ReactionPlace, ReactionsLimit, UserReaction},
    },
};

/// For each kind a range of the index. There are few kinds.
static LIST: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT reaction.*
           FROM (SELECT $1 AS chat_id, $2 AS message_seq) AS target,
                LATERAL ({KINDS}) AS kind,
                LATERAL (
                SELECT user_id, emoji, at, slot FROM reactions
                 WHERE chat_id = $1 AND message_seq = $2 AND emoji = kind.emoji
                       AND (at, user_id) <= ($4, $5) AND (at, user_id, slot) < ($4, $5, $6)
                 ORDER BY at DESC, user_id DESC LIMIT $7) AS reaction
          WHERE $3 IS NULL OR kind.emoji = $3
          ORDER BY at DESC, user_id DESC, slot DESC LIMIT $7"
    )
});

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = Text)]
    emoji: String,
    #[diesel(sql_type = Timestamptz)]
    at: DateTime<Utc>,
    #[diesel(sql_type = SmallInt)]
    slot: i16,
}

/// Returns the reactions to a message before a place, with this emoji or with any.
pub(in crate::reactions) async fn list(
    db: &Db,
    access: Access,
    message: Seq,
    emoji: Option<Emoji>,
    before: Option<ReactionPlace>,
    limit: ReactionsLimit,
) -> Result<ReactionList, MessageError> {
    let newest = ReactionPlace { at: DateTime::<Utc>::MAX_UTC, user: UserId(Uuid::max()), slot: i16::MAX };
    let ReactionPlace { at, user, slot } = before.unwrap_or(newest);
    db.run(async |connection| {
        let query = prepared(&LIST)
            .bind::<SqlUuid, _>(access.chat().0)
            .bind::<BigInt, _>(message)
            .bind::<Nullable<Text>, _>(emoji.map(Emoji::as_str))
            .bind::<Timestamptz, _>(at)
            .bind::<SqlUuid, _>(user.0)
            .bind::<SmallInt, _>(slot)
            .bind::<BigInt, _>(limit.plus_one());
        let mut rows: Vec<Row> = query.load(connection).await?;
        confirm(connection, access, message).await?;
        let place = |row: &Row| ReactionPlace { at: row.at, user: UserId(row.user_id), slot: row.slot }.to_string();
        let next = limit.next_place(&mut rows, place);
        let reaction = |Row { user_id, emoji, at, .. }| UserReaction { user_id: UserId(user_id), emoji, at };
        Ok(ReactionList { reactions: rows.into_iter().map(reaction).collect(), next })
    })
    .await
}
