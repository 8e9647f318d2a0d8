//! A change of a group: one transaction, under the lock of the chat's row.
//!
//! The lock serializes it with the messages and the other changes of the chat. All rights are read after the lock is taken, so
//! nobody acts with a right that was taken away before.
//!
//! What takes time is read before. So is whether the caller may take the lock at all: nobody holds up a chat of others.
//!
//! The order of locks is: the chat's row, then the caller's row in `users` (see [`super::additions`]). Creating a chat takes the
//! second one only.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{
    AsChangeset, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, QueryResult, Queryable, Selectable,
    SelectableHelper as _, sql_types::Timestamptz,
};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection as _};
use metrics::counter;
use neonchat_common::{
    chat::{ChatClass, Role},
    ids::{ChatId, Seq, UserId},
};
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    audit,
    candidates::Candidates,
    earlier::{self, Earlier},
    event,
};
use crate::{
    access::Access,
    config::GroupSettings,
    db::Db,
    event_kind::EventKind,
    groups::{error::GroupError, model::Caller},
    rights::{Action, ChatKind, ChatSettings, Standing, may, may_act_on},
    schema::{chat_members, chat_profiles, chats},
};

const CHANGES_TOTAL: &str = "chat_group_changes_total";

/// How long an attempt waits for the chat's row. It is short, because an attempt that waits keeps a connection from requests on
/// other chats.
pub(super) const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '300ms'";

/// How long a change is attempted again, if others keep the chat locked. With the time for the last attempt, a request ends
/// within 2 s.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// A member of a locked chat.
#[derive(Clone, Copy, Debug)]
pub(in crate::groups) struct Member {
    pub(in crate::groups) user: UserId,
    pub(in crate::groups) role: Role,
    pub(in crate::groups) restricted_until: Option<DateTime<Utc>>,
}

/// A locked group or channel.
#[derive(Debug)]
pub(in crate::groups) struct LockedChat {
    pub(in crate::groups) id: ChatId,
    pub(in crate::groups) kind: ChatKind,
    pub(in crate::groups) profile: Profile,
    pub(in crate::groups) settings: ChatSettings,
    pub(in crate::groups) member_count: i32,
    pub(in crate::groups) class: ChatClass,
    pub(in crate::groups) last_seq: Seq,
    event_count: i64,
    /// The time of the next event: later than that of the last one.
    pub(in crate::groups) now: DateTime<Utc>,
    pub(in crate::groups) limits: GroupSettings,
    /// The digest of the request.
    digest: Option<String>,
    /// The users who are to become members.
    pub(super) candidates: Candidates,
}

/// What a group or channel has and a direct chat does not.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = chat_profiles)]
pub(in crate::groups) struct Profile {
    pub(in crate::groups) title: String,
    pub(in crate::groups) description: String,
    pub(in crate::groups) handle: Option<String>,
    settings: String,
}

/// The outcome of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::groups) enum Outcome<T> {
    Done(T),
    /// An earlier request with this `request_id` made the change.
    Duplicate(Earlier),
}

/// A change of a group or channel.
pub(in crate::groups) trait Change: Clone + Send + Sync {
    type Done: Send;

    /// The kinds of events that it may make.
    const KINDS: &'static [EventKind];

    /// Returns whether an event with this body is what it does, so that a repeated request is recognized.
    fn is_same(&self, _body: &Value) -> bool {
        true
    }

    /// Returns a digest of what the request asks for, if an event does not say all of it.
    fn digest(&self) -> Option<String> {
        None
    }

    /// Returns the users who would become members.
    fn newcomers(&self, _caller: Caller) -> Vec<UserId> {
        Vec::new()
    }

    /// Checks, before the chat is locked, that a caller who is not a member may do it.
    fn admit_stranger(
        &self,
        _connection: &mut AsyncPgConnection,
        _caller: Caller,
    ) -> impl Future<Output = Result<(), GroupError>> + Send {
        async { Err(GroupError::NoSuchChat) }
    }

    /// Does it, as `actor`: `None` if the caller is not a member.
    fn apply(
        &self,
        connection: &mut AsyncPgConnection,
        chat: &LockedChat,
        caller: Caller,
        actor: Option<Member>,
    ) -> impl Future<Output = Result<Self::Done, GroupError>> + Send;
}

/// Applies a change, and counts its outcome. While others change the chat, it is attempted again.
pub(in crate::groups) async fn change<C: Change>(
    db: &Db,
    limits: GroupSettings,
    caller: Caller,
    change: C,
) -> Result<Outcome<C::Done>, GroupError> {
    let start_by = Instant::now() + PATIENCE;
    let outcome = loop {
        let outcome = apply(db, limits, caller, start_by, change.clone()).await;
        if !is_contended(&outcome, start_by) {
            break outcome;
        }
    };
    count::<C, _>(&outcome);
    outcome
}

