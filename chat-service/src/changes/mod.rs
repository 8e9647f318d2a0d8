//! Changes of stored messages: applies them, and delivers their events.

pub(crate) mod grpc;
pub(crate) mod http;
pub(crate) mod service;

use std::collections::HashSet;

use neonchat_common::{ids::MessageId, message::MAX_DELETED};

use crate::validation::{ValidationError, parse_ids};

/// Parses the ids of 1 to [`MAX_DELETED`] messages. Repeated ones are dropped.
fn parse_message_ids(ids: &[String]) -> Result<Vec<MessageId>, ValidationError> {
    let mut ids: Vec<MessageId> = parse_ids(ids.iter().map(String::as_str), MAX_DELETED)?;
    if ids.is_empty() {
        return Err(ValidationError::new("length", "should have at least 1 id"));
    }
    let mut known = HashSet::new();
    ids.retain(|id| known.insert(*id));
    Ok(ids)
}
