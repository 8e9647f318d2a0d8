//! Reactions in Postgres.

mod apply;
mod gather;
mod list;
mod own;
mod requests;
mod statement;

pub(crate) use self::own::add_own_reactions;
pub(super) use self::{
    apply::{ReactionResult, Shape, apply, windows},
    gather::{Gathered, due, gather, has_due},
    list::list,
    requests::forget_old_requests,
};

/// The recursive part finds the kinds of reactions to the message `target` one by one, each by a look-up in the index.
const KINDS: &str = "
    WITH RECURSIVE kind AS (
        (SELECT emoji FROM reactions
          WHERE chat_id = target.chat_id AND message_seq = target.message_seq ORDER BY emoji LIMIT 1)
        UNION ALL
        SELECT (SELECT emoji FROM reactions
                 WHERE chat_id = target.chat_id AND message_seq = target.message_seq AND emoji > kind.emoji
                 ORDER BY emoji LIMIT 1)
          FROM kind WHERE emoji IS NOT NULL)
    SELECT emoji FROM kind WHERE emoji IS NOT NULL";
