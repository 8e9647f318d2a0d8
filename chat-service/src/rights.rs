//! What a member may do in a chat. Every right is decided by [`may`].

use chrono::{DateTime, Utc};
use neonchat_common::chat::{ChatClass, Role};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The type of a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChatKind {
    /// Two users. Neither has rights over the other.
    Direct,
    /// Members who write to each other.
    Group,
    /// Admins who write to members.
    Channel,
}

impl ChatKind {
    pub(crate) const ALL: [Self; 3] = [Self::Direct, Self::Group, Self::Channel];

    /// Returns the name on the wire and in the database.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Group => "group",
            Self::Channel => "channel",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Returns the class of a chat that had the class `before` and now has this number of members. Every channel is large.
    ///
    /// A chat moves up above the bound of its class, and down below 90 % of that bound. So a few members who come and go do not
    /// move it to and fro. It can be called again with its own result.
    pub(crate) fn class(self, before: ChatClass, members: i32) -> ChatClass {
        let lowest = match members {
            ..=100 => ChatClass::Small,
            101..=1000 => ChatClass::Medium,
            _ => ChatClass::Large,
        };
        let highest = match members {
            ..=89 => ChatClass::Small,
            90..=899 => ChatClass::Medium,
            _ => ChatClass::Large,
        };
        if self == Self::Channel { ChatClass::Large } else { before.clamp(lowest, highest) }
    }

    /// Returns the slow mode that a chat has if nobody has set it, in seconds.
    pub(crate) fn default_slow_s(self, class: ChatClass, in_large_groups: i32) -> i32 {
        if self == Self::Group && class == ChatClass::Large { in_large_groups } else { 0 }
    }
}

/// The types of chats that are created with a title, for the document of the API.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum GroupType {
    Group,
    Channel,
}

/// Something that needs a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// Send messages, and edit one's own.
    Send,
    /// React to messages.
    React,
    /// Pin messages.
    Pin,
    /// Mention all members.
    MentionAll,
    /// Change title and description, and how long new messages stay.
    Info,
    /// Add users, and make links by which they join.
    Invite,
    /// Delete messages of members with a lower role.
    Delete,
    /// Remove members with a lower role.
    Kick,
    /// Take the right to write away from members with a lower role for some time, and set slow mode.
    Restrict,
    /// Remove users and keep them out.
    Ban,
    /// Answer requests to join.
    Requests,
    /// Read who did what.
    Audit,
    /// See the members.
    Members,
    /// Change which role an action needs, the visibility of history, the handle, and who is an admin.
    Govern,
    /// Give the chat to another owner.
    Transfer,
    /// Close the chat for all.
    Close,
}

impl Action {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 16] = [
        Self::Send,
        Self::React,
        Self::Pin,
        Self::MentionAll,
        Self::Info,
        Self::Invite,
        Self::Delete,
        Self::Kick,
        Self::Restrict,
        Self::Ban,
        Self::Requests,
        Self::Audit,
        Self::Members,
        Self::Govern,
        Self::Transfer,
        Self::Close,
    ];

    /// Returns whether a restriction of a member takes this right away.
    const fn is_taken_by_restriction(self) -> bool {
        matches!(self, Self::Send | Self::React | Self::Pin | Self::Invite)
    }
}

/// Whether newcomers see the history before they joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HistoryVisibility {
    /// All of it.
    All,
    /// Only what comes after they joined.
    SinceJoin,
}

