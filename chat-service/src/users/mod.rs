//! Users: registration, login, profiles, search and presence.

pub(crate) mod error;
pub(crate) mod grpc;
pub(crate) mod http;
mod last_seen;
mod login_http;
pub(crate) mod model;
pub(crate) mod password;
mod permits;
pub(crate) mod service;
pub(crate) mod skeletons;
mod store;
pub(crate) mod username;
