//! Messages: stored once, in one order, and read back in it.

pub(crate) mod error;
pub(crate) mod grpc;
pub(crate) mod http;
pub(crate) mod model;
pub(crate) mod service;
mod store;
mod writer;
