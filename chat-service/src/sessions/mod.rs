//! Sessions: logins on devices, the refresh tokens that continue them, and the tokens that act for them.

pub(crate) mod cookie;
pub(crate) mod ending;
pub(crate) mod error;
pub(crate) mod extract;
pub(crate) mod http;
mod in_flight;
mod list_http;
pub(crate) mod model;
mod purge;
pub(crate) mod refresh_token;
mod refused;
pub(crate) mod service;
mod store;
