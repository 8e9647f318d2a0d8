//! Parses changes of the settings of a chat.

use neonchat_common::chat::Role;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::model::SettingsPatch;
use crate::{
    rights::MAX_TTL_S,
    validation::{ValidationError, ValidationErrors},
};

/// The longest slow mode, in seconds.
const MAX_SLOW_S: i32 = 86_400;

/// Parses the changed settings. An unknown name is an error: a client must not believe that it set something.
///
/// `timer_min_s` is the shortest time to live of messages, in seconds.
pub(super) fn parse(settings: Map<String, Value>, timer_min_s: i32) -> Result<SettingsPatch, ValidationErrors> {
    let mut invalid = ValidationErrors::default();
    let mut patch = SettingsPatch::default();
    for (name, value) in settings {
        match name.as_str() {
            "send" => patch.send = invalid.check("settings.send", sender(value)),
            "media" => patch.media = invalid.check("settings.media", sender(value)),
            "react" => patch.react = invalid.check("settings.react", sender(value)),
            "pin" => patch.pin = invalid.check("settings.pin", parse_choice(value)),
            "mention_all" => patch.mention_all = invalid.check("settings.mention_all", sender(value)),
            "info" => patch.info = invalid.check("settings.info", parse_choice(value)),
            "invite" => patch.invite = invalid.check("settings.invite", parse_choice(value)),
            "delete" => patch.delete = invalid.check("settings.delete", officer(value)),
            "kick" => patch.kick = invalid.check("settings.kick", officer(value)),
            "restrict" => patch.restrict = invalid.check("settings.restrict", officer(value)),
            "ban" => patch.ban = invalid.check("settings.ban", officer(value)),
            "requests" => patch.requests = invalid.check("settings.requests", officer(value)),
            "audit" => patch.audit = invalid.check("settings.audit", officer(value)),
            "slow_s" => patch.slow_s = invalid.check("settings.slow_s", seconds(&value)),
            "ttl_s" => patch.ttl_s = invalid.check("settings.ttl_s", parse_ttl(value.as_i64(), timer_min_s)),
            "history" => patch.history = invalid.check("settings.history", parse_choice(value)),
            "protected" => patch.protected = invalid.check("settings.protected", parse_choice(value)),
            _ => invalid.push("settings", ValidationError::new("unknown", format!("has an unknown setting: {name}"))),
        }
    }
    if invalid.is_empty() { Ok(patch) } else { Err(invalid) }
}

/// Parses one of several names.
pub(crate) fn parse_choice<T: DeserializeOwned>(value: Value) -> Result<T, ValidationError> {
    serde_json::from_value(value).map_err(|_| ValidationError::new("value", "is not one of the possible values"))
}

fn sender(value: Value) -> Result<Role, ValidationError> {
    parse_choice(value).and_then(|role| match role {
        Role::Member | Role::Admin => Ok(role),
        Role::Owner => Err(ValidationError::new("value", "should be member or admin")),
    })
}

fn officer(value: Value) -> Result<Role, ValidationError> {
    parse_choice(value).and_then(|role| match role {
        Role::Admin | Role::Owner => Ok(role),
        Role::Member => Err(ValidationError::new("value", "should be admin or owner")),
    })
}

/// Parses the time to live of messages, in seconds; `None` is no whole number.
pub(super) fn parse_ttl(seconds: Option<i64>, min: i32) -> Result<i32, ValidationError> {
    let ttl_s = seconds.and_then(|seconds| i32::try_from(seconds).ok());
    ttl_s
        .filter(|ttl_s| *ttl_s == 0 || (min..=MAX_TTL_S).contains(ttl_s))
        .ok_or_else(|| ValidationError::new("range", format!("should be 0, or {min} to {MAX_TTL_S}")))
}

fn seconds(value: &Value) -> Result<i32, ValidationError> {
    let seconds = value.as_i64().and_then(|seconds| i32::try_from(seconds).ok());
    seconds
        .filter(|seconds| (0..=MAX_SLOW_S).contains(seconds))
        .ok_or_else(|| ValidationError::new("range", "should be 0 to 86400"))
}
