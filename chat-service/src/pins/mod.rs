//! Pinned messages of a chat.

pub(crate) mod http;
mod model;
pub(crate) mod service;
mod store;
