//! Messages that are sent later.

pub(crate) mod http;
pub(crate) mod model;
pub(crate) mod sender;
pub(crate) mod service;
mod store;

/// The most scheduled messages of a user in a chat.
pub(crate) const MAX_SCHEDULED: i64 = 100;
