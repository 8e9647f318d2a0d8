//! Users who join by themselves, or ask to.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, QueryDsl as _, dsl::count_star};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::{ChatId, UserId};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    audit, invites,
    list::require,
    locked::{Change, LockedChat, Member},
    members::admit,
};
use crate::{
    db::Db,
    event_kind::EventKind,
    groups::{
        error::{GroupError, Quantity},
        model::{Added, Caller, GroupPageLimit, Joined, RequestItem, Via},
    },
    rights::Action,
    schema::{join_requests, users},
};

/// Joins with an invite, or asks to.
#[derive(Clone, Debug)]
pub(in crate::groups) struct JoinByInvite {
    pub(in crate::groups) code: String,
}

impl Change for JoinByInvite {
    type Done = Joined;

    const KINDS: &'static [EventKind] = &[EventKind::MembersAdded];

    fn is_same(&self, body: &Value) -> bool {
        body["via"] == json!(Via::Invite)
    }

    fn newcomers(&self, caller: Caller) -> Vec<UserId> {
        vec![caller.user]
    }

    /// The code is of this chat.
    async fn admit_stranger(&self, _connection: &mut AsyncPgConnection, _caller: Caller) -> Result<(), GroupError> {
        Ok(())
    }

    async fn apply(
        &self,
        connection: &mut AsyncPgConnection,
        chat: &LockedChat,
        caller: Caller,
        actor: Option<Member>,
    ) -> Result<Joined, GroupError> {
        if actor.is_some() {
            return Ok(Joined::AlreadyMember);
        }
        let invite = invites::by_code(connection, &self.code).await?;
        let invite = invite.filter(|invite| invite.is_valid(chat.now)).ok_or(GroupError::NoSuchInvite)?;
        if invites::is_banned(connection, chat.id, caller.user).await? {
            return Err(GroupError::NoSuchInvite);
        }
        if invite.approve {
            ask(connection, chat, caller, &self.code).await?;
            return Ok(Joined::Pending);
        }
        if !invites::take_use(connection, &self.code).await? {
            return Err(GroupError::NoSuchInvite);
        }
        join(connection, chat, caller, caller.user, Via::Invite).await.map(Joined::Member)
    }
}

async fn ask(
    connection: &mut AsyncPgConnection,
    chat: &LockedChat,
    caller: Caller,
    code: &str,
) -> Result<(), GroupError> {
    let row = (
        join_requests::chat_id.eq(chat.id.0),
        join_requests::user_id.eq(caller.user.0),
        join_requests::code.eq(code),
        join_requests::at.eq(chat.now),
    );
    if diesel::insert_into(join_requests::table).values(row).on_conflict_do_nothing().execute(connection).await? == 0 {
        // A repeated request waits already.
        return Ok(());
    }
    let pending = join_requests::table.filter(join_requests::chat_id.eq(chat.id.0)).select(count_star());
    if pending.first::<i64>(connection).await? > chat.limits.requests.into() {
        return Err(GroupError::LimitReached(Quantity::Requests, chat.limits.requests));
    }
    Ok(())
}

/// Makes a user a member. The user has asked for it and is not a member yet.
pub(super) async fn join(
    connection: &mut AsyncPgConnection,
    chat: &LockedChat,
    caller: Caller,
    user: UserId,
    via: Via,
) -> Result<Added, GroupError> {
    if chat.candidates.is_full(user) {
        return Err(GroupError::LimitReached(Quantity::Chats, chat.limits.chats_per_user));
    }
    let added = vec![user];
    let seq = admit(connection, chat, caller, &added, via).await?;
    Ok(Added { added, not_added: Vec::new(), seq })
}

/// Accepts or rejects a user who asked to join.
#[derive(Clone, Copy, Debug)]
pub(in crate::groups) struct AnswerRequest {
    pub(in crate::groups) user: UserId,
    pub(in crate::groups) accept: bool,
}

impl Change for AnswerRequest {
    type Done = Added;

    const KINDS: &'static [EventKind] = &[EventKind::MembersAdded];

    fn is_same(&self, body: &Value) -> bool {
        body["via"] == json!(Via::Request) && body["user_ids"] == json!([self.user])
    }

    fn newcomers(&self, _caller: Caller) -> Vec<UserId> {
        if self.accept { vec![self.user] } else { Vec::new() }
    }

    async fn apply(
        &self,
        connection: &mut AsyncPgConnection,
        chat: &LockedChat,
        caller: Caller,
        actor: Option<Member>,
    ) -> Result<Added, GroupError> {
        chat.require(actor.ok_or(GroupError::NoSuchChat)?, Action::Requests)?;
        let deleted = diesel::delete(join_requests::table.find((chat.id.0, self.user.0)))
            .returning(join_requests::code)
            .load::<Option<String>>(connection)
            .await?;
        let code = deleted.into_iter().next().ok_or(GroupError::NoSuchRequest)?;
        let action = if self.accept { "request_accepted" } else { "request_rejected" };
        audit::record(connection, chat, caller, action, json!({ "user_id": self.user })).await?;
        if !self.accept {
            return Ok(Added::default());
        }
        if let Some(code) = code
            && !invites::take_use(connection, &code).await?
        {
            let max_uses = invites::by_code(connection, &code).await?.and_then(|invite| invite.max_uses);
            return Err(GroupError::LimitReached(Quantity::Uses, max_uses.unwrap_or_default()));
        }
        join(connection, chat, caller, self.user, Via::Request).await
    }
}

/// Returns the users who wait for an answer, ordered by id, after a user: one more than the limit, if there are more.
pub(in crate::groups) async fn requests(
    db: &Db,
    reader: UserId,
    chat: ChatId,
    after: Option<UserId>,
    limit: GroupPageLimit,
) -> Result<Vec<RequestItem>, GroupError> {
    let rows = db.run(async move |connection| {
        require(connection, reader, chat, Action::Requests).await?;
        let requests = join_requests::table
            .inner_join(users::table)
            .filter(join_requests::chat_id.eq(chat.0))
            .filter(join_requests::user_id.gt(after.map_or(Uuid::nil(), |after| after.0)))
            .order(join_requests::user_id)
            .limit(limit.plus_one())
            .select((join_requests::user_id, users::username, join_requests::at));
        Ok::<Vec<(Uuid, String, DateTime<Utc>)>, GroupError>(requests.load(connection).await?)
    });
    let item = |(user, username, at)| RequestItem { user_id: UserId(user), username, at };
    Ok(rows.await?.into_iter().map(item).collect())
}
