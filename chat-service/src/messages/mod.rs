//! Messages: stored once, in one order, and read back in it.

pub mod error;
pub mod grpc;
pub mod http;
pub mod model;
pub mod service;
mod store;
mod writer;
