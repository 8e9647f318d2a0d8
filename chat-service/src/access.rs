//! Who may see what of a chat.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, QueryResult, Queryable};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::{
    chat::Role,
    ids::{ChatId, Seq, UserId},
};

use crate::{
    rights::{ChatKind, Standing},
    schema::{chat_members, chats},
};

/// The membership of a user in a chat. Every read of a chat's content takes it, and only [`Access::find`] creates it, so no read
/// can omit the check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    chat: ChatId,
    user: UserId,
    kind: ChatKind,
    role: Role,
    from_seq: Seq,
    restricted_until: Option<DateTime<Utc>>,
}

#[derive(Queryable)]
struct Row {
    kind: String,
    role: i16,
    from_seq: Seq,
    restricted_until: Option<DateTime<Utc>>,
}

impl Access {
    /// Looks up the membership. Returns `None` if the chat does not exist or the user is not a member.
    pub(crate) async fn find(
        connection: &mut AsyncPgConnection,
        user: UserId,
        chat: ChatId,
    ) -> QueryResult<Option<Self>> {
        let row = chat_members::table
            .find((chat.0, user.0))
            .inner_join(chats::table)
            .filter(chats::is_closed.eq(false))
            .select((chats::kind, chat_members::role, chat_members::from_seq, chat_members::restricted_until))
            .first::<Row>(connection)
            .await
            .optional()?;
        Ok(row.and_then(|Row { kind, role, from_seq, restricted_until }| {
            let (kind, role) = (ChatKind::from_name(&kind)?, Role::from_number(role.into())?);
            Some(Self { chat, user, kind, role, from_seq, restricted_until })
        }))
    }

    /// Returns the chat.
    pub(crate) const fn chat(self) -> ChatId {
        self.chat
    }

    /// Returns the member.
    pub(crate) const fn user(self) -> UserId {
        self.user
    }

    /// Returns the type of the chat.
    pub(crate) const fn kind(self) -> ChatKind {
        self.kind
    }

    /// Returns the role of the member.
    pub(crate) const fn role(self) -> Role {
        self.role
    }

    /// Returns whether the member may not know the other members, except the admins.
    pub(crate) fn hides_members(self) -> bool {
        self.kind == ChatKind::Channel && self.role < Role::Admin
    }

    /// Returns the `seq` up to which events do not exist for the member.
    pub(crate) const fn hidden_up_to(self) -> Seq {
        self.from_seq
    }

    /// Returns the standing of the member at a time.
    pub(crate) fn standing(self, now: DateTime<Utc>) -> Standing {
        Standing::at(self.role, self.restricted_until, now)
    }
}
