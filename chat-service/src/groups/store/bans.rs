//! Users who are kept out.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::{ChatId, UserId};
use serde_json::json;
use uuid::Uuid;

use super::{
    audit,
    list::require,
    locked::{Change, LockedChat, Member},
};
use crate::{
    db::Db,
    event_kind::EventKind,
    groups::{
        error::GroupError,
        model::{BanItem, Caller, GroupPageLimit},
    },
    rights::Action,
    schema::{chat_bans, users},
};

/// Lifts a ban, if there is one. The user is not a member again.
#[derive(Clone, Copy, Debug)]
pub(in crate::groups) struct Unban {
    pub(in crate::groups) user: UserId,
}

impl Change for Unban {
    type Done = ();

    const KINDS: &'static [EventKind] = &[];

    async fn apply(
        &self,
        connection: &mut AsyncPgConnection,
        chat: &LockedChat,
        caller: Caller,
        actor: Option<Member>,
    ) -> Result<(), GroupError> {
        chat.require(actor.ok_or(GroupError::NoSuchChat)?, Action::Ban)?;
        let deleted = diesel::delete(chat_bans::table.find((chat.id.0, self.user.0))).execute(connection).await?;
        if deleted == 0 {
            return Ok(());
        }
        Ok(audit::record(connection, chat, caller, "unbanned", json!({ "user_id": self.user })).await?)
    }
}

type BanRow = (Uuid, String, Uuid, DateTime<Utc>, Option<String>);

/// Returns the bans of a chat, ordered by user, after a user: one more than the limit, if there are more.
pub(in crate::groups) async fn list(
    db: &Db,
    reader: UserId,
    chat: ChatId,
    after: Option<UserId>,
    limit: GroupPageLimit,
) -> Result<Vec<BanItem>, GroupError> {
    let rows = db.run(async move |connection| {
        require(connection, reader, chat, Action::Ban).await?;
        let bans = chat_bans::table
            .inner_join(users::table)
            .filter(chat_bans::chat_id.eq(chat.0))
            .filter(chat_bans::user_id.gt(after.map_or(Uuid::nil(), |after| after.0)))
            .order(chat_bans::user_id)
            .limit(limit.plus_one())
            .select((chat_bans::user_id, users::username, chat_bans::by_id, chat_bans::at, chat_bans::reason));
        Ok::<Vec<BanRow>, GroupError>(bans.load(connection).await?)
    });
    let item = |(user, username, by, at, reason): BanRow| BanItem {
        user_id: UserId(user),
        username,
        by: UserId(by),
        at,
        reason,
    };
    Ok(rows.await?.into_iter().map(item).collect())
}
