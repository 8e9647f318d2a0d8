//! Rate limits, shared by all instances (contract, section 4).
//!
//! [`limiter`] counts in Redis. [`logins`] limits failed logins by name and address.
//! [`rate_limit`](crate::http::rate_limit) limits all API calls by user or address.

pub(crate) mod limiter;
pub(crate) mod logins;
