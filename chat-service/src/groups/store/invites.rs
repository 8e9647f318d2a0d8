//! Invites: codes by which users join a chat.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, NullableExpressionMethods as _, OptionalExtension as _,
    QueryDsl as _, QueryResult, Queryable, Selectable, SelectableHelper as _,
    dsl::count_star,
    sql_types::{Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::{ChatId, UserId};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::json;
use uuid::Uuid;

use super::{
    audit,
    list::require,
    locked::{Change, LockedChat, Member},
};
use crate::{
    db::{Db, DbResult, prepared},
    event_kind::EventKind,
    groups::{
        error::{GroupError, Quantity},
        invite_code::InviteCode,
        model::{Caller, GroupPageLimit, NewInvite},
    },
    rights::Action,
    schema::{chat_bans, chat_invites, chat_profiles, chats},
};

/// An invite.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = chat_invites)]
pub(in crate::groups) struct Invite {
    pub(in crate::groups) code: String,
    chat_id: Uuid,
    by_id: Uuid,
    pub(in crate::groups) approve: bool,
    pub(in crate::groups) uses: i32,
    pub(in crate::groups) max_uses: Option<i32>,
    pub(in crate::groups) expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    pub(in crate::groups) created_at: DateTime<Utc>,
}

impl Invite {
    pub(in crate::groups) const fn chat(&self) -> ChatId {
        ChatId(self.chat_id)
    }

    pub(in crate::groups) const fn by(&self) -> UserId {
        UserId(self.by_id)
    }

    /// Returns whether somebody can join with it.
    pub(super) fn is_valid(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none()
            && self.expires_at.is_none_or(|expires_at| expires_at > now)
            && self.max_uses.is_none_or(|max_uses| self.uses < max_uses)
    }
}

/// Returns the invite with a code.
pub(in crate::groups) async fn find(db: &Db, code: &str) -> DbResult<Option<Invite>> {
    db.query(async |connection| by_code(connection, code).await).await
}

pub(super) async fn by_code(connection: &mut AsyncPgConnection, code: &str) -> QueryResult<Option<Invite>> {
    chat_invites::table.find(code).select(Invite::as_select()).first(connection).await.optional()
}

/// Takes one use of an invite. Returns whether there was one left.
pub(super) async fn take_use(connection: &mut AsyncPgConnection, code: &str) -> QueryResult<bool> {
    let left = chat_invites::max_uses.is_null().or(chat_invites::max_uses.gt(chat_invites::uses.nullable()));
    let update =
        diesel::update(chat_invites::table.find(code)).filter(left).set(chat_invites::uses.eq(chat_invites::uses + 1));
    Ok(update.execute(connection).await? > 0)
}

/// What a user sees of a chat before joining.
#[derive(Clone, Debug, Queryable)]
pub(in crate::groups) struct Preview {
    pub(in crate::groups) kind: String,
    pub(in crate::groups) title: String,
    pub(in crate::groups) description: String,
    pub(in crate::groups) member_count: i32,
}

/// Returns what an invite shows to a user; `None` if the user cannot join with it.
pub(in crate::groups) async fn preview(db: &Db, user: UserId, code: &str) -> DbResult<Option<(Invite, Preview)>> {
    db.query(async |connection| {
        let invite = by_code(connection, code).await?.filter(|invite| invite.is_valid(Utc::now()));
        let Some(invite) = invite else { return Ok(None) };
        if is_banned(connection, invite.chat(), user).await? {
            return Ok(None);
        }
        let preview = chat_profiles::table
            .inner_join(chats::table)
            .filter(chat_profiles::chat_id.eq(invite.chat_id))
            .filter(chats::is_closed.eq(false))
            .select((chats::kind, chat_profiles::title, chat_profiles::description, chats::member_count));
        Ok(preview.first(connection).await.optional()?.map(|preview| (invite, preview)))
    })
    .await
}

/// Returns whether a user is banned from a chat.
pub(super) async fn is_banned(connection: &mut AsyncPgConnection, chat: ChatId, user: UserId) -> QueryResult<bool> {
    let ban = chat_bans::table.find((chat.0, user.0)).select(chat_bans::user_id);
    Ok(ban.first::<Uuid>(connection).await.optional()?.is_some())
}

/// Finds an invite of the caller that anybody can use at any time, or makes one. `None` if the chat has as many as it can have.
#[derive(Clone, Copy, Debug)]
pub(in crate::groups) struct OfferInvite;

impl Change for OfferInvite {
    type Done = Option<Invite>;

    const KINDS: &'static [EventKind] = &[];

    async fn apply(
        &self,
        connection: &mut AsyncPgConnection,
        chat: &LockedChat,
        caller: Caller,
        actor: Option<Member>,
    ) -> Result<Option<Invite>, GroupError> {
        let existing = chat_invites::table
            .filter(chat_invites::chat_id.eq(chat.id.0))
            .filter(chat_invites::by_id.eq(caller.user.0))
            .filter(chat_invites::revoked_at.is_null())
            .filter(chat_invites::expires_at.is_null())
            .filter(chat_invites::max_uses.is_null())
            .filter(chat_invites::approve.eq(false))
            .order(chat_invites::created_at)
            .select(Invite::as_select());
        if let Some(invite) = existing.first(connection).await.optional()? {
            chat.require(actor.ok_or(GroupError::NoSuchChat)?, Action::Invite)?;
            return Ok(Some(invite));
        }
        let unlimited = MakeInvite::new(NewInvite { expires_in: None, max_uses: None, approve: false })?;
        match unlimited.apply(connection, chat, caller, actor).await {
            Err(GroupError::LimitReached(..)) => Ok(None),
            made => made.map(Some),
        }
    }
}

/// Makes an invite. It takes no `seq`.
#[derive(Clone, Debug)]
pub(in crate::groups) struct MakeInvite {
    invite: NewInvite,
    code: String,
}

impl MakeInvite {
    /// Chooses the code, so that an attempt whose answer was lost is recognized.
    pub(in crate::groups) fn new(invite: NewInvite) -> Result<Self, GroupError> {
        Ok(Self { invite, code: new_code()? })
    }
}

impl Change for MakeInvite {
    type Done = Invite;

    const KINDS: &'static [EventKind] = &[];

    async fn apply(
        &self,
        connection: &mut AsyncPgConnection,
        chat: &LockedChat,
        caller: Caller,
        actor: Option<Member>,
    ) -> Result<Invite, GroupError> {
        chat.require(actor.ok_or(GroupError::NoSuchChat)?, Action::Invite)?;
        if let Some(made) = by_code(connection, &self.code).await? {
            return Ok(made);
        }
        delete_dead(connection, chat).await?;
        let most = chat.limits.invites;
        if count_valid(connection, chat).await? >= most.into() {
            return Err(GroupError::LimitReached(Quantity::Invites, most));
        }
        let NewInvite { expires_in, max_uses, approve } = self.invite;
        let row = (
            chat_invites::code.eq(&self.code),
            chat_invites::chat_id.eq(chat.id.0),
            chat_invites::by_id.eq(caller.user.0),
            chat_invites::approve.eq(approve),
            chat_invites::max_uses.eq(max_uses),
            chat_invites::expires_at.eq(expires_in.map(|seconds| chat.now + TimeDelta::seconds(seconds))),
            chat_invites::created_at.eq(chat.now),
        );
        let details = json!({ "max_uses": max_uses, "approve": approve });
        audit::record(connection, chat, caller, "invite_made", details).await?;
        let inserted = diesel::insert_into(chat_invites::table).values(row).returning(Invite::as_returning());
        Ok(inserted.get_result(connection).await?)
    }
}

/// Returns 128 random bits as text.
fn new_code() -> Result<String, GroupError> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| GroupError::NoRandomness)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// Deletes the invites of a chat that ceased to be valid a day ago, so that they do not become more and more. Until then a repeated
/// request finds them. Those of pending requests to join stay.
async fn delete_dead(connection: &mut AsyncPgConnection, chat: &LockedChat) -> QueryResult<()> {
    let delete = prepared(
        "DELETE FROM chat_invites AS invite
          WHERE chat_id = $1
            AND (revoked_at < $2 OR expires_at < $2 OR uses >= max_uses AND created_at < $2)
            AND NOT EXISTS (SELECT FROM join_requests AS request
                             WHERE request.chat_id = $1 AND request.code = invite.code)",
    );
    let day_ago = chat.now - TimeDelta::days(1);
    delete.bind::<SqlUuid, _>(chat.id.0).bind::<Timestamptz, _>(day_ago).execute(connection).await.map(drop)
}

