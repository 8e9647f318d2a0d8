//! The frames of the WebSocket protocol (docs/PROTOCOL.md, "Frames").

/// Generates `kind()` and the list of all types. A variant that is not listed does not compile.
macro_rules! frame_types {
    ($(#[$doc:meta])+ $all:ident of $frame:ty: $($variant:ident $(($($field:tt)+))? = $name:literal;)+) => {
        $(#[$doc])+
        pub(crate) const $all: [&str; [$($name),+].len()] = [$($name),+];

        impl $frame {
            /// Returns its `type`.
            pub(crate) const fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant { $($($field)+,)? .. } => $name,)+
                }
            }
        }
    };
}

mod client;
mod frame;
mod server;

use serde::{Deserialize, Serialize};

pub(crate) use self::{
    client::{CLIENT_TYPES, ClientFrame, Given, MAX_FRAME_BYTES, NewChange, NewDraft, Token},
    frame::{Frame, OTHER_TYPE},
    server::{
        Acked, CHANGE_TYPES, CHAT_UPDATED, DeliveryStatus, FINAL_TYPES, MEMBERS_ADDED, Members, Message,
        PERSONAL_TYPES, PresenceEvent, SERVER_TYPES, ServerFrame, SyncedChat, Typists,
    },
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
