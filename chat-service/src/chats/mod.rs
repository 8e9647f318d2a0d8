//! Chats: who talks with whom, and what is new in each.

pub mod error;
pub mod grpc;
pub mod http;
pub mod model;
pub mod service;
mod store;
