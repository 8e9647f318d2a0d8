//! Chats: who talks with whom, and what is new in each.

pub(crate) mod error;
pub(crate) mod grpc;
pub(crate) mod http;
pub(crate) mod model;
pub(crate) mod service;
mod store;
