//! A link that can be disturbed: a TCP proxy between one process and another.

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

/// What a link does to what goes over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// Nothing.
    None,
    /// Everything comes later by so much.
    Delay(Duration),
    /// Nothing comes through, and connections stay open: neither side is told.
    Cut,
    /// Every connection ends with RST, new ones too.
    Reset,
    /// No more than so many bytes a second come through, each way of each connection.
    Throttle(u32),
}

/// A proxy. It ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    disturbance: watch::Sender<Disturbance>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1, and connects to `upstream` on it.
    ///
    /// # Errors
    /// The system has no port.
    pub fn start(upstream: u16) -> anyhow::Result<Self> {
        let listener = listen().context("a port for a proxy")?;
        let port = listener.local_addr()?.port();
        let disturbance = watch::Sender::new(Disturbance::None);
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, upstream, disturbance.clone()));
        Ok(Self { port, disturbance, _tasks: tasks })
    }

    /// Where it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Disturbs the link from here on.
    pub fn disturb(&self, disturbance: Disturbance) {
        self.disturbance.send_replace(disturbance);
    }

    /// Disturbs it no longer. What was held up goes on.
    pub fn heal(&self) {
        self.disturb(Disturbance::None);
    }
}

/// What the kernel holds of each way of a connection, on either side of the proxy. By itself it would hold many megabytes,
/// and a reader that does not read would not be noticed by anybody for a long time.
const BUFFER: u32 = 64 * 1024;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

fn listen() -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // Connections inherit them.
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
                // Out of descriptors, say: those that are open are to go on.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// One connection, from its beginning to its end, whichever side causes that.
async fn relay(mut near: TcpStream, upstream: u16, disturbance: watch::Receiver<Disturbance>) {
    let mut disturbed = disturbance.clone();
    // Where nothing comes through, nothing is known of the other side either.
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

/// Ends a connection by RST, as a host does that knows nothing of it.
fn reset(stream: TcpStream) {
    // Where it fails the connection ends all the same.
    let _ = stream.set_zero_linger();
    drop(stream);
}
