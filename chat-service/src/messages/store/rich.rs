//! The parts of the statement that stores messages which only messages need that say more than their text.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{Array, BigInt, Bool, Nullable, Text, Uuid as SqlUuid},
};
use neonchat_common::{ids::Seq, json};
use uuid::Uuid;

use crate::messages::model::NewMessage;

/// In `mentions`, stands for all members.
const ALL: Uuid = Uuid::nil();

/// A member reads the chat by sending, unless the message is passive. `greatest` ignores NULL.
pub(super) const READ_UNLESS_PASSIVE: &str =
    "read_seq = greatest(read_seq, active_to), passive_seq = greatest(passive_seq, passive_to)";

/// The start of [`LAST_OF_SENDERS`].
macro_rules! last_of_senders {
    ($more:literal) => {
        concat!(
            "
                  FROM (SELECT chat_id, sender_id, max(at) AS at, max(seq) FILTER (WHERE is_passive) AS passive_to,
                               max(seq) FILTER (WHERE NOT is_passive) AS active_to",
            $more,
            "
                          FROM placed WHERE NOT is_stale GROUP BY chat_id, sender_id) AS placed
                 WHERE TRUE"
        )
    };
}

/// The last messages of the senders in their chats.
pub(super) const LAST_OF_SENDERS: &str = last_of_senders!("");

/// [`LAST_OF_SENDERS`] with the slow mode of the senders.
pub(super) const LAST_OF_SENDERS_WITH_SLOW_MODE: &str = last_of_senders!(", max(slow_s) AS slow_s");

/// What the messages have beside their texts: arrays with an element for each message, and one for each mention.
#[derive(Default)]
pub(super) struct RichColumns {
    extras: Vec<Option<String>>,
    digests: Vec<Option<i64>>,
    /// The `seq` of the message that each one answers.
    replies: Vec<Option<Seq>>,
    passive: Vec<bool>,
    /// For each mention, the position of the message in the statement, from 1.
    mention_numbers: Vec<i64>,
    mentioned: Vec<Uuid>,
    /// The positions of the messages that mention all members.
    mentions_of_all: Vec<i64>,
}

impl RichColumns {
    pub(super) fn new(batch: &[&NewMessage]) -> Self {
        let mut columns = Self::default();
        for (message, n) in batch.iter().zip(1..) {
            let rich = message.rich.as_deref();
            columns.extras.push(rich.filter(|rich| !rich.extra.is_empty()).map(|rich| json::text(&rich.extra)));
            columns.digests.push(message.given_digest());
            columns.replies.push(rich.and_then(|rich| rich.extra.reply_to).map(|reply| reply.seq));
            columns.passive.push(message.is_passive);
            for user in rich.iter().flat_map(|rich| &rich.counted) {
                columns.mention(n, user.0);
            }
            if rich.is_some_and(|rich| rich.extra.mention_all) {
                columns.mention(n, ALL);
                columns.mentions_of_all.push(n);
            }
        }
        columns
    }

    fn mention(&mut self, n: i64, user: Uuid) {
        self.mention_numbers.push(n);
        self.mentioned.push(user);
    }

    /// Continues the list of the arrays with an element for each message.
    pub(super) fn push_arrays<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.extras)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<BigInt>>, _>(&self.digests)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<BigInt>>, _>(&self.replies)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Bool>, _>(&self.passive)
    }

    /// Continues what changes in `chats`.
    pub(super) fn push_last_mention_of_all<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // Looking through the batch for each chat takes milliseconds, so it is done only if there is something to find.
        out.push_sql(", all_seq = CASE WHEN cardinality(");
        out.push_bind_param::<Array<BigInt>, _>(&self.mentions_of_all)?;
        out.push_sql(
            ") = 0 THEN all_seq ELSE greatest(all_seq, (
                           SELECT max(seq) FROM placed AS of_all WHERE of_all.chat_id = chats.id AND n = ANY (",
        );
        out.push_bind_param::<Array<BigInt>, _>(&self.mentions_of_all)?;
        out.push_sql("))) END");
        Ok(())
    }

    /// Continues the parts that store rows beside the messages.
    pub(super) fn push_side_tables<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "
            ), passively AS (
                INSERT INTO passive_messages (chat_id, user_id, seq)
                SELECT chat_id, sender_id, seq FROM placed WHERE is_passive AND NOT is_stale
            ), replied AS (
                INSERT INTO replies (chat_id, to_seq, seq)
                SELECT chat_id, reply_seq, seq FROM placed WHERE reply_seq IS NOT NULL AND NOT is_stale
            ), mentioned AS (
                INSERT INTO mentions (user_id, chat_id, seq, at)
                SELECT user_id, chat_id, seq, at FROM placed JOIN unnest(",
        );
        out.push_bind_param::<Array<BigInt>, _>(&self.mention_numbers)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.mentioned)?;
        out.push_sql(
            ") AS mention (n, user_id) USING (n) WHERE NOT is_stale
            ), expiring AS (
                INSERT INTO expiring_messages (expires_at, chat_id, seq)
                SELECT expires_at, chat_id, seq FROM placed WHERE expires_at IS NOT NULL AND NOT is_stale",
        );
        Ok(())
    }
}
