//! Messages in Postgres.

pub(crate) mod attempts;
mod change;
mod expiry;
mod forward;
mod insert;
pub(crate) mod lock;
mod lookup;
mod resolve;
mod rich;

use std::slice;

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, HasQuery as _, OptionalExtension as _, QueryDsl as _,
    QueryResult,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::{ChatId, MessageId, Seq, UserId};
use uuid::Uuid;

pub(super) use self::{
    change::{ChangeResult, apply_changes},
    expiry::{find_expired, wipe},
    forward::{find_sent, is_protected},
    insert::{StoreResult, insert_batch},
    lookup::{by_ids, mentions, replies},
    resolve::{Mentionable, Replied, claim_mention_of_all, find_members, find_replied},
};
use super::{
    error::MessageError,
    model::{Cursor, History, HistoryLimit, HistoryQuery, Message, Position, Version, VersionsLimit},
};
use crate::{
    access::Access,
    db::{Db, Replica},
    reactions::store::add_own_reactions,
    rights::ChatKind,
    schema::{chats, message_versions, messages},
};

/// Returns a page of history. It is found by key and not by offset, so page 10,000 costs as much as page 1.
///
/// If the client says up to which `seq` it knows the chat, the page may come from a replica that has everything up to there. The
/// membership is always read from the primary, before and after the page, so that a page has nothing after the removal of the
/// member.
pub(super) async fn history(
    db: &Db,
    replica: Option<&Replica>,
    user: UserId,
    chat: ChatId,
    query: HistoryQuery,
) -> Result<History, MessageError> {
    let HistoryQuery { position, limit, min_seq } = query;
    let Some((replica, min_seq)) = replica.zip(min_seq) else {
        return db
            .run(async |connection| {
                let access = access(connection, user, chat).await?;
                confirmed_page(connection, access, position, limit).await
            })
            .await;
    };
    let access = db.run(async |connection| access(connection, user, chat).await).await?;
    let from_replica = replica.try_read(async |connection| match page(connection, access, position, limit).await {
        Ok(page) if page.head_seq < min_seq.max(position.seq()) => Ok(None),
        // The replica does not have the chat or the message yet, or there is no such message.
        Err(MessageError::NoSuchChat | MessageError::UnknownCursor { .. }) => Ok(None),
        answer => answer.map(Some),
    });
    let Some(page) = from_replica.await else {
        return db.run(async |connection| confirmed_page(connection, access, position, limit).await).await;
    };
    if access.kind() == ChatKind::Direct {
        return Ok(page);
    }
    let now = db.run(async |connection| latest_access(connection, access).await).await?;
    if now.hidden_up_to() <= access.hidden_up_to() {
        return Ok(page);
    }
    db.run(async |connection| confirmed_page(connection, now, position, limit).await).await
}

/// Returns a page of what exists for the member also afterwards. It is read again if less does: the user has cleared the history, or
/// has left and joined again.
async fn confirmed_page(
    connection: &mut AsyncPgConnection,
    mut access: Access,
    position: Position,
    limit: HistoryLimit,
) -> Result<History, MessageError> {
    loop {
        let page = page(connection, access, position, limit).await?;
        let now = latest_access(connection, access).await?;
        if now.hidden_up_to() <= access.hidden_up_to() {
            return Ok(page);
        }
        access = now;
    }
}

/// Returns the membership of a user as it is now: less may exist for the user than before. The members of a direct chat never change.
pub(crate) async fn latest_access(connection: &mut AsyncPgConnection, before: Access) -> Result<Access, MessageError> {
    if before.kind() == ChatKind::Direct {
        return Ok(before);
    }
    access(connection, before.user(), before.chat()).await
}

/// Checks that a user is still a member for whom a message exists.
pub(crate) async fn confirm(
    connection: &mut AsyncPgConnection,
    before: Access,
    message: Seq,
) -> Result<(), MessageError> {
    let now = latest_access(connection, before).await?;
    if message > now.hidden_up_to() { Ok(()) } else { Err(MessageError::NoSuchMessage) }
}

/// Returns the membership of a user.
pub(super) async fn access_of(db: &Db, user: UserId, chat: ChatId) -> Result<Access, MessageError> {
    db.run(async |connection| access(connection, user, chat).await).await
}

pub(crate) async fn access(
    connection: &mut AsyncPgConnection,
    user: UserId,
    chat: ChatId,
) -> Result<Access, MessageError> {
    Access::find(connection, user, chat).await?.ok_or(MessageError::NoSuchChat)
}

