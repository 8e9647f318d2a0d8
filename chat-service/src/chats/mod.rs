//! Chats, their members, and the members' markers.

pub(crate) mod error;
pub(crate) mod grpc;
pub(crate) mod http;
pub(crate) mod model;
mod place;
pub(crate) mod receipts_grpc;
pub(crate) mod receipts_http;
pub(crate) mod service;
mod store;

pub(crate) use self::store::{mention_count, unread_count};
