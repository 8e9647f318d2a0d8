//! The settings of groups and channels.

use neonchat_common::settings::SettingsSource;

use super::LimitSettings;
use crate::rights::ChatKind;

const MAX: i32 = 1_000_000;

/// The limits of groups and channels.
#[derive(Clone, Copy, Debug)]
pub struct GroupSettings {
    /// `GROUP_MAX_MEMBERS`: the most members of a group.
    pub group_members: i32,
    /// `CHANNEL_MAX_MEMBERS`: the most members of a channel.
    pub channel_members: i32,
    /// `GROUP_MAX_ADMINS`: the most admins of a chat, without the owner.
    pub admins: i32,
    /// `GROUP_MAX_INVITES`: the most valid invites of a chat.
    pub invites: i32,
    /// `GROUP_MAX_REQUESTS`: the most users who wait for an answer of a chat.
    pub requests: i32,
    /// `CHATS_PER_USER`: the most groups and channels of a user.
    pub chats_per_user: i32,
    /// `GROUPS_PER_DAY`: the most groups and channels that a user creates in 24 hours; 0 is no limit.
    pub created_per_day: i32,
    /// `GROUP_ADDS_PER_DAY`: the most users that a user adds to groups and channels in 24 hours; 0 is no limit.
    pub added_per_day: i32,
    /// `INVITE_REQUESTS_PER_MINUTE`: the most requests of a user with the codes of invites; 0 is no limit.
    pub invite_requests_per_minute: u32,
    /// `LARGE_GROUP_SLOW_S`: the slow mode of a large group whose owner has not set it, in seconds.
    pub large_slow_s: i32,
}

impl GroupSettings {
    /// Without rate limits nothing is counted per minute. Limits per day hold.
    pub(super) fn read(source: &mut SettingsSource, limits: LimitSettings) -> Self {
        let invite_requests = source.number("INVITE_REQUESTS_PER_MINUTE", 20, 0, 1_000_000);
        Self {
            group_members: source.number("GROUP_MAX_MEMBERS", 10_000, 2, MAX),
            channel_members: source.number("CHANNEL_MAX_MEMBERS", 100_000, 2, MAX),
            admins: source.number("GROUP_MAX_ADMINS", 100, 1, 10_000),
            invites: source.number("GROUP_MAX_INVITES", 50, 1, 10_000),
            requests: source.number("GROUP_MAX_REQUESTS", 1000, 1, MAX),
            chats_per_user: source.number("CHATS_PER_USER", 2000, 1, MAX),
            created_per_day: source.number("GROUPS_PER_DAY", 20, 0, MAX),
            added_per_day: source.number("GROUP_ADDS_PER_DAY", 200, 0, MAX),
            invite_requests_per_minute: if limits.requests_per_minute == 0 { 0 } else { invite_requests },
            large_slow_s: source.number("LARGE_GROUP_SLOW_S", 5, 0, 86_400),
        }
    }

    /// Returns the most members of a chat of this type.
    pub(crate) const fn members_of(&self, kind: ChatKind) -> i32 {
        match kind {
            ChatKind::Channel => self.channel_members,
            ChatKind::Group | ChatKind::Direct => self.group_members,
        }
    }
}
