//! TCP ports on this machine.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::Context as _;

/// A port that was free a moment ago.
///
/// # Errors
/// The system has none.
pub fn free() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
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
