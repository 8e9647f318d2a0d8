//! Rate limits, shared by all instances (docs/PROTOCOL.md, "Limits").
//!
//! [`limiter`] counts in Redis. [`logins`] limits failed logins by name and address, [`refreshes`] limits refreshes by session.
//! [`request_limit`](crate::request_limit) limits all API calls by user or address.

pub(crate) mod limiter;
pub(crate) mod logins;
pub(crate) mod refreshes;
