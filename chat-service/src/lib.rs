//! chat-service: users, chats and message history, over REST for clients and over gRPC for notification-service.
//!
//! Data goes one way through each domain (`users`, `sessions`, `chats`, `messages`): `http` or `grpc` parse a request into
//! types, `service` decides, `store` queries Postgres. `model` and `error` are known to all of them. [`app`] puts the parts
//! together.

mod access;
pub mod app;
mod background;
mod batched_calls;
mod changes;
mod chats;
mod client_config;
pub mod config;
pub mod db;
pub mod deployment;
mod event_kind;
mod groups;
mod grpc;
mod health;
mod http;
mod limits;
mod messages;
mod metrics;
pub mod migrate;
mod names;
mod notifier;
mod pins;
mod prefs;
mod reactions;
mod readiness;
mod request_limit;
mod rights;
mod router;
mod scheduled;
mod schema;
mod services;
mod sessions;
mod sync;
#[cfg(feature = "test-support")]
pub mod test_support;
mod timeline;
mod users;
mod validation;
mod web;

pub use self::router::openapi;