async fn page(
    connection: &mut AsyncPgConnection,
    access: Access,
    position: Position,
    limit: HistoryLimit,
) -> Result<History, MessageError> {
    // The head is read first, so that the page reflects every event up to it.
    let head = chats::table.find(access.chat().0).select(chats::last_seq).first(connection).await.optional()?;
    let head_seq = head.ok_or(MessageError::NoSuchChat)?;
    let first_seq = access.hidden_up_to() + 1;
    let nothing = limit.minus(usize::MAX);
    let (mut messages, has_previous, has_next) = match position {
        Position::Newest => {
            let (messages, has_previous) = older_than(connection, access, Seq::MAX, limit).await?;
            (messages, has_previous, false)
        }
        Position::Before(cursor) => {
            let seq = find_seq(connection, access, cursor, "before_id").await?;
            let (messages, has_previous) = older_than(connection, access, seq, limit).await?;
            // A message is newer than those before it.
            let has_next = cursor.is_message() || newer_than(connection, access, seq - 1, nothing).await?.1;
            (messages, has_previous, has_next)
        }
        Position::After(cursor) => {
            let seq = find_seq(connection, access, cursor, "after_id").await?;
            let (messages, has_next) = newer_than(connection, access, seq, limit).await?;
            let has_previous =
                cursor.is_message() || older_than(connection, access, seq.saturating_add(1), nothing).await?.1;
            (messages, has_previous, has_next)
        }
        Position::Around(cursor) => {
            let seq = find_seq(connection, access, cursor, "around_id").await?.min(head_seq);
            let (mut messages, has_next) = newer_than(connection, access, seq - 1, limit.half()).await?;
            let (older, has_previous) = older_than(connection, access, seq, limit.minus(messages.len())).await?;
            messages.extend(older);
            (messages, has_previous, has_next)
        }
    };
    add_own_reactions(connection, access.user(), &mut messages).await?;
    Ok(History { messages, has_previous, has_next, head_seq, first_seq })
}

/// The messages of a chat that exist for the member.
#[diesel::dsl::auto_type(no_type_alias)]
fn visible_to(access: Access) -> _ {
    let (chat, from_seq): (Uuid, Seq) = (access.chat().0, access.hidden_up_to());
    messages::chat_id.eq(chat).and(messages::seq.gt(from_seq))
}

/// Returns whether a message exists for the member.
///
/// A look-up by id checks this afterwards: with these conditions in the statement Postgres may choose the index of the chat, and
/// read its whole history.
fn is_visible_to(access: Access, chat: ChatId, seq: Seq) -> bool {
    chat == access.chat() && seq > access.hidden_up_to()
}

/// Returns a message for a member of its chat, and the membership.
pub(super) async fn message(
    db: &Db,
    user: UserId,
    chat: ChatId,
    message: MessageId,
) -> Result<(Access, Message), MessageError> {
    db.run(async |connection| {
        let access = access(connection, user, chat).await?;
        let message = Message::query().filter(messages::id.eq(message.0)).first(connection).await.optional()?;
        let message = message.filter(|message| is_visible_to(access, message.chat_id, message.seq));
        let mut message: Message = message.ok_or(MessageError::NoSuchMessage)?;
        add_own_reactions(connection, user, slice::from_mut(&mut message)).await?;
        confirm(connection, access, message.seq).await?;
        Ok((access, message))
    })
    .await
}

/// Returns the replaced texts of a message after the one that ended at the edit `after`, and one more than the limit.
pub(super) async fn versions(
    db: &Db,
    access: Access,
    message: Seq,
    after: Seq,
    limit: VersionsLimit,
) -> Result<Vec<Version>, MessageError> {
    db.run(async |connection| {
        let versions = Version::query()
            .filter(message_versions::chat_id.eq(access.chat().0))
            .filter(message_versions::seq.eq(message))
            .filter(message_versions::until_seq.gt(after))
            .order(message_versions::until_seq)
            .limit(limit.plus_one())
            .load(connection)
            .await?;
        confirm(connection, access, message).await?;
        Ok(versions)
    })
    .await
}

async fn find_seq(
    connection: &mut AsyncPgConnection,
    access: Access,
    cursor: Cursor,
    field: &'static str,
) -> Result<Seq, MessageError> {
    let message = match cursor {
        Cursor::Message(message) => messages::table.find(message.0).select((messages::chat_id, messages::seq)),
        Cursor::Seq(seq) => return Ok(seq),
    };
    let found = message.first::<(Uuid, Seq)>(connection).await.optional()?;
    let seq = found.and_then(|(chat, seq)| is_visible_to(access, ChatId(chat), seq).then_some(seq));
    seq.ok_or(MessageError::UnknownCursor { field })
}

/// Returns the messages directly before a `seq`, the newest first, and whether there are older ones.
async fn older_than(
    connection: &mut AsyncPgConnection,
    access: Access,
    seq: Seq,
    limit: HistoryLimit,
) -> QueryResult<(Vec<Message>, bool)> {
    let mut messages = Message::query()
        .filter(visible_to(access))
        .filter(messages::seq.lt(seq))
        .order(messages::seq.desc())
        .limit(limit.plus_one())
        .load(connection)
        .await?;
    let has_more = limit.truncate(&mut messages);
    Ok((messages, has_more))
}

/// Returns the messages directly after a `seq`, the newest first, and whether there are newer ones.
async fn newer_than(
    connection: &mut AsyncPgConnection,
    access: Access,
    seq: Seq,
    limit: HistoryLimit,
) -> QueryResult<(Vec<Message>, bool)> {
    let mut messages = Message::query()
        .filter(visible_to(access))
        .filter(messages::seq.gt(seq))
        .order(messages::seq)
        .limit(limit.plus_one())
        .load(connection)
        .await?;
    let has_more = limit.truncate(&mut messages);
    messages.reverse();
    Ok((messages, has_more))
}
