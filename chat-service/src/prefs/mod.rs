//! What members set for themselves about their chats: mute, archive, pins, folders, drafts, and the beginning of the history. Nobody
//! else learns of it.

mod announce;
pub(crate) mod error;
pub(crate) mod grpc;
pub(crate) mod http;
pub(crate) mod model;
pub(crate) mod service;
pub(crate) mod store;

pub(crate) use self::announce::announce;
