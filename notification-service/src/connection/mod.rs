//! One WebSocket connection, from the handshake to the close frame.

mod catch_up;
pub(crate) mod close;
#[cfg(feature = "echo")]
pub mod echo;
pub(crate) mod handshake;
pub(crate) mod outbox;
pub(crate) mod places;
pub(crate) mod protocol;
mod reader;
pub(crate) mod run;
pub(crate) mod session;
pub(crate) mod wire;
