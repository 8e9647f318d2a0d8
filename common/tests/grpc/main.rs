//! The gRPC stack, over real sockets.

#![expect(clippy::expect_used, reason = "a failed step of a test panics")]
#![expect(clippy::disallowed_methods, reason = "a task of a test ends with the runtime of the test")]

mod availability;
mod calls;
mod log;
mod retries;
mod stand_in;
mod tls;
mod unauthenticated;
