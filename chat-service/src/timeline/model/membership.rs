//! The events of groups and channels: members, roles, and what the chat is called.

use chrono::{DateTime, Utc};
use neonchat_common::{
    chat::{MembershipChange, RemovalReason, Role},
    ids::{ChatId, Seq, UserId},
    time,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::rights::ShownSettings;

/// Defines the type of the `type` of an event.
macro_rules! event_types {
    ($($(#[$doc:meta])+ $name:ident = $value:ident;)+) => {$(
        $(#[$doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub(crate) enum $name {
            /// The only value.
            $value,
        }
    )+};
}

event_types! {
    /// The `type` of an event of new members.
    MembersAddedEventType = MembersAdded;
    /// The `type` of an event of members who are no more.
    MembersRemovedEventType = MembersRemoved;
    /// The `type` of an event of a changed member.
    MemberChangedEventType = MemberChanged;
    /// The `type` of an event of a changed chat.
    ChatUpdatedEventType = ChatUpdated;
    /// The `type` of the last event of a chat.
    ChatClosedEventType = ChatClosed;
}

/// Where an event belongs, and who caused it.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct Origin {
    /// The id of the chat.
    pub(crate) chat_id: ChatId,
    /// The number of the event in the sequence of its chat.
    #[schema(value_type = i64, minimum = 1, examples(47))]
    pub(crate) seq: Seq,
    /// The id of the user who caused it.
    pub(crate) by: UserId,
    /// When it happened.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub(crate) at: DateTime<Utc>,
}

/// Users became members.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct MembersAddedEvent {
    /// The type of the event.
    #[serde(rename = "type")]
    pub(crate) kind: MembersAddedEventType,
    #[serde(flatten)]
    pub(crate) origin: Origin,
    #[serde(flatten)]
    pub(crate) body: AddedBody,
}

/// Who became a member, and how.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AddedBody {
    /// The ids of the users.
    pub(crate) user_ids: Vec<UserId>,
    /// How they became members: `add`, `invite`, `join` or `request`.
    #[schema(examples("add"))]
    pub(crate) via: String,
    /// The number of members since the event.
    #[schema(minimum = 1, examples(12))]
    pub(crate) member_count: i32,
}

/// Users ceased to be members.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct MembersRemovedEvent {
    /// The type of the event.
    #[serde(rename = "type")]
    pub(crate) kind: MembersRemovedEventType,
    #[serde(flatten)]
    pub(crate) origin: Origin,
    #[serde(flatten)]
    pub(crate) body: RemovedBody,
}

/// Who ceased to be a member, and how.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RemovedBody {
    /// The ids of the users. Empty for members of a channel who are not admins.
    pub(crate) user_ids: Vec<UserId>,
    /// How they ceased to be members: `left`, `kicked` or `banned`.
    #[schema(examples("kicked"))]
    pub(crate) how: String,
    /// The number of members since the event.
    #[schema(minimum = 0, examples(11))]
    pub(crate) member_count: i32,
}

/// A member got another role, or was restricted.
///
/// In a channel, members who are not admins get only `type`, `chat_id` and `seq`, unless the event is about themselves or an admin.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct MemberChangedEvent {
    /// The type of the event.
    #[serde(rename = "type")]
    pub(crate) kind: MemberChangedEventType,
    /// The id of the chat.
    pub(crate) chat_id: ChatId,
    /// The number of the event in the sequence of its chat.
    #[schema(value_type = i64, minimum = 1, examples(47))]
    pub(crate) seq: Seq,
    /// What changed. Absent if the reader may not know it.
    #[serde(flatten)]
    pub(crate) change: Option<MemberChange>,
}

/// Who changed a member, and how. Absent if the reader may not know it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct MemberChange {
    /// The id of the user who caused it.
    #[schema(required = false)]
    pub(crate) by: UserId,
    /// When it happened.
    #[serde(serialize_with = "time::serialize")]
    #[schema(required = false, examples("2026-01-02T03:04:05.000006Z"))]
    pub(crate) at: DateTime<Utc>,
    #[serde(flatten)]
    pub(crate) body: ChangedBody,
}

/// The member as the event left it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ChangedBody {
    /// The id of the member.
    #[schema(required = false)]
    pub(crate) user_id: UserId,
    /// The role.
    #[schema(required = false)]
    pub(crate) role: Role,
    /// Until then the member may only read; `null` if the member is not restricted.
    #[serde(serialize_with = "time::serialize_option")]
    #[schema(required = false)]
    pub(crate) restricted_until: Option<DateTime<Utc>>,
    /// The former owner, who is an admin now. Only if the owner changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) former: Option<UserId>,
}

/// Title, description, handle or settings changed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ChatUpdatedEvent {
    /// The type of the event.
    #[serde(rename = "type")]
    pub(crate) kind: ChatUpdatedEventType,
    #[serde(flatten)]
    pub(crate) origin: Origin,
    #[serde(flatten)]
    pub(crate) profile: ChatProfile,
}

/// What a chat is called and how it works, as it is when the event is read.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ChatProfile {
    /// The title; absent in a direct chat, as the following ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples("Team"))]
    pub(crate) title: Option<String>,
    /// The description.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples(""))]
    pub(crate) description: Option<String>,
    /// The name of a public chat; `null` if it is not public.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    #[expect(clippy::option_option, reason = "absent, null, or a value")]
    pub(crate) handle: Option<Option<String>>,
    /// The settings.
    pub(crate) settings: ShownSettings,
}

impl ChatProfile {
    /// Returns the approximate size of its texts, in bytes.
    pub(super) fn size(&self) -> usize {
        [&self.title, &self.description].into_iter().flatten().map(String::len).sum()
    }
}

/// The chat was closed. It has no later event.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ChatClosedEvent {
    /// The type of the event.
    #[serde(rename = "type")]
    pub(crate) kind: ChatClosedEventType,
    #[serde(flatten)]
    pub(crate) origin: Origin,
}

impl MembersRemovedEvent {
    pub(super) fn membership(&self) -> MembershipChange {
        MembershipChange {
            removed: self.body.user_ids.clone(),
            reason: RemovalReason::from_name(&self.body.how),
            closes: false,
            roles: Vec::new(),
        }
    }
}

impl MemberChangedEvent {
    pub(super) fn membership(&self) -> Option<MembershipChange> {
        let ChangedBody { user_id, role, former, .. } = self.change.as_ref()?.body;
        let former = former.map(|former| (former, Role::Admin));
        let roles = former.into_iter().chain([(user_id, role)]).collect();
        Some(MembershipChange { removed: Vec::new(), reason: RemovalReason::Gone, closes: false, roles })
    }

    /// Returns the event without what changed.
    pub(super) fn without_change(self) -> Self {
        Self { change: None, ..self }
    }
}

impl ChatClosedEvent {
    pub(super) const fn membership() -> MembershipChange {
        MembershipChange { removed: Vec::new(), reason: RemovalReason::Closed, closes: true, roles: Vec::new() }
    }
}
