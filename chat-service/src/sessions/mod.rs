//! Sessions: verification and revocation of tokens.

pub(crate) mod error;
pub(crate) mod extract;
pub(crate) mod http;
mod refused;
pub(crate) mod service;
mod store;
