//! The settings of messages.

use std::time::Duration;

use neonchat_common::settings::SettingsSource;

use super::LimitSettings;
use crate::rights::MAX_TTL_S;

const DAY: Duration = Duration::from_hours(24);

/// The rules for messages.
#[derive(Clone, Copy, Debug)]
pub struct MessageSettings {
    /// `EVENTS`: whether stored messages and chats can change.
    pub events: bool,
    /// `EDIT_WINDOW`: how long after sending a message can be edited. 0 is no limit.
    pub edit_window: Duration,
    /// `EDIT_HISTORY`: who can read the texts that edits replaced.
    pub edit_history: EditHistory,
    /// `LARGE_CHAT_MESSAGES_PER_SECOND`: the most messages of a large chat; 0 is no limit.
    pub large_chat_rate: u32,
    /// `MENTION_ALL_INTERVAL`: the least time between two mentions of all members in a chat, in seconds. 0 is no limit.
    pub mention_all_interval_s: i64,
    /// `TIMER_MIN_S`: the shortest time after which messages disappear, in seconds.
    pub timer_min_s: i32,
    /// `SCHEDULE_MIN`: the least time until a scheduled message is sent.
    pub schedule_min: Duration,
}

/// Who can read the texts that edits replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditHistory {
    /// The author and the admins of the chat.
    Admins,
    /// All members.
    Members,
    /// Nobody: the texts are not kept.
    Off,
}

impl MessageSettings {
    pub(super) fn read(source: &mut SettingsSource, limits: LimitSettings) -> Self {
        let histories = [("members", EditHistory::Members), ("off", EditHistory::Off)];
        let rate = source.number("LARGE_CHAT_MESSAGES_PER_SECOND", 20, 0, 1000);
        let interval = source.duration("MENTION_ALL_INTERVAL", Duration::from_mins(10), DAY).as_secs();
        let has_rates = limits.requests_per_minute > 0;
        Self {
            events: source.choice("EVENTS", ("on", true), &[("off", false)]),
            edit_window: source.duration("EDIT_WINDOW", 2 * DAY, 3650 * DAY),
            edit_history: source.choice("EDIT_HISTORY", ("admins", EditHistory::Admins), &histories),
            large_chat_rate: if has_rates { rate } else { 0 },
            mention_all_interval_s: if has_rates { interval.try_into().unwrap_or(i64::MAX) } else { 0 },
            timer_min_s: source.number("TIMER_MIN_S", 3600, 1, MAX_TTL_S),
            schedule_min: source.duration("SCHEDULE_MIN", Duration::from_secs(10), DAY),
        }
    }
}
