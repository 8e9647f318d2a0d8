//! Tokens that are good no longer although they have not expired.

pub(crate) mod error;
pub(crate) mod http;
mod refused;
pub(crate) mod service;
mod store;