/// The settings of a group or channel: the lowest role for each action, and rules for all members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct ChatSettings {
    /// Who may send messages.
    pub(crate) send: Role,
    /// Who may send files.
    pub(crate) media: Role,
    /// Who may react to messages.
    pub(crate) react: Role,
    /// Who may pin messages.
    pub(crate) pin: Role,
    /// Who may mention all members.
    pub(crate) mention_all: Role,
    /// Who may change title and description, and how long new messages stay.
    pub(crate) info: Role,
    /// Who may add users and make invites. By default members of a private group, and admins of a public group or a channel.
    pub(crate) invite: Role,
    /// Whether `invite` is the default, which changes when the chat becomes public or private.
    #[serde(skip)]
    pub(crate) is_default_invite: bool,
    /// Who may delete messages of members with a lower role.
    pub(crate) delete: Role,
    /// Who may remove members with a lower role.
    pub(crate) kick: Role,
    /// Who may restrict members with a lower role, and set slow mode.
    pub(crate) restrict: Role,
    /// Who may ban users with a lower role.
    pub(crate) ban: Role,
    /// Who may answer requests to join.
    pub(crate) requests: Role,
    /// Who may read the audit log.
    pub(crate) audit: Role,
    /// The least time between two messages of a member, in seconds. 0 is no limit. By default 0, and 5 in a large group.
    #[schema(minimum = 0, maximum = 86400, examples(0))]
    pub(crate) slow_s: i32,
    /// Whether `slow_s` is the default, which changes with the class of the chat.
    #[serde(skip)]
    pub(crate) is_default_slow: bool,
    /// How long new messages stay, in seconds. 0 is for ever.
    #[schema(minimum = 0, maximum = 7_776_000, examples(0))]
    pub(crate) ttl_s: i32,
    /// Whether newcomers see the history before they joined.
    pub(crate) history: HistoryVisibility,
    /// Whether messages of the chat cannot be forwarded.
    pub(crate) protected: bool,
}

impl ChatSettings {
    /// Returns the settings of a new group or channel. Newcomers of a private group see only what comes after they joined.
    pub(crate) fn of_new(kind: ChatKind, is_public: bool, history: Option<HistoryVisibility>) -> Self {
        let (writers, default_history) = match (kind, is_public) {
            (ChatKind::Direct | ChatKind::Group, false) => (Role::Member, HistoryVisibility::SinceJoin),
            (ChatKind::Direct | ChatKind::Group, true) => (Role::Member, HistoryVisibility::All),
            (ChatKind::Channel, _) => (Role::Admin, HistoryVisibility::All),
        };
        Self {
            send: writers,
            media: writers,
            react: Role::Member,
            pin: Role::Admin,
            mention_all: Role::Admin,
            info: Role::Admin,
            invite: default_invite(kind, false),
            is_default_invite: true,
            delete: Role::Admin,
            kick: Role::Admin,
            restrict: Role::Admin,
            ban: Role::Admin,
            requests: Role::Admin,
            audit: Role::Admin,
            slow_s: 0,
            is_default_slow: true,
            ttl_s: 0,
            history: history.unwrap_or(default_history),
            protected: false,
        }
    }
}

const fn default_invite(kind: ChatKind, is_public: bool) -> Role {
    match (kind, is_public) {
        (ChatKind::Direct | ChatKind::Group, false) => Role::Member,
        (ChatKind::Direct | ChatKind::Group, true) | (ChatKind::Channel, _) => Role::Admin,
    }
}

/// The names of the settings that have defaults.
const INVITE: &str = "invite";
const SLOW_S: &str = "slow_s";

/// The name of the setting that only the row of the chat has.
const TTL_S: &str = "ttl_s";

/// The longest time to live of messages, in seconds: 90 days.
pub(crate) const MAX_TTL_S: i32 = 7_776_000;

impl ChatSettings {
    /// Reads the stored settings of a chat. `slow_s` is the slow mode in force, from the row of the chat.
    pub(crate) fn from_stored(json: &str, kind: ChatKind, is_public: bool, slow_s: i32) -> serde_json::Result<Self> {
        let mut stored: Map<String, Value> = serde_json::from_str(json)?;
        let (is_default_invite, is_default_slow) = (!stored.contains_key(INVITE), !stored.contains_key(SLOW_S));
        if is_default_invite {
            stored.insert(INVITE.to_owned(), serde_json::to_value(default_invite(kind, is_public))?);
        }
        if is_default_slow {
            stored.insert(SLOW_S.to_owned(), slow_s.into());
        }
        // Chats of earlier versions do not have all settings.
        if let Value::Object(defaults) = serde_json::to_value(Self::of_new(kind, is_public, None))? {
            for (name, value) in defaults {
                stored.entry(name).or_insert(value);
            }
        }
        Ok(Self { is_default_invite, is_default_slow, ..serde_json::from_value(stored.into())? })
    }

