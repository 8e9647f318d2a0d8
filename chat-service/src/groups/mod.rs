//! Groups and channels: creation, members, roles, settings, the end.
//!
//! Each change is one transaction under the lock of the chat, which appends one durable event. After the commit the event is
//! announced to the sockets of the chat, and the chat to those who joined.

pub(crate) mod cleanup;
mod digest;
mod error;
mod handle;
pub(crate) mod http;
mod invite_code;
mod joining_http;
mod members_http;
pub(crate) mod model;
mod moderation_http;
mod place;
pub(crate) mod purge;
pub(crate) mod service;
pub(crate) mod settings;
mod store;
pub(crate) mod texts;
mod timer_http;
