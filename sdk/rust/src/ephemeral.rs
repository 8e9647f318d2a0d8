//! What is not part of the history of a chat: typing, presence, receipts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ChatId, UserId, frame::Object};

/// Who types. In large groups it has `user_ids` and `more` in `extra` instead of `user_id` and `is_typing`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Typing {
    /// The chat.
    pub chat_id: ChatId,
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// Whether the user types.
    #[serde(default)]
    pub is_typing: bool,
    /// All other members.
    #[serde(flatten)]
    pub extra: Object,
}

/// The presence of a user.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Presence {
    /// The user.
    pub user_id: UserId,
    /// `user_online`, `user_away` or `user_offline`.
    pub event: String,
    /// All other members.
    #[serde(flatten)]
    pub extra: Object,
}

/// How far a user has read a chat, and has it on a device.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Receipt {
    /// The chat.
    pub chat_id: ChatId,
    /// The partner of a direct chat, or the user on another device.
    pub user_id: UserId,
    /// Up to this `seq` it is read.
    #[serde(default)]
    pub read: u64,
    /// Up to this `seq` it is on a device.
    #[serde(default)]
    pub delivered: u64,
    /// All other members.
    #[serde(flatten)]
    pub extra: Object,
}

/// How far members of a group have read it, and have it on a device.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Receipts {
    /// The chat.
    pub chat_id: ChatId,
    /// Up to which `seq` it is read, by user.
    #[serde(default)]
    pub reads: BTreeMap<UserId, u64>,
    /// Up to which `seq` it is on a device, by user.
    #[serde(default)]
    pub delivered: BTreeMap<UserId, u64>,
    /// All other members.
    #[serde(flatten)]
    pub extra: Object,
}
