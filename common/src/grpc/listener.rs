//! The listener of a gRPC server. It bounds the number of connections, and the time that a connection may be open before a
//! call on it shows the internal token.
//!
//! Such a connection is *unknown*: it may be that of a caller that sends nothing, does not finish the TLS or the HTTP/2
//! handshake, or only asks for `grpc.health.v1`. It is closed when its time is over, when a new connection needs its place,
//! and when the server stops. A connection with an authorised call is *known*, and none of this applies to it.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::{Stream, stream::unfold};
use metrics::{counter, describe_counter};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use crate::telemetry::start_at_zero;

/// The most connections that a server has. Each instance of the other service has one, and so has each health check.
const MAX_CONNECTIONS: usize = 1024;

/// How long a connection may be unknown.
const UNKNOWN_LIMIT: Duration = Duration::from_secs(5);

/// The pause after a connection could not be accepted, mostly because the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const CLOSED_TOTAL: &str = "grpc_connections_closed_total";

/// Why a connection was closed. A label of [`CLOSED_TOTAL`].
#[derive(Clone, Copy)]
enum Reason {
    /// It was unknown for too long.
    Unknown,
    /// There were too many, and it was the one that had been unknown for longest, or all others were known.
    Full,
}

impl Reason {
    const ALL: [Self; 2] = [Self::Unknown, Self::Full];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Full => "full",
        }
    }

    fn count(self) {
        counter!(CLOSED_TOTAL, "reason" => self.as_str()).increment(1);
    }
}

/// A listener, as [`super::server::bind`] makes it.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    connections: Connections,
    unknown_limit: Duration,
}

impl Listener {
    pub(super) fn new(tcp: TcpListener) -> Self {
        describe_counter!(CLOSED_TOTAL, "gRPC connections that were closed because of a limit");
        start_at_zero(CLOSED_TOTAL, Reason::ALL.map(|reason| [("reason", reason.as_str())]));
        let open = Open { max: MAX_CONNECTIONS, next: 0, known: 0, unknown: BTreeMap::new() };
        Self { tcp, connections: Connections(Arc::new(Mutex::new(open))), unknown_limit: UNKNOWN_LIMIT }
    }

    /// Replaces the limits: the most connections, and how long one may be unknown.
    #[must_use]
    pub fn with_limits(mut self, max_connections: usize, unknown: Duration) -> Self {
        self.connections.lock().max = max_connections;
        self.unknown_limit = unknown;
        self
    }

    /// The connections, for a server of tonic. When the stream is dropped, the unknown ones are closed: a server that
    /// drains waits for all that are open.
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
                        // Fails where the caller is gone.
                        let _ = io.set_nodelay(true);
                        return Connection::new(io, caller, close, self.unknown_limit);
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
        for close in std::mem::take(&mut self.connections.lock().unknown).into_values() {
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
    known: usize,
    /// By number, so that the first one has been open for longest.
    unknown: BTreeMap<u64, CancellationToken>,
}

impl Connections {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a new connection. `None` where there is no place for it.
    fn open(&self, addr: SocketAddr) -> Option<(Caller, CancellationToken)> {
        let mut open = self.lock();
        if open.known + open.unknown.len() >= open.max {
            Reason::Full.count();
            let (_, oldest) = open.unknown.pop_first()?;
            oldest.cancel();
        }
        let number = open.next;
        open.next += 1;
        let close = CancellationToken::new();
        open.unknown.insert(number, close.clone());
        let connections = self.clone();
        let caller = Caller(Arc::new(Inner {
            addr,
            number,
            is_known: AtomicBool::new(false),
            was_refused: AtomicBool::new(false),
            connections,
        }));
        Some((caller, close))
    }
}

/// The other side of a connection. Each request has it as an extension.
#[derive(Clone, Debug)]
pub struct Caller(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    addr: SocketAddr,
    number: u64,
    is_known: AtomicBool,
    was_refused: AtomicBool,
    connections: Connections,
}

impl Caller {
    /// Its address.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.0.addr
    }

    fn is_known(&self) -> bool {
        self.0.is_known.load(Ordering::Relaxed)
    }

    /// It showed the internal token.
    pub(super) fn know(&self) {
        if !self.is_known() {
            let mut open = self.0.connections.lock();
            // One that was closed meanwhile stays closed.
            if open.unknown.remove(&self.0.number).is_some() {
                open.known += 1;
                self.0.is_known.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Notes that a call was refused. Returns whether it is the first one of the connection.
    pub(super) fn refuse(&self) -> bool {
        !self.0.was_refused.swap(true, Ordering::Relaxed)
    }

    fn close(&self) {
        let mut open = self.0.connections.lock();
        if self.is_known() {
            open.known -= 1;
        } else {
            open.unknown.remove(&self.0.number);
        }
    }
}

/// A connection. As long as it is unknown, it fails when it is to be closed.
pub struct Connection {
    io: TcpStream,
    caller: Caller,
    /// Resolves when it is to be closed. `None` once it is known.
    closed: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Connection {
    fn new(io: TcpStream, caller: Caller, close: CancellationToken, limit: Duration) -> Self {
        let known = caller.clone();
        let closed = async move {
            if timeout(limit, close.cancelled_owned()).await.is_err() && !known.is_known() {
                Reason::Unknown.count();
            }
        };
        Self { io, caller, closed: Some(Box::pin(closed)) }
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let Some(closed) = &mut self.closed else { return Poll::Pending };
        if !self.caller.is_known() {
            ready!(closed.as_mut().poll(cx));
        }
        if self.caller.is_known() {
            self.closed = None;
            return Poll::Pending;
        }
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    /// `polled`, or the failure of a connection that is to be closed and can do no more.
    fn or_closed<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_pending() { self.poll_closed(cx).map(Err) } else { polled }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.caller.close();
    }
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(error) = self.poll_closed(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.or_closed(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bytes);
        self.or_closed(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.or_closed(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