async fn count_valid(connection: &mut AsyncPgConnection, chat: &LockedChat) -> QueryResult<i64> {
    chat_invites::table
        .filter(chat_invites::chat_id.eq(chat.id.0))
        .filter(chat_invites::revoked_at.is_null())
        .filter(chat_invites::expires_at.is_null().or(chat_invites::expires_at.gt(chat.now)))
        .filter(chat_invites::max_uses.is_null().or(chat_invites::max_uses.gt(chat_invites::uses.nullable())))
        .select(count_star())
        .first(connection)
        .await
}

/// Revokes an invite, if it is not revoked yet.
#[derive(Clone, Debug)]
pub(in crate::groups) struct RevokeInvite {
    pub(in crate::groups) code: InviteCode,
}

impl Change for RevokeInvite {
    type Done = ();

    const KINDS: &'static [EventKind] = &[];

    async fn apply(
        &self,
        connection: &mut AsyncPgConnection,
        chat: &LockedChat,
        caller: Caller,
        actor: Option<Member>,
    ) -> Result<(), GroupError> {
        chat.require(actor.ok_or(GroupError::NoSuchChat)?, Action::Invite)?;
        let code = self.code.as_str();
        let invite = by_code(connection, code).await?.filter(|invite| invite.chat() == chat.id);
        if invite.ok_or(GroupError::NoSuchInvite)?.revoked_at.is_some() {
            return Ok(());
        }
        let revoke = diesel::update(chat_invites::table.find(code)).set(chat_invites::revoked_at.eq(chat.now));
        revoke.execute(connection).await?;
        Ok(audit::record(connection, chat, caller, "invite_revoked", json!({ "code": code })).await?)
    }
}

/// Returns the invites of a chat that were not revoked, ordered by code, after a code: one more than the limit, if there are more.
pub(in crate::groups) async fn list(
    db: &Db,
    reader: UserId,
    chat: ChatId,
    after: Option<&InviteCode>,
    limit: GroupPageLimit,
) -> Result<Vec<Invite>, GroupError> {
    db.run(async move |connection| {
        require(connection, reader, chat, Action::Invite).await?;
        let invites = chat_invites::table
            .filter(chat_invites::chat_id.eq(chat.0))
            .filter(chat_invites::revoked_at.is_null())
            .filter(chat_invites::code.gt(after.map_or("", InviteCode::as_str)))
            .order(chat_invites::code)
            .limit(limit.plus_one())
            .select(Invite::as_select());
        Ok(invites.load(connection).await?)
    })
    .await
}
