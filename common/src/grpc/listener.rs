//! The listener of a gRPC server. It limits the number of connections, and the time until a connection is authenticated.
//!
//! A connection is *authenticated* by its first call with the internal token. Until then the caller may send nothing, not
//! finish the TLS or HTTP/2 handshake, or only call `grpc.health.v1`. An unauthenticated connection is closed after a timeout,
//! when a new connection needs its slot, and when the server stops.

mod connection;

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{Stream, stream::unfold};
use metrics::{counter, describe_counter};
use tokio::{net::TcpListener, time::sleep};
use tokio_util::sync::CancellationToken;

pub use self::connection::{Authentication, Connection};
use crate::{io::Guarded, telemetry::start_at_zero};

/// The maximum number of connections. Each instance of the other service and each health check has one.
const MAX_CONNECTIONS: usize = 1024;

/// The longest time until a connection is authenticated.
const AUTH_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause after a failed accept. The usual cause is that the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const CLOSED_TOTAL: &str = "grpc_connections_closed_total";

/// The reason why a connection was closed. A label of [`CLOSED_TOTAL`].
#[derive(Clone, Copy)]
enum CloseReason {
    /// It was not authenticated in time.
    Unauthenticated,
    /// The limit was reached, and this was the oldest unauthenticated connection, or all others were authenticated.
    Full,
}

impl CloseReason {
    const ALL: [Self; 2] = [Self::Unauthenticated, Self::Full];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unknown",
            Self::Full => "full",
        }
    }

    fn count(self) {
        counter!(CLOSED_TOTAL, "reason" => self.as_str()).increment(1);
    }
}

/// The listener that [`super::server::bind`] returns.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    connections: Connections,
    auth_timeout: Duration,
}

impl Listener {
    pub(super) fn new(tcp: TcpListener) -> Self {
        describe_counter!(CLOSED_TOTAL, "gRPC connections that were closed because of a limit");
        start_at_zero(CLOSED_TOTAL, CloseReason::ALL.map(|reason| [("reason", reason.as_str())]));
        let open = Open { max: MAX_CONNECTIONS, next: 0, authenticated: 0, unauthenticated: BTreeMap::new() };
        Self { tcp, connections: Connections(Arc::new(Mutex::new(open))), auth_timeout: AUTH_TIMEOUT }
    }

    /// Replaces the maximum number of connections and the timeout for authentication.
    #[must_use]
    pub fn with_limits(mut self, max_connections: usize, auth_timeout: Duration) -> Self {
        self.connections.lock().max = max_connections;
        self.auth_timeout = auth_timeout;
        self
    }

    /// Returns the connections, for a tonic server. Dropping the stream closes the unauthenticated connections, because a draining
    /// server waits for all open ones.
    pub fn incoming(self) -> impl Stream<Item = io::Result<Connection>> + Send {
        unfold(self, async |listener| {
            let connection = listener.accept().await;
            Some((Ok(connection), listener))
        })
    }

    async fn accept(&self) -> Connection {
        loop {
            match self.tcp.accept().await {
                Ok((io, addr)) => {
                    if let Some((caller, close)) = self.connections.open(addr) {
                        // Fails if the caller has disconnected.
                        let _ = io.set_nodelay(true);
                        return Guarded::new(io, Authentication::new(caller, close, self.auth_timeout));
                    }
                }
                Err(error) => {
                    tracing::warn!(error.cause = %error, "grpc connection not accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        for close in std::mem::take(&mut self.connections.lock().unauthenticated).into_values() {
            close.cancel();
        }
    }
}

#[derive(Clone, Debug)]
struct Connections(Arc<Mutex<Open>>);

#[derive(Debug)]
struct Open {
    max: usize,
    next: u64,
    authenticated: usize,
    /// By number. The first one is the oldest.
    unauthenticated: BTreeMap<u64, CancellationToken>,
}

impl Connections {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection. Returns `None` if there is no slot for it.
    fn open(&self, addr: SocketAddr) -> Option<(Caller, CancellationToken)> {
        let mut open = self.lock();
        if open.authenticated + open.unauthenticated.len() >= open.max {
            CloseReason::Full.count();
            let (_, oldest) = open.unauthenticated.pop_first()?;
            oldest.cancel();
        }
        let number = open.next;
        open.next += 1;
        let close = CancellationToken::new();
        open.unauthenticated.insert(number, close.clone());
        let connections = self.clone();
        let caller = Caller(Arc::new(Inner {
            addr,
            number,
            is_authenticated: AtomicBool::new(false),
            was_refused: AtomicBool::new(false),
            connections,
        }));
        Some((caller, close))
    }
}

/// The caller of a connection. Each request has it as an extension.
#[derive(Clone, Debug)]
pub struct Caller(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    addr: SocketAddr,
    number: u64,
    is_authenticated: AtomicBool,
    was_refused: AtomicBool,
    connections: Connections,
}

impl Caller {
    /// Returns its address.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.0.addr
    }

    fn is_authenticated(&self) -> bool {
        self.0.is_authenticated.load(Ordering::Relaxed)
    }

    /// Marks the connection as authenticated.
    pub(super) fn mark_authenticated(&self) {
        if !self.is_authenticated() {
            let mut open = self.0.connections.lock();
            // The connection may have been closed in the meantime. It stays closed.
            if open.unauthenticated.remove(&self.0.number).is_some() {
                open.authenticated += 1;
                self.0.is_authenticated.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Marks that a call was refused. Returns whether it is the first one on this connection.
    pub(super) fn mark_refused(&self) -> bool {
        !self.0.was_refused.swap(true, Ordering::Relaxed)
    }

    fn close(&self) {
        let mut open = self.0.connections.lock();
        if self.is_authenticated() {
            open.authenticated -= 1;
        } else {
            open.unauthenticated.remove(&self.0.number);
        }
    }
}
