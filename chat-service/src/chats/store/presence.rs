//! The users who see a member's presence because of a chat.

use std::collections::HashMap;

use diesel::{ExpressionMethods as _, QueryDsl as _, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::{ChatId, UserId};
use uuid::Uuid;

use crate::{
    chats::model::{MAX_PRESENCE_MEMBERS, UserChat},
    rights::ChatKind,
    schema::{chat_members, chats},
};

/// Fills in who sees the presence of a user because of each of the user's chats.
pub(super) async fn fill_in(
    connection: &mut AsyncPgConnection,
    user: UserId,
    chats: &mut [UserChat],
) -> QueryResult<()> {
    let groups: Vec<_> = chats.iter().filter(|chat| chat.partner.is_none()).map(|chat| chat.id).collect();
    let circles = circles(connection, &groups).await?;
    for chat in chats {
        chat.presence = match chat.partner {
            Some(partner) => vec![partner],
            None => circles.get(&chat.id).map(|circle| presence_of(user, circle)).unwrap_or_default(),
        };
    }
    Ok(())
}

/// Returns the members of those of the chats that are groups whose members see each other's presence.
pub(super) async fn circles(
    connection: &mut AsyncPgConnection,
    chats: &[ChatId],
) -> QueryResult<HashMap<ChatId, Vec<UserId>>> {
    let mut circles = HashMap::<_, Vec<_>>::new();
    // Most users have only direct chats.
    if chats.is_empty() {
        return Ok(circles);
    }
    let members = chat_members::table
        .inner_join(chats::table)
        .filter(chats::id.eq_any(chats.iter().map(|chat| chat.0)))
        .filter(chats::kind.eq(ChatKind::Group.as_str()))
        .filter(chats::member_count.le(MAX_PRESENCE_MEMBERS))
        .select((chat_members::chat_id, chat_members::user_id));
    for (chat, user) in members.load::<(Uuid, Uuid)>(connection).await? {
        circles.entry(ChatId(chat)).or_default().push(UserId(user));
    }
    Ok(circles)
}

/// Returns the members of a circle other than the user.
pub(in crate::chats) fn presence_of(user: UserId, circle: &[UserId]) -> Vec<UserId> {
    circle.iter().copied().filter(|member| *member != user).collect()
}
