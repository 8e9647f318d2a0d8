//! Private Postgres and Redis servers, the services as processes, and clients, for tests, `make run` and `make demo`.

#![expect(clippy::disallowed_methods, reason = "the rules are for the services")]

pub mod client;
pub mod clock;
pub mod demo;
pub mod env_example;
pub mod exec;
pub mod harness;
#[cfg(test)]
mod manifests;
pub mod plain;
pub mod poll;
pub mod port;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod redis;
pub mod run;
pub mod site;
pub mod stand_in;
pub mod system;
pub mod tunnel;
