//! Changes of stored messages: applies them, and delivers their events.

pub(crate) mod grpc;
pub(crate) mod http;
pub(crate) mod service;

use neonchat_common::{ids::MessageId, message::MAX_DELETED};

use crate::validation::{ValidationError, parse_distinct_ids};

/// Parses the ids of 1 to [`MAX_DELETED`] messages. Repeated ones are dropped.
fn parse_message_ids(ids: &[String]) -> Result<Vec<MessageId>, ValidationError> {
    parse_distinct_ids(ids, MAX_DELETED)
}
