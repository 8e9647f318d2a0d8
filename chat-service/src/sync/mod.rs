//! The feed of changes for the resync of notification-service.
//!
//! New chats, new members, leaves and logouts are published on Redis as they happen. From this feed, notification-service learns of
//! those whose publication was lost. Otherwise its sockets would not get the messages of the chat, would still get them, or would
//! not be closed.

pub(crate) mod grpc;
pub(crate) mod service;
mod store;
