//! Reactions to messages.
//!
//! In a small chat each change of a reaction is an event. In larger chats the changes of some seconds are gathered into one event a
//! message, so that 10,000 members who react to a message cost some events and not 10,000.

mod emoji;
pub(crate) mod grpc;
pub(crate) mod http;
mod model;
mod queue;
pub(crate) mod service;
pub(crate) mod store;
mod sweep;
