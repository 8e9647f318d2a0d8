//! Members who come, go, are put out, or change.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, QueryDsl as _, QueryResult, dsl::count_star};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::{
    chat::{ChatClass, RemovalReason, Role},
    ids::{Seq, UserId},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    additions, audit, candidates, cleanups, former,
    list::above_member,
    locked::{self, Change, LockedChat, Member, NewEvent, members},
    update::close_locked,
};
use crate::{
    event_kind::EventKind,
    groups::{
        digest,
        error::{GroupError, Quantity},
        model::{Added, Ban, Caller, MemberPatch, Removal, Via},
    },
    rights::{Action, HistoryVisibility, may_act_on},
    schema::{chat_bans, chat_members, chats, join_requests},
};

/// Adds users.
#[derive(Clone, Debug)]
pub(in crate::groups) struct AddMembers {
    pub(in crate::groups) users: Vec<UserId>,
}

impl Change for AddMembers {
    type Done = Added;

    const KINDS: &'static [EventKind] = &[EventKind::MembersAdded];

    fn is_same(&self, body: &Value) -> bool {
        body["via"] == json!(Via::Add) && are_users_of(body, &self.users)
    }

    fn digest(&self) -> Option<String> {
        Some(digest::of_users(&self.users))
    }

    fn newcomers(&self, _caller: Caller) -> Vec<UserId> {
        self.users.clone()
    }

    async fn apply(
        &self,
        connection: &mut AsyncPgConnection,
        chat: &LockedChat,
        caller: Caller,
        actor: Option<Member>,
    ) -> Result<Added, GroupError> {
        chat.require(actor.ok_or(GroupError::NoSuchChat)?, Action::Invite)?;
        let present = members(connection, chat.id, &self.users).await?;
        let is_absent = |user: &&UserId| present.iter().all(|member| member.user != **user);
        let absent: Vec<_> = self.users.iter().filter(is_absent).copied().collect();
        let banned = candidates::banned(connection, chat.id, &absent).await?;
        let (added, not_added) = chat.candidates.select(&absent, &banned);
        additions::require(connection, caller.user, added.len(), chat.limits).await?;
        let seq = admit(connection, chat, caller, &added, Via::Add).await?;
        Ok(Added { added, not_added, seq })
    }
}

/// Returns whether an event concerns only some of these users.
fn are_users_of(body: &Value, users: &[UserId]) -> bool {
    let concerned = body["user_ids"].as_array();
    concerned.is_some_and(|ids| ids.iter().all(|id| users.iter().any(|user| *id == json!(user))))
}

/// Makes users members, who are none yet. Returns the `seq` of the event; joins of large chats have none.
pub(super) async fn admit(
    connection: &mut AsyncPgConnection,
    chat: &LockedChat,
    caller: Caller,
    users: &[UserId],
    via: Via,
) -> Result<Option<Seq>, GroupError> {
    let Some(count) = i32::try_from(users.len()).ok().filter(|count| *count > 0) else { return Ok(None) };
    let (members, most) = (chat.member_count + count, chat.limits.members_of(chat.kind));
    if members > most {
        return Err(GroupError::LimitReached(Quantity::Members, most));
    }
    let has_event = chat.class < ChatClass::Large;
    let joined_seq = if has_event { chat.next_seq() } else { chat.last_seq };
    let from_seq = match chat.settings.history {
        HistoryVisibility::All => 0,
        // The event of the join is the first one that exists for the newcomer.
        HistoryVisibility::SinceJoin => joined_seq - i64::from(has_event),
    };
    let row = |user: &UserId| {
        (
            chat_members::chat_id.eq(chat.id.0),
            chat_members::user_id.eq(user.0),
            chat_members::is_group.eq(true),
            chat_members::from_seq.eq(from_seq),
            chat_members::joined_seq.eq(joined_seq),
            chat_members::read_seq.eq(joined_seq),
            chat_members::joined_at.eq(chat.now),
        )
    };
    let rows: Vec<_> = users.iter().map(row).collect();
    diesel::insert_into(chat_members::table).values(&rows).execute(connection).await?;
    former::restore(connection, chat.id, users).await?;
    diesel::delete(join_requests::table)
        .filter(join_requests::chat_id.eq(chat.id.0))
        .filter(join_requests::user_id.eq_any(users.iter().map(|user| user.0)))
        .execute(connection)
        .await?;
    additions::record(connection, chat.now, users, (via == Via::Add).then_some(caller.user)).await?;
    let size = chat.size(members);
    if !has_event {
        diesel::update(chats::table.find(chat.id.0)).set(size).execute(connection).await?;
        let details = json!({ "user_ids": users, "via": via });
        audit::record_change(connection, chat, caller, EventKind::MembersAdded, details).await?;
        return Ok(None);
    }
    let body = json!({ "user_ids": users, "via": via, "member_count": members });
    let event = NewEvent { body: Some(body), size: Some(size), ..NewEvent::new(EventKind::MembersAdded, false) };
    Ok(Some(chat.append(connection, caller, event).await?))
}

