//! The gRPC stack, over real sockets.

#![expect(clippy::expect_used, reason = "a test that cannot go on says so by a panic")]

mod availability;
mod calls;
mod log;
mod retries;
mod stand_in;
mod strangers;
mod tls;