    /// Returns the settings with the time to live of messages from the row of the chat.
    pub(crate) fn with_ttl_s(self, ttl_s: i32) -> Self {
        Self { ttl_s, ..self }
    }

    /// Returns the settings as they are stored.
    pub(crate) fn to_stored(&self) -> serde_json::Result<String> {
        let mut stored = serde_json::to_value(self)?;
        let left_out = [(INVITE, self.is_default_invite), (SLOW_S, self.is_default_slow), (TTL_S, true)];
        for (name, is_left_out) in left_out {
            if let Some(stored) = stored.as_object_mut().filter(|_| is_left_out) {
                stored.remove(name);
            }
        }
        serde_json::to_string(&stored)
    }

    /// Returns whether members see a difference. Whether a value is a default is not shown.
    pub(crate) fn look_like(&self, other: &Self) -> bool {
        let Self { is_default_invite, is_default_slow, .. } = *other;
        Self { is_default_invite, is_default_slow, ..self.clone() } == *other
    }
}

/// The settings of a chat, as its members see them.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum ShownSettings {
    /// Those of a group or channel.
    Group(Box<ChatSettings>),
    /// Those of a direct chat.
    Direct(DirectSettings),
}

/// The settings of a direct chat.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
// Those of a group have it too, so they would be of this type as well.
#[serde(deny_unknown_fields)]
pub(crate) struct DirectSettings {
    /// How long new messages stay, in seconds. 0 is for ever.
    #[schema(minimum = 0, maximum = 7_776_000, examples(0))]
    ttl_s: i32,
}

impl ShownSettings {
    /// Returns the settings of a direct chat.
    pub(crate) const fn direct(ttl_s: i32) -> Self {
        Self::Direct(DirectSettings { ttl_s })
    }

    /// Returns those of a group or channel.
    pub(crate) fn of_group(&self) -> Option<&ChatSettings> {
        match self {
            Self::Group(settings) => Some(settings),
            Self::Direct(_) => None,
        }
    }
}

/// Who wants to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) role: Role,
    /// Whether the member may only read at the moment.
    pub(crate) is_restricted: bool,
}

impl Standing {
    /// Returns the standing of a member at a time.
    pub(crate) fn at(role: Role, restricted_until: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Self {
        Self { role, is_restricted: restricted_until.is_some_and(|until| until > now) }
    }
}

/// Why somebody may not do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// The action needs a higher role.
    Role,
    /// The member may only read at the moment.
    Restricted,
}

/// Decides whether a member may do something in a group or channel.
pub(crate) const fn may(who: Standing, action: Action, kind: ChatKind, settings: &ChatSettings) -> Result<(), Denied> {
    if (who.role as i16) < needed(action, kind, settings) as i16 {
        Err(Denied::Role)
    } else if who.is_restricted && action.is_taken_by_restriction() {
        Err(Denied::Restricted)
    } else {
        Ok(())
    }
}

/// Returns the lowest role that may do something. The statements that store messages and changes of messages have a copy of it in
/// the row of the chat.
pub(crate) const fn needed(action: Action, kind: ChatKind, settings: &ChatSettings) -> Role {
    match action {
        Action::Send => settings.send,
        Action::React => settings.react,
        Action::Pin => settings.pin,
        Action::MentionAll => settings.mention_all,
        Action::Info => settings.info,
        Action::Invite => settings.invite,
        Action::Delete => settings.delete,
        Action::Kick => settings.kick,
        Action::Restrict => settings.restrict,
        Action::Ban => settings.ban,
        Action::Requests => settings.requests,
        Action::Audit => settings.audit,
        Action::Members => match kind {
            ChatKind::Channel => Role::Admin,
            ChatKind::Direct | ChatKind::Group => Role::Member,
        },
        Action::Govern | Action::Transfer | Action::Close => Role::Owner,
    }
}

