//! chat-service: users, chats and history, over REST to clients and over gRPC to the other services.
//!
//! Data goes one way through each domain ([`users`], [`sessions`], [`chats`], [`messages`]): `http` or `grpc` read a request into
//! types, `service` decides, `store` asks Postgres; `model` and `error` are known to all of them. [`app`] puts it
//! together.

pub mod app;
pub mod chats;
pub mod config;
pub mod db;
pub mod deployment;
pub mod grpc;
pub mod health;
pub mod http;
pub mod limits;
mod measures;
pub mod messages;
pub mod notifier;
pub mod readiness;
pub mod schema;
pub mod services;
pub mod sessions;
pub mod sync;
#[cfg(feature = "test-support")]
pub mod test_support;
pub mod users;
pub mod validation;
