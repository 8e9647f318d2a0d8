//! Who may see what of a chat.

use diesel::{OptionalExtension as _, QueryDsl as _, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::{ChatId, UserId};
use uuid::Uuid;

use crate::schema::chat_members;

/// The membership of a user in a chat. Every read of a chat's content takes it, and only [`Access::find`] creates it, so no read
/// can omit the check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    chat: ChatId,
}

impl Access {
    /// Looks up the membership. Returns `None` if the chat does not exist or the user is not a member.
    pub(crate) async fn find(
        connection: &mut AsyncPgConnection,
        user: UserId,
        chat: ChatId,
    ) -> QueryResult<Option<Self>> {
        let member = chat_members::table.find((chat.0, user.0)).select(chat_members::chat_id);
        let is_member = member.first::<Uuid>(connection).await.optional()?.is_some();
        Ok(is_member.then_some(Self { chat }))
    }

    /// Returns the chat.
    pub(crate) const fn chat(self) -> ChatId {
        self.chat
    }
}