/// Decides whether a member may act on another one, who has `other`. Nobody acts on somebody with the same role or a higher one.
pub(crate) const fn may_act_on(role: Role, other: Role) -> Result<(), Denied> {
    if (role as i16) > other as i16 { Ok(()) } else { Err(Denied::Role) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_of_invite_follows_the_visibility_of_the_chat() {
        let settings = ChatSettings::of_new(ChatKind::Group, false, None);
        let stored = settings.to_stored().expect("encode settings");
        let read =
            |is_public| ChatSettings::from_stored(&stored, ChatKind::Group, is_public, 0).expect("read settings");
        assert_eq!(read(false), settings);
        assert_eq!(read(true).invite, Role::Admin);
        let chosen = ChatSettings { invite: Role::Member, is_default_invite: false, ..settings };
        let stored = chosen.to_stored().expect("encode settings");
        assert_eq!(ChatSettings::from_stored(&stored, ChatKind::Group, true, 0).expect("read settings"), chosen);
    }

    #[test]
    fn newcomers_see_the_history_unless_the_group_is_private() {
        use HistoryVisibility::{All, SinceJoin};
        for (kind, is_public, chosen, history) in [
            (ChatKind::Group, false, None, SinceJoin),
            (ChatKind::Group, true, None, All),
            (ChatKind::Group, true, Some(SinceJoin), SinceJoin),
            (ChatKind::Channel, false, None, All),
            (ChatKind::Channel, true, None, All),
        ] {
            assert_eq!(ChatSettings::of_new(kind, is_public, chosen).history, history, "{kind:?}, {is_public}");
        }
    }

    #[test]
    fn chosen_slow_mode_wins_over_the_default() {
        let settings = ChatSettings::of_new(ChatKind::Group, false, None);
        let stored = settings.to_stored().expect("encode settings");
        let read = |stored: &str, slow_s| {
            ChatSettings::from_stored(stored, ChatKind::Group, false, slow_s).expect("read settings").slow_s
        };
        assert_eq!((read(&stored, 0), read(&stored, 5)), (0, 5));
        let chosen = ChatSettings { slow_s: 0, is_default_slow: false, ..settings.clone() };
        assert!(chosen.look_like(&settings) && chosen != settings);
        assert_eq!(read(&chosen.to_stored().expect("encode settings"), 5), 0);
    }

    #[test]
    fn class_changes_down_later_than_up() {
        use ChatClass::{Large, Medium, Small};
        for (before, members, after) in [
            (Small, 100, Small),
            (Small, 101, Medium),
            (Small, 1000, Medium),
            (Small, 1001, Large),
            (Medium, 90, Medium),
            (Medium, 89, Small),
            (Medium, 1000, Medium),
            (Medium, 1001, Large),
            (Large, 900, Large),
            (Large, 899, Medium),
            (Large, 90, Medium),
            (Large, 89, Small),
        ] {
            let class = ChatKind::Group.class(before, members);
            assert_eq!(class, after, "{before:?} with {members} members");
            assert_eq!(ChatKind::Group.class(class, members), after);
            assert_eq!(ChatKind::Channel.class(before, members), Large);
        }
    }

    #[test]
    fn owner_may_do_everything_and_nobody_acts_on_an_equal() {
        for kind in ChatKind::ALL {
            let settings = ChatSettings::of_new(kind, false, None);
            for action in Action::ALL {
                let owner = Standing { role: Role::Owner, is_restricted: false };
                assert_eq!(may(owner, action, kind, &settings), Ok(()), "{action:?}");
            }
        }
        for role in Role::ALL {
            assert_eq!(may_act_on(role, role), Err(Denied::Role));
        }
    }
}
