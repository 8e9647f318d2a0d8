//! Tests notification-service through its public ports, with a real chat-service, Postgres and Redis.

#![expect(clippy::expect_used, reason = "a failed step of a test panics")]
#![expect(clippy::disallowed_methods, reason = "a task of a test ends with the runtime of the test")]

mod bad_input;
mod catch_up;
mod changes;
mod deployments;
mod drafts;
mod faults;
mod frames;
mod handshake;
mod helpers;
mod http;
mod instances;
mod lifecycle;
mod limits;
mod membership;
mod messages;
mod presence;
mod receipts;
mod redis_cluster;
mod sessions;
mod system;
