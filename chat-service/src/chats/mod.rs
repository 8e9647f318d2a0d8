//! Chats, their members, and the members' read markers.

pub(crate) mod error;
pub(crate) mod grpc;
pub(crate) mod http;
pub(crate) mod model;
mod place;
pub(crate) mod service;
mod store;

pub(crate) use self::store::{mention_count, unread_count};
