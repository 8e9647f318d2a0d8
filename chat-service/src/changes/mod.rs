//! Changes of stored messages: applies them, and delivers their events.

pub(crate) mod grpc;
pub(crate) mod http;
pub(crate) mod service;

use std::collections::HashSet;

use neonchat_common::ids::MessageId;

use crate::validation::{ValidationError, parse_ids};

/// Parses the ids of 1 to `max` messages. Repeated ones are dropped.
fn parse_message_ids<'a>(
    ids: impl IntoIterator<Item = &'a str>,
    max: usize,
) -> Result<Vec<MessageId>, ValidationError> {
    let mut ids: Vec<MessageId> = parse_ids(ids, max)?;
    if ids.is_empty() {
        return Err(ValidationError::new("length", "should have at least 1 id"));
    }
    let mut known = HashSet::new();
    ids.retain(|id| known.insert(*id));
    Ok(ids)
}
