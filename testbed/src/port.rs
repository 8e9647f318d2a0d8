//! TCP ports on this machine.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, TcpListener},
    sync::{Mutex, PoisonError},
};

use anyhow::Context as _;

/// Returns a port that is free at the moment.
///
/// # Errors
/// No port is free.
pub fn free() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// The range for processes that are restarted at the same port. Linux uses ports from 32768 for outgoing connections, so none
/// of these ports is taken in the meantime, or connected to itself.
const RESERVED: std::ops::Range<u16> = 20_000..32_000;

/// The number of ports that are tried.
const ATTEMPTS: usize = 1000;

/// The reserved ports. Their processes may not listen yet.
static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Reserves a port that stays free while its process is restarted. Each call in a process returns another port.
///
/// # Errors
/// No port is free.
pub fn reserve() -> anyhow::Result<u16> {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut ports = std::iter::repeat_with(|| fastrand::u16(RESERVED)).take(ATTEMPTS);
    ports.find(|port| require_free("", *port).is_ok() && taken.insert(*port)).context("no port below 32000 is free")
}

/// Checks that a port is free.
///
/// # Errors
/// Another process listens on the port. The error names the setting.
pub fn require_free(setting: &str, port: u16) -> anyhow::Result<()> {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).map(drop).with_context(|| {
        format!(
            "port {port} ({setting}) is taken: stop the process that listens there, or set {setting} to another port"
        )
    })
}
