//! A TCP proxy between two processes, which can disturb their link.

mod pump;
#[cfg(test)]
mod tests;

use std::{net::Ipv4Addr, time::Duration};

use anyhow::Context as _;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::JoinSet,
};

use self::pump::pump;

/// A disturbance of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// Nothing.
    None,
    /// All data is delayed by this time.
    Delay(Duration),
    /// No data passes, and connections stay open.
    Cut,
    /// Each connection, including new ones, ends with RST.
    Reset,
    /// The limit in bytes/s for each direction of each connection.
    Throttle(u32),
}

/// A proxy. It ends on drop.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    disturbance: watch::Sender<Disturbance>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1 and forwards to the port `upstream`.
    ///
    /// # Errors
    /// No port is free.
    pub fn start(upstream: u16) -> anyhow::Result<Self> {
        let listener = listen().context("open a port for a proxy")?;
        let port = listener.local_addr()?.port();
        let disturbance = watch::Sender::new(Disturbance::None);
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, upstream, disturbance.clone()));
        Ok(Self { port, disturbance, _tasks: tasks })
    }

    /// Returns the port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Starts a disturbance.
    pub fn disturb(&self, disturbance: Disturbance) {
        self.disturbance.send_replace(disturbance);
    }

    /// Ends the disturbance. Delayed data continues.
    pub fn heal(&self) {
        self.disturb(Disturbance::None);
    }
}

/// The size of each socket buffer in bytes. The defaults hold many megabytes, so that a client that does not read would stay
/// unnoticed for a long time.
const BUFFER: u32 = 64 * 1024;

/// The backlog of the listener.
const BACKLOG: u32 = 1024;

fn listen() -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // Connections inherit the buffer sizes.
    socket.set_send_buffer_size(BUFFER)?;
    socket.set_recv_buffer_size(BUFFER)?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    socket.listen(BACKLOG)
}

async fn connect(port: u16) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_send_buffer_size(BUFFER)?;
    socket.set_recv_buffer_size(BUFFER)?;
    socket.connect((Ipv4Addr::LOCALHOST, port).into()).await
}

async fn serve(listener: TcpListener, upstream: u16, disturbance: watch::Sender<Disturbance>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(relay(stream, upstream, disturbance.subscribe()));
                }
                // For example out of file descriptors. Open connections continue.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Relays one connection until either side ends it.
async fn relay(mut near: TcpStream, upstream: u16, disturbance: watch::Receiver<Disturbance>) {
    let mut disturbed = disturbance.clone();
    // While the link is cut, a new connection does not reach the other side.
    let Ok(_) = disturbed.wait_for(|disturbance| *disturbance != Disturbance::Cut).await else { return };
    if *disturbed.borrow() == Disturbance::Reset {
        return reset(near);
    }
    let Ok(mut far) = connect(upstream).await else { return reset(near) };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let is_broken = {
        let ((near_read, near_write), (far_read, far_write)) = (near.split(), far.split());
        let there = pump(near_read, far_write, disturbance.clone());
        let back = pump(far_read, near_write, disturbance);
        tokio::select! {
            ended = async { tokio::try_join!(there, back) } => ended.is_err(),
            _ = disturbed.wait_for(|disturbance| *disturbance == Disturbance::Reset) => true,
        }
    };
    if is_broken {
        reset(near);
        reset(far);
    }
}

/// Ends a connection with RST.
fn reset(stream: TcpStream) {
    // If this fails, the connection ends anyway.
    let _ = stream.set_zero_linger();
    drop(stream);
}
