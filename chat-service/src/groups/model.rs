//! Groups and channels, as requests and answers describe them.

mod joining;

use chrono::{DateTime, Utc};
use neonchat_common::{
    chat::Role,
    ids::{ChatId, SendId, Seq, UserId},
    time,
};
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use self::joining::{
    Audit, AuditEntry, BanItem, Bans, InviteItem, InviteLink, InvitePreview, Invites, NewInvite, RequestItem, Requests,
    Room, Rooms,
};
use super::{handle::Handle, place::Place};
use crate::{
    chats::model::ChatItem,
    rights::{ChatKind, ChatSettings, HistoryVisibility},
    users::username::NamePrefix,
    validation::PageLimit,
};

/// The most users that one request adds or removes.
pub(crate) const MAX_USERS: usize = 100;

/// The page size of the lists of a group.
pub(crate) type GroupPageLimit = PageLimit<50, 100>;

/// Who wants to change which chat.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) user: UserId,
    pub(crate) chat: ChatId,
    /// The idempotency key.
    pub(crate) request_id: SendId,
}

/// Why users are kept out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ban {
    pub(crate) reason: Option<String>,
}

/// Who is removed.
#[derive(Clone, Debug)]
pub(crate) struct Removal {
    pub(crate) users: Vec<UserId>,
    /// Keeps them out, and also users who are no members.
    pub(crate) ban: Option<Ban>,
    /// Whether their messages are deleted too.
    pub(crate) deletes_messages: bool,
}

/// Which members to list.
#[derive(Clone, Debug)]
pub(crate) struct MemberFilter {
    pub(crate) role: Option<Role>,
    /// The start of the username.
    pub(crate) name: Option<NamePrefix>,
    pub(crate) after: Option<Place>,
    pub(crate) limit: GroupPageLimit,
}

/// A group or channel to be created.
#[derive(Clone, Debug)]
pub(crate) struct NewGroup {
    pub(crate) kind: ChatKind,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) handle: Option<Handle>,
    pub(crate) settings: ChatSettings,
    /// The members beside the creator.
    pub(crate) members: Vec<UserId>,
}

/// What a request changes about a group or channel. Absent values stay.
#[derive(Clone, Debug, Default)]
pub(crate) struct GroupPatch {
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    /// `Some(None)` makes the chat private.
    #[expect(clippy::option_option, reason = "absent, null, or a value")]
    pub(crate) handle: Option<Option<Handle>>,
    pub(crate) settings: SettingsPatch,
}

/// The settings that a request changes. Absent values stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(examples(json!({ "send": "admin", "slow_s": 30 })))]
pub(crate) struct SettingsPatch {
    /// Who may send messages: `member` or `admin`.
    pub(crate) send: Option<Role>,
    /// Who may send files: `member` or `admin`, like the following one.
    pub(crate) media: Option<Role>,
    /// Who may react to messages.
    pub(crate) react: Option<Role>,
    /// Who may pin messages.
    pub(crate) pin: Option<Role>,
    /// Who may mention all members: `member` or `admin`.
    pub(crate) mention_all: Option<Role>,
    /// Who may change title and description, and how long new messages stay.
    pub(crate) info: Option<Role>,
    /// Who may add users and make invites.
    pub(crate) invite: Option<Role>,
    /// Who may delete messages of members with a lower role: `admin` or `owner`, like the following ones.
    pub(crate) delete: Option<Role>,
    /// Who may remove members with a lower role.
    pub(crate) kick: Option<Role>,
    /// Who may restrict members with a lower role, and set slow mode.
    pub(crate) restrict: Option<Role>,
    /// Who may ban users with a lower role.
    pub(crate) ban: Option<Role>,
    /// Who may answer requests to join.
    pub(crate) requests: Option<Role>,
    /// Who may read the audit log.
    pub(crate) audit: Option<Role>,
    /// The least time between two messages of a member, in seconds.
    #[schema(minimum = 0, maximum = 86400)]
    pub(crate) slow_s: Option<i32>,
    /// How long new messages stay, in seconds. 0 is for ever.
    #[schema(minimum = 0, maximum = 7_776_000)]
    pub(crate) ttl_s: Option<i32>,
    /// Whether newcomers see the history before they joined.
    pub(crate) history: Option<HistoryVisibility>,
    /// Whether messages of the chat cannot be forwarded.
    pub(crate) protected: Option<bool>,
}

impl SettingsPatch {
    /// Returns whether it changes something that only the owner may change.
    pub(crate) fn governs(&self) -> bool {
        Self { slow_s: None, ttl_s: None, ..*self } != Self::default()
    }

