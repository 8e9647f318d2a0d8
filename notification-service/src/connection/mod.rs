//! A WebSocket connection, from the handshake to the close frame.

mod catch_up;
pub(crate) mod frame_handler;
mod frame_reader;
mod guard;
pub(crate) mod handshake;
pub(crate) mod run;
pub(crate) mod socket_io;