/// Returns whether a change is attempted again.
pub(super) fn is_contended<T>(outcome: &Result<T, GroupError>, start_by: Instant) -> bool {
    matches!(outcome, Err(GroupError::Contended)) && Instant::now() < start_by
}

/// Counts the outcome of a change.
pub(super) fn count<C: Change, T>(outcome: &Result<Outcome<T>, GroupError>) {
    // The first kind is the usual one. A change without a kind makes no event.
    if let Some(kind) = C::KINDS.first() {
        let status = match outcome {
            Ok(Outcome::Done(_)) => "applied",
            Ok(Outcome::Duplicate(_)) => "duplicate",
            Err(GroupError::Db(_) | GroupError::Contended) => "unavailable",
            Err(_) => "refused",
        };
        counter!(CHANGES_TOTAL, "kind" => kind.as_str(), "status" => status).increment(1);
    }
}

/// Recognizes a repeated request, takes the lock of the chat, and applies a change.
async fn apply<C: Change>(
    db: &Db,
    limits: GroupSettings,
    caller: Caller,
    start_by: Instant,
    change: C,
) -> Result<Outcome<C::Done>, GroupError> {
    db.run_by(start_by, async move |connection| {
        connection
            .transaction(async move |connection| {
                if let Some(earlier) = earlier::find(connection, caller, &change).await? {
                    return Ok(Outcome::Duplicate(earlier));
                }
                match Access::find(connection, caller.user, caller.chat).await? {
                    Some(access) if access.kind() == ChatKind::Direct => return Err(GroupError::DirectChat),
                    Some(_) => {}
                    None => change.admit_stranger(connection, caller).await?,
                }
                let candidates = Candidates::find(connection, &change.newcomers(caller), limits).await?;
                let chat = lock(connection, caller.chat, limits, change.digest(), candidates).await?;
                // The same request may have held the lock.
                if let Some(earlier) = earlier::find(connection, caller, &change).await? {
                    return Ok(Outcome::Duplicate(earlier));
                }
                let chat = chat.ok_or(GroupError::NoSuchChat)?;
                let actor = member(connection, chat.id, caller.user).await?;
                change.apply(connection, &chat, caller, actor).await.map(Outcome::Done)
            })
            .await
    })
    .await
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = chats)]
struct ChatRow {
    kind: String,
    member_count: i32,
    class: i16,
    slow_s: i32,
    ttl_s: i32,
    last_seq: Seq,
    event_count: i64,
    last_event_at: Option<DateTime<Utc>>,
    is_closed: bool,
}

/// Locks a chat. Returns `None` if it does not exist, or is closed.
async fn lock(
    connection: &mut AsyncPgConnection,
    id: ChatId,
    limits: GroupSettings,
    digest: Option<String>,
    candidates: Candidates,
) -> Result<Option<LockedChat>, GroupError> {
    connection.batch_execute(LOCK_TIMEOUT).await?;
    let row = chats::table
        .find(id.0)
        .select(ChatRow::as_select())
        .for_no_key_update()
        .first::<ChatRow>(connection)
        .await
        .optional()?;
    let Some(row) = row.filter(|row| !row.is_closed) else { return Ok(None) };
    let Some(kind @ (ChatKind::Group | ChatKind::Channel)) = ChatKind::from_name(&row.kind) else { return Ok(None) };
    // A new statement, so that it sees what was committed before the lock was taken.
    let (profile, at) = chat_profiles::table
        .find(id.0)
        .select((Profile::as_select(), diesel::dsl::sql::<Timestamptz>("clock_timestamp()")))
        .first::<(Profile, DateTime<Utc>)>(connection)
        .await?;
    let settings = ChatSettings::from_stored(&profile.settings, kind, profile.handle.is_some(), row.slow_s)?;
    let settings = settings.with_ttl_s(row.ttl_s);
    let now = event::next_time(at, row.last_event_at);
    let ChatRow { member_count, last_seq, event_count, .. } = row;
    let class = kind.class(ChatClass::from_number(row.class).unwrap_or_default(), member_count);
    Ok(Some(LockedChat {
        id,
        kind,
        profile,
        settings,
        member_count,
        class,
        last_seq,
        event_count,
        now,
        limits,
        digest,
        candidates,
    }))
}

