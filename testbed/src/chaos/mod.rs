//! `testbed chaos`: real clients of several instances of each service, faults, and a checker that believes nobody.

pub mod checker;
pub mod cluster;
pub mod proxy;