/// Removes members.
#[derive(Clone, Debug)]
pub(in crate::groups) struct RemoveMembers(pub(in crate::groups) Removal);

impl Change for RemoveMembers {
    /// The `seq` of the event, if a member was removed.
    type Done = Option<Seq>;

    const KINDS: &'static [EventKind] = &[EventKind::MembersRemoved];

    fn is_same(&self, body: &Value) -> bool {
        body["how"] == self.how().as_str() && are_users_of(body, &self.0.users)
    }

    fn digest(&self) -> Option<String> {
        Some(digest::of_removal(&self.0))
    }

    async fn apply(
        &self,
        connection: &mut AsyncPgConnection,
        chat: &LockedChat,
        caller: Caller,
        actor: Option<Member>,
    ) -> Result<Option<Seq>, GroupError> {
        let Removal { users, ban, deletes_messages } = &self.0;
        let targets = members(connection, chat.id, users).await?;
        let action = if ban.is_some() { Action::Ban } else { Action::Kick };
        let actor = actor.ok_or(GroupError::NoSuchChat)?;
        chat.require_over(actor, action, &targets)?;
        let removed = if let Some(Ban { reason }) = ban {
            let known = candidates::existing(connection, users).await?;
            insert_bans(connection, chat, caller, &known, reason.as_deref()).await?;
            known
        } else {
            targets.iter().map(|member| member.user).collect()
        };
        if *deletes_messages {
            chat.require(actor, Action::Delete)?;
            cleanups::add(connection, chat.id, &removed, caller.user, chat.last_seq).await?;
        }
        expel(connection, chat, caller, &targets, self.how()).await
    }
}

impl RemoveMembers {
    const fn how(&self) -> RemovalReason {
        if self.0.ban.is_some() { RemovalReason::Banned } else { RemovalReason::Kicked }
    }
}

async fn insert_bans(
    connection: &mut AsyncPgConnection,
    chat: &LockedChat,
    caller: Caller,
    users: &[UserId],
    reason: Option<&str>,
) -> QueryResult<()> {
    let row = |user: &UserId| {
        (
            chat_bans::chat_id.eq(chat.id.0),
            chat_bans::user_id.eq(user.0),
            chat_bans::by_id.eq(caller.user.0),
            chat_bans::at.eq(chat.now),
            chat_bans::reason.eq(reason),
        )
    };
    let rows: Vec<_> = users.iter().map(row).collect();
    let banned: Vec<_> = diesel::insert_into(chat_bans::table)
        .values(&rows)
        .on_conflict_do_nothing()
        .returning(chat_bans::user_id)
        .load::<Uuid>(connection)
        .await?;
    if !banned.is_empty() {
        audit::record(connection, chat, caller, "banned", json!({ "user_ids": banned, "reason": reason })).await?;
    }
    let requests = diesel::delete(join_requests::table)
        .filter(join_requests::chat_id.eq(chat.id.0))
        .filter(join_requests::user_id.eq_any(users.iter().map(|user| user.0)));
    requests.execute(connection).await.map(drop)
}

/// Removes members by one event.
async fn expel(
    connection: &mut AsyncPgConnection,
    chat: &LockedChat,
    caller: Caller,
    targets: &[Member],
    how: RemovalReason,
) -> Result<Option<Seq>, GroupError> {
    let users: Vec<_> = targets.iter().map(|member| member.user).collect();
    if users.is_empty() {
        return Ok(None);
    }
    let member_count = delete(connection, chat, &users).await?;
    let body = json!({ "user_ids": users, "how": how.as_str(), "member_count": member_count });
    let size = Some(chat.size(member_count));
    let event = NewEvent { body: Some(body), size, ..NewEvent::new(EventKind::MembersRemoved, true) };
    let seq = chat.append(connection, caller, event).await?;
    Ok(Some(seq))
}

/// Deletes members. Returns the number of the others, which the caller stores.
async fn delete(connection: &mut AsyncPgConnection, chat: &LockedChat, users: &[UserId]) -> QueryResult<i32> {
    let deleted = former::remove(connection, chat.id, users).await?;
    additions::record(connection, chat.now, users, None).await?;
    Ok(chat.member_count - i32::try_from(deleted).unwrap_or(i32::MAX))
}

/// Removes the caller: in a large chat without an event. An owner who is alone closes the chat.
#[derive(Clone, Copy, Debug)]
pub(in crate::groups) struct Leave;

