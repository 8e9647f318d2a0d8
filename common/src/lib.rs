//! What both services use, and nothing else: identifiers, tokens, the one table of errors, settings, the life of a
//! process, logs, metrics and traces, the gRPC stack, and the shape of what travels on Redis.

pub mod batch;
pub mod bus;
pub mod correlation;
pub mod deployment;
pub mod error;
pub mod grpc;
pub mod http;
pub mod ids;
pub mod json;
pub mod lifecycle;
pub mod message;
pub mod origin;
pub mod redis;
pub mod security;
pub mod settings;
pub mod telemetry;
pub mod time;
pub mod tls;
pub mod token;
pub mod trace;
pub mod visible;
