//! The durable events of a chat in their order: messages, and the changes of them.

pub(crate) mod error;
pub(crate) mod grpc;
pub(crate) mod http;
pub(crate) mod model;
pub(crate) mod service;
mod store;

#[cfg(test)]
mod document_tests;
