//! The feed of changes by which notification-service learns of what it was not told.
//!
//! It is told of a new chat and of a logout over Redis, as they happen. It asks here for those whose publication was lost: its
//! sockets would not get the messages of that chat, or would not be closed.

pub(crate) mod grpc;
pub(crate) mod store;
