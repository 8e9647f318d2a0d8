//! Tokens that are good no longer although they have not expired.

pub mod error;
pub mod http;
mod refused;
pub mod service;
mod store;