/// Returns a member of the chat.
pub(in crate::groups) async fn member(
    connection: &mut AsyncPgConnection,
    chat: ChatId,
    user: UserId,
) -> QueryResult<Option<Member>> {
    Ok(members(connection, chat, &[user]).await?.pop())
}

/// Returns those of the users who are members of the chat.
pub(in crate::groups) async fn members(
    connection: &mut AsyncPgConnection,
    chat: ChatId,
    users: &[UserId],
) -> QueryResult<Vec<Member>> {
    let rows = chat_members::table
        .filter(chat_members::chat_id.eq(chat.0))
        .filter(chat_members::user_id.eq_any(users.iter().map(|user| user.0)))
        .select((chat_members::user_id, chat_members::role, chat_members::restricted_until))
        .load::<(Uuid, i16, Option<DateTime<Utc>>)>(connection)
        .await?;
    let member = |(user, role, restricted_until): (Uuid, i16, _)| {
        let role = Role::from_number(role.into()).unwrap_or_default();
        Member { user: UserId(user), role, restricted_until }
    };
    Ok(rows.into_iter().map(member).collect())
}

/// Stores the role and the restriction of a member.
pub(super) async fn set_member(connection: &mut AsyncPgConnection, chat: ChatId, member: Member) -> QueryResult<()> {
    let Member { user, role, restricted_until } = member;
    diesel::update(chat_members::table.find((chat.0, user.0)))
        .set((chat_members::role.eq(role as i16), chat_members::restricted_until.eq(restricted_until)))
        .execute(connection)
        .await
        .map(drop)
}

/// A durable event to be stored.
pub(in crate::groups) struct NewEvent {
    pub(in crate::groups) kind: EventKind,
    pub(in crate::groups) body: Option<Value>,
    /// Whether it takes a right away, so that a message that was allowed before it is not stored after it.
    pub(in crate::groups) takes_rights: bool,
    /// The size of the chat after it, if that changes.
    pub(in crate::groups) size: Option<Size>,
}

impl NewEvent {
    /// Returns an event without a body and another size.
    pub(in crate::groups) const fn new(kind: EventKind, takes_rights: bool) -> Self {
        Self { kind, body: None, takes_rights, size: None }
    }
}

/// The number of members, and what follows from it: the class, and the default of slow mode.
#[derive(Clone, Copy, AsChangeset)]
#[diesel(table_name = chats)]
pub(in crate::groups) struct Size {
    member_count: i32,
    class: i16,
    slow_s: i32,
}

impl LockedChat {
    /// Checks that a member may do something.
    pub(in crate::groups) fn require(&self, member: Member, action: Action) -> Result<(), GroupError> {
        let standing = Standing::at(member.role, member.restricted_until, self.now);
        Ok(may(standing, action, self.kind, &self.settings)?)
    }

    /// Checks that a member may do something to other members.
    pub(in crate::groups) fn require_over(
        &self,
        member: Member,
        action: Action,
        others: &[Member],
    ) -> Result<(), GroupError> {
        self.require(member, action)?;
        Ok(others.iter().try_for_each(|other| may_act_on(member.role, other.role))?)
    }

    /// The `seq` of the next event.
    pub(in crate::groups) const fn next_seq(&self) -> Seq {
        self.last_seq + 1
    }

    /// Returns the size of the chat with this number of members.
    pub(in crate::groups) fn size(&self, member_count: i32) -> Size {
        let class = self.kind.class(self.class, member_count);
        let slow_s = if self.settings.is_default_slow {
            self.kind.default_slow_s(class, self.limits.large_slow_s)
        } else {
            self.settings.slow_s
        };
        Size { member_count, class: class as i16, slow_s }
    }

    /// Stores an event: the only one of this transaction. Returns its `seq`.
    pub(in crate::groups) async fn append(
        &self,
        connection: &mut AsyncPgConnection,
        caller: Caller,
        event: NewEvent,
    ) -> QueryResult<Seq> {
        let details = event.body.clone().unwrap_or_default();
        self.append_as(connection, caller, event, details).await
    }

    /// Stores an event, of which the audit log says something else than its body. Returns its `seq`.
    pub(in crate::groups) async fn append_as(
        &self,
        connection: &mut AsyncPgConnection,
        caller: Caller,
        event: NewEvent,
        details: Value,
    ) -> QueryResult<Seq> {
        audit::record(connection, self, caller, event.kind.as_str(), details).await?;
        let place = event::Place { seq: self.next_seq(), n: self.event_count + 1, at: self.now };
        event::append(connection, place, caller, event, self.digest.as_deref()).await
    }
}
