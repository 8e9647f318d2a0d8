//! gRPC between the services: the client, the server, and the internal token that authenticates each call.

pub mod client;
pub mod health;
pub mod listener;
pub mod server;

/// The metadata key of the secret that the services share (`INTERNAL_TOKEN`).
const TOKEN_KEY: &str = "x-internal-token";