impl Change for Leave {
    /// The `seq` of the event; `None` in a large chat.
    type Done = Option<Seq>;

    const KINDS: &'static [EventKind] = &[EventKind::MembersRemoved, EventKind::ChatClosed];

    fn is_same(&self, body: &Value) -> bool {
        // The end of a chat has no body.
        body.is_null() || body["how"] == RemovalReason::Left.as_str()
    }

    async fn apply(
        &self,
        connection: &mut AsyncPgConnection,
        chat: &LockedChat,
        caller: Caller,
        actor: Option<Member>,
    ) -> Result<Option<Seq>, GroupError> {
        let actor = actor.ok_or(GroupError::NoSuchChat)?;
        let users = vec![actor.user];
        if actor.role == Role::Owner {
            if chat.member_count > 1 {
                return Err(GroupError::LastOwner);
            }
            let seq = close_locked(connection, chat, caller).await?;
            return Ok(Some(seq));
        }
        if chat.class < ChatClass::Large {
            return expel(connection, chat, caller, &[actor], RemovalReason::Left).await;
        }
        let left = delete(connection, chat, &users).await?;
        let details = json!({ "user_ids": users, "how": RemovalReason::Left.as_str() });
        audit::record_change(connection, chat, caller, EventKind::MembersRemoved, details).await?;
        // A message that was allowed before is not stored afterwards.
        diesel::update(chats::table.find(chat.id.0))
            .set((chat.size(left), chats::access_version.eq(chats::access_version + 1)))
            .execute(connection)
            .await?;
        Ok(None)
    }
}

/// Changes the role or the restriction of a member.
#[derive(Clone, Copy, Debug)]
pub(in crate::groups) struct ChangeMember {
    pub(in crate::groups) user: UserId,
    pub(in crate::groups) patch: MemberPatch,
}

impl Change for ChangeMember {
    /// The `seq` of the event, if something changed.
    type Done = Option<Seq>;

    const KINDS: &'static [EventKind] = &[EventKind::MemberChanged];

    fn is_same(&self, body: &Value) -> bool {
        let MemberPatch { role, restricted_until } = self.patch;
        // A time that has passed ends a restriction.
        let is_same_time = |until: Option<DateTime<Utc>>| match &body["restricted_until"] {
            Value::Null => until.is_none_or(|until| until <= Utc::now()),
            stored => *stored == json!(until),
        };
        body["user_id"] == json!(self.user)
            && body["former"].is_null()
            && role.is_none_or(|role| body["role"] == json!(role))
            && restricted_until.is_none_or(is_same_time)
    }

    fn digest(&self) -> Option<String> {
        Some(self.patch.digest(self.user))
    }

    async fn apply(
        &self,
        connection: &mut AsyncPgConnection,
        chat: &LockedChat,
        caller: Caller,
        actor: Option<Member>,
    ) -> Result<Option<Seq>, GroupError> {
        let actor = actor.ok_or(GroupError::NoSuchChat)?;
        if self.patch.role.is_some() {
            chat.require(actor, Action::Govern)?;
        }
        if self.patch.restricted_until.is_some() {
            chat.require(actor, Action::Restrict)?;
        }
        let target = locked::member(connection, chat.id, self.user).await?.ok_or(GroupError::NoSuchMember)?;
        may_act_on(actor.role, target.role)?;
        let role = self.patch.role.unwrap_or(target.role);
        let current = target.restricted_until.filter(|until| *until > chat.now);
        let restricted_until = self.patch.restricted_until.unwrap_or(current).filter(|until| *until > chat.now);
        if (role, restricted_until) == (target.role, current) {
            return Ok(None);
        }
        if role == Role::Admin && target.role != Role::Admin {
            require_room_for_admin(connection, chat).await?;
        }
        locked::set_member(connection, chat.id, Member { user: self.user, role, restricted_until }).await?;
        let body = json!({ "user_id": self.user, "role": role, "restricted_until": restricted_until });
        let event = NewEvent { body: Some(body), ..NewEvent::new(EventKind::MemberChanged, true) };
        Ok(Some(chat.append(connection, caller, event).await?))
    }
}

async fn require_room_for_admin(connection: &mut AsyncPgConnection, chat: &LockedChat) -> Result<(), GroupError> {
    let admins: i64 = chat_members::table
        .filter(chat_members::chat_id.eq(chat.id.0))
        .filter(above_member())
        .filter(chat_members::role.eq(Role::Admin as i16))
        .select(count_star())
        .first(connection)
        .await?;
    let most = chat.limits.admins;
    if admins >= most.into() {
        return Err(GroupError::LimitReached(Quantity::Admins, most));
    }
    Ok(())
}
