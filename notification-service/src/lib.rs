//! notification-service: holds the WebSocket connections, has chat-service store each message, and delivers it to every
//! connected member, in order and once.
//!
//! Start reading at [`connection::session`] (what a socket may say), then [`delivery`] (the way of a message), [`hub`]
//! (who gets what, in which order) and [`resync`] (what makes it true when something was lost).

pub mod app;
pub mod broadcast;
mod bus;
mod chat_service;
mod close;
pub mod config;
mod connection;
mod delivery;
mod deployment;
mod grpc;
mod http;
mod hub;
mod limits;
mod measures;
mod presence;
mod protocol;
mod resync;
mod sending;
mod state;
#[cfg(feature = "test-support")]
pub mod test_support;
mod work_set;
