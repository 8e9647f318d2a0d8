//! Users: who they are, how they register and log in, and how they find each other.

pub mod error;
pub mod http;
pub mod model;
pub mod password;
pub mod service;
pub mod skeletons;
mod store;
mod turns;
pub mod username;