    /// Returns the changed settings.
    pub(crate) fn apply(&self, to: &ChatSettings) -> ChatSettings {
        ChatSettings {
            send: self.send.unwrap_or(to.send),
            media: self.media.unwrap_or(to.media),
            react: self.react.unwrap_or(to.react),
            pin: self.pin.unwrap_or(to.pin),
            mention_all: self.mention_all.unwrap_or(to.mention_all),
            info: self.info.unwrap_or(to.info),
            invite: self.invite.unwrap_or(to.invite),
            is_default_invite: self.invite.is_none() && to.is_default_invite,
            delete: self.delete.unwrap_or(to.delete),
            kick: self.kick.unwrap_or(to.kick),
            restrict: self.restrict.unwrap_or(to.restrict),
            ban: self.ban.unwrap_or(to.ban),
            requests: self.requests.unwrap_or(to.requests),
            audit: self.audit.unwrap_or(to.audit),
            slow_s: self.slow_s.unwrap_or(to.slow_s),
            is_default_slow: self.slow_s.is_none() && to.is_default_slow,
            ttl_s: self.ttl_s.unwrap_or(to.ttl_s),
            history: self.history.unwrap_or(to.history),
            protected: self.protected.unwrap_or(to.protected),
        }
    }
}

/// What a request changes about a member. Absent values stay.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MemberPatch {
    pub(crate) role: Option<Role>,
    /// `Some(None)` ends a restriction.
    #[expect(clippy::option_option, reason = "absent, null, or a value")]
    pub(crate) restricted_until: Option<Option<DateTime<Utc>>>,
}

/// How users became members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Via {
    /// A member added them.
    Add,
    /// They had an invite.
    Invite,
    /// They asked, and were accepted.
    Request,
    /// They joined a public chat.
    Join,
}

/// Why a user was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NotAddedReason {
    /// The user is banned from the chat.
    Banned,
    /// The user has reached the limit of chats.
    Limit,
    /// There is no such user.
    Unknown,
}

/// A user who was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct NotAdded {
    /// The id of the user.
    pub(crate) user_id: UserId,
    /// Why.
    pub(crate) reason: NotAddedReason,
}

/// The users who were added, and those who were not. Who was a member already is in neither list.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_field_names, reason = "the names are those of the API")]
pub(crate) struct Added {
    pub(crate) added: Vec<UserId>,
    pub(crate) not_added: Vec<NotAdded>,
    /// The `seq` of the event; `None` if nobody was added, or in a large chat.
    pub(crate) seq: Option<Seq>,
}

/// The result of adding users.
#[derive(Debug)]
pub(crate) struct Addition {
    pub(crate) users: Added,
    /// For those who were not added.
    pub(crate) invite: Option<InviteLink>,
    pub(crate) is_duplicate: bool,
}

/// A created group or channel.
pub(crate) struct CreatedGroup {
    pub(crate) item: ChatItem,
    pub(crate) not_added: Vec<NotAdded>,
    /// For those who were not added.
    pub(crate) invite: Option<InviteLink>,
    pub(crate) is_duplicate: bool,
}

/// The result of joining.
#[derive(Clone, Debug)]
pub(crate) enum Joined {
    Member(Added),
    /// An admin has to accept the user.
    Pending,
    AlreadyMember,
}

/// The result of a change that may make a durable event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ChangeResult {
    /// The `seq` of the event; `null` if nothing changed, or in a large chat for a join or leave.
    #[schema(value_type = Option<i64>, required, minimum = 1, examples(46))]
    pub(crate) seq: Option<Seq>,
    /// Whether an earlier request with this `request_id` made the change.
    pub(crate) duplicate: bool,
}

/// A member of a group or channel.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct MemberItem {
    /// The id of the user.
    pub(crate) user_id: UserId,
    /// The username.
    #[schema(examples("bob"))]
    pub(crate) username: String,
    /// The role.
    pub(crate) role: Role,
    /// When the user joined.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub(crate) joined_at: DateTime<Utc>,
    /// Until then the member may only read; `null` if the member is not restricted.
    #[serde(serialize_with = "time::serialize_option")]
    #[schema(required)]
    pub(crate) restricted_until: Option<DateTime<Utc>>,
    /// Whether the user has an open socket.
    pub(crate) online: bool,
}

/// A page of members: owner and admins first, then by id.
#[derive(Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names are those of the API")]
pub(crate) struct Members {
    /// The members on this page.
    pub(crate) members: Vec<MemberItem>,
    /// The value of `after` for the next page; `null` if this is the last one.
    #[schema(required)]
    pub(crate) next: Option<String>,
    /// The highest `seq` of the chat. The page contains all changes up to it.
    #[schema(value_type = i64, minimum = 0, examples(42))]
    pub(crate) head_seq: Seq,
}
