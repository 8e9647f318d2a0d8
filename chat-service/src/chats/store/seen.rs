//! How far the members of small chats are.

use diesel::{BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, dsl::now};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::{
    chat::ChatClass,
    ids::{ChatId, MessageId, Seq, UserId},
};
use uuid::Uuid;

use super::parse_class;
use crate::{
    access::Access,
    chats::{
        error::ChatError,
        model::{ChatReceipts, SeenBy},
    },
    db::Db,
    schema::{chat_members, chats, messages},
};

/// Returns the markers of all members.
pub(in crate::chats) async fn receipts(db: &Db, user: UserId, chat: ChatId) -> Result<ChatReceipts, ChatError> {
    db.run(async |connection| {
        access_to_small(connection, user, chat).await?;
        let members = chat_members::table
            .filter(chat_members::chat_id.eq(chat.0))
            .select((chat_members::user_id, chat_members::read_seq, chat_members::delivered_seq))
            .load::<(Uuid, Seq, Seq)>(connection)
            .await?;
        let read = members.iter().map(|&(user, read, _)| (UserId(user), read)).collect();
        let delivered = members.iter().map(|&(user, read, delivered)| (UserId(user), read.max(delivered))).collect();
        Ok(ChatReceipts { read, delivered })
    })
    .await
}

/// Returns the members who have read a message.
pub(in crate::chats) async fn seen(
    db: &Db,
    user: UserId,
    chat: ChatId,
    message: MessageId,
) -> Result<Vec<SeenBy>, ChatError> {
    db.run(async |connection| {
        let access = access_to_small(connection, user, chat).await?;
        let message = messages::table
            .find(message.0)
            .filter(messages::chat_id.eq(chat.0))
            .filter(messages::seq.gt(access.hidden_up_to()))
            .filter(messages::deleted_at.is_null())
            .filter(messages::expires_at.is_null().or(messages::expires_at.gt(now)))
            .select((messages::seq, messages::sender_id));
        let message = message.first::<(Seq, Uuid)>(connection).await.optional()?;
        let (seq, sender) = message.ok_or(ChatError::NoSuchMessage)?;
        // Joining sets the read marker to the head, which says nothing of the messages before.
        let readers = chat_members::table
            .filter(chat_members::chat_id.eq(chat.0))
            .filter(chat_members::read_seq.ge(seq))
            .filter(chat_members::joined_seq.lt(seq))
            .filter(chat_members::user_id.ne(sender))
            .order(chat_members::user_id)
            .select(chat_members::user_id)
            .load::<Uuid>(connection)
            .await?;
        Ok(readers.into_iter().map(|user| SeenBy { user_id: UserId(user) }).collect())
    })
    .await
}

/// Returns the membership of a user in a small chat.
async fn access_to_small(connection: &mut AsyncPgConnection, user: UserId, chat: ChatId) -> Result<Access, ChatError> {
    let access = Access::find(connection, user, chat).await?.ok_or(ChatError::NotFound)?;
    let size = chats::table.find(chat.0).select((chats::class, chats::member_count));
    let size = size.first::<(i16, i32)>(connection).await.optional()?;
    let (class, members) = size.ok_or(ChatError::NotFound)?;
    if access.kind().class(parse_class(class)?, members) == ChatClass::Small {
        Ok(access)
    } else {
        Err(ChatError::TooManyMembers)
    }
}
