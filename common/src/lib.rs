//! Code that both services use: identifiers, tokens, the table of errors, chats and roles, settings, the process and its tasks, logs, metrics and
//! traces, the gRPC and HTTP stacks, and the envelope of publications on Redis.

pub mod batch;
pub mod bus;
pub mod chat;
pub mod correlation;
pub mod deployment;
pub mod draft;
pub mod error;
pub mod grpc;
pub mod http;
pub mod ids;
pub mod io;
pub mod json;
pub mod keyed;
pub mod lifecycle;
pub mod message;
pub mod origin;
pub mod redis;
pub mod security;
pub mod settings;
pub mod tasks;
pub mod telemetry;
pub mod time;
pub mod tls;
pub mod token;
pub mod trace;
pub mod visible;
