//! TCP ports on this machine.

use std::{
    net::{Ipv4Addr, TcpListener},
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram},
    },
    sync::{Mutex, PoisonError},
};

use anyhow::Context as _;

/// The range of the ports. Linux uses ports from 32768 for outgoing connections and for listeners without a fixed port, so
/// none of these ports is taken before its process listens, or while it is restarted.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// The number of ports that are tried.
const ATTEMPTS: usize = 1000;

/// A Unix socket in the abstract namespace for each reserved port. It keeps other processes from reserving the port, and
/// disappears with this process.
static RESERVED: Mutex<Vec<UnixDatagram>> = Mutex::new(Vec::new());

/// Reserves a free port until this process ends. Nothing listens on it yet.
///
/// # Errors
/// No port is free.
pub fn reserve() -> anyhow::Result<u16> {
    let (port, reservation) = std::iter::repeat_with(|| fastrand::u16(RANGE))
        .take(ATTEMPTS)
        .find_map(|port| Some((port, reserve_port(port)?)))
        .context("no port from 20000 to 31999 is free")?;
    RESERVED.lock().unwrap_or_else(PoisonError::into_inner).push(reservation);
    Ok(port)
}

fn reserve_port(port: u16) -> Option<UnixDatagram> {
    let name = SocketAddr::from_abstract_name(format!("neonchat-port-{port}")).ok()?;
    let reservation = UnixDatagram::bind_addr(&name).ok()?;
    require_free("", port).is_ok().then_some(reservation)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_port_is_not_reserved_again() {
        let port = reserve().expect("reserve port");
        assert!(RANGE.contains(&port));
        assert!(reserve_port(port).is_none());
    }
}
