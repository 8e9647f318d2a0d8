//! How often a client may ask, over all instances (contract, section 4).
//!
//! [`limiter`] counts in Redis; [`requests`] limits every call of the API by user or address, [`logins`] those that fail
//! by name and address; [`address`] says which address a request comes from.

pub mod limiter;
pub mod logins;
pub mod requests;

pub use neonchat_common::http::address;
