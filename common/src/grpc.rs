//! gRPC between the services: what every call bears, and what every server asks of it.

pub mod client;
pub mod listener;
pub mod server;

/// The metadata key of the secret that the services share (`INTERNAL_TOKEN`).
const TOKEN_KEY: &str = "x-internal-token";
