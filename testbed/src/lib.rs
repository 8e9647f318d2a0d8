//! Real Postgres, real Redis, real services, real clients: what `make run`, `make demo` and every test stand on.

pub mod bench;
pub mod chaos;
pub mod client;
pub mod demo;
#[cfg(test)]
mod deployment;
pub mod env_example;
pub mod exec;
pub mod harness;
pub mod plain;
pub mod poll;
pub mod port;
pub mod postgres;
pub mod process;
pub mod redis;
pub mod run;
pub mod site;
pub mod system;
pub mod tunnel;
