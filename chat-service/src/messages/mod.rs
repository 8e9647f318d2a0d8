//! Messages: each is stored once, with a number in the sequence of its chat.

pub(crate) mod batching;
pub(crate) mod change;
mod change_queue;
pub(crate) mod error;
pub(crate) mod expiry;
pub(crate) mod extra;
mod forward;
pub(crate) mod given;
pub(crate) mod grpc;
pub(crate) mod http;
pub(crate) mod lookup_http;
pub(crate) mod model;
mod names;
mod resolve;
mod resolver;
pub(crate) mod service;
pub(crate) mod store;
mod writer;
