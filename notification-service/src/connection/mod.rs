//! One WebSocket connection, from the handshake to the close frame.

mod catch_up;
pub(crate) mod handshake;
pub(crate) mod places;
mod reader;
pub(crate) mod run;
pub(crate) mod session;
pub(crate) mod wire;
