//! notification-service holds the WebSocket connections, stores each message through chat-service, and delivers it to
//! every connected member in order and exactly once.
//!
//! Start with [`connection::frame_handler`] (the frames of a client), then [`request_queue`] and [`delivery`] (the path of a
//! message), [`hub`] (the registry of sockets and the order of events) and [`resync`] (the repair of lost events).

pub mod app;
pub mod broadcast;
mod bus;
mod chat_service;
mod close;
pub mod config;
mod connection;
mod connection_slots;
mod dedup_queue;
mod delivery;
mod deployment;
mod drafts;
mod event_frame;
mod fresh_heads;
mod grpc;
mod http;
mod hub;
mod limits;
mod metrics;
mod presence;
mod protocol;
mod readiness;
mod receipts;
mod receive;
mod request_queue;
mod resync;
mod state;
#[cfg(test)]
mod test_log;
#[cfg(feature = "test-support")]
pub mod test_support;
#[cfg(test)]
mod unreachable;
