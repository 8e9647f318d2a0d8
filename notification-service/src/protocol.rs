//! The frames of the WebSocket protocol (docs/PROTOCOL.md, "Frames").

mod client;
mod frame;
mod server;

use serde::{Deserialize, Serialize};

pub(crate) use self::{
    client::{CLIENT_TYPES, ClientFrame, MAX_FRAME_BYTES, Token},
    frame::{Frame, OTHER_TYPE, SERVER_TYPES},
    server::{DeliveryStatus, Message, PresenceEvent, ServerFrame, SyncedChat},
};

/// Whether a user is active, as a client reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Online,
    Away,
}

#[cfg(test)]
mod document_tests;
#[cfg(test)]
mod tests;
