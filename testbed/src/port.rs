//! TCP ports on this machine.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, TcpListener},
    sync::{Mutex, PoisonError},
};

use anyhow::Context as _;

/// A port that was free a moment ago.
///
/// # Errors
/// The system has none.
pub fn free() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// The ports that a process keeps while it does not run: Linux takes those of outgoing connections from 32768 on, so that
/// none of these is taken in the meantime, nor connected with itself.
const KEPT: std::ops::Range<u16> = 20_000..32_000;

/// How many ports are tried.
const ATTEMPTS: usize = 1000;

/// Those that were given away, maybe not listened on yet.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port that is free, and stays so while nobody listens on it for a while. No two callers in a process get the same.
///
/// # Errors
/// There is none.
pub fn kept() -> anyhow::Result<u16> {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut ports = std::iter::repeat_with(|| fastrand::u16(KEPT)).take(ATTEMPTS);
    ports.find(|port| require_free("", *port).is_ok() && given.insert(*port)).context("no port below 32000 is free")
}

/// Fails, by name, where a port cannot be listened on.
///
/// # Errors
/// Somebody else listens there.
pub fn require_free(setting: &str, port: u16) -> anyhow::Result<()> {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).map(drop).with_context(|| {
        format!("port {port} ({setting}) is taken: end what listens there, or set {setting} to another port")
    })
}
