//! The HTTP server of both services, with a bound on everything that a client may draw out.
//!
//! actix bounds the first head of a connection in time and every head in size (128 KiB and 96 fields: 431), and a URL
//! (64 KiB: 400). It waits for ever for the rest of a later head, for the end of a chunked body that nobody reads any
//! more, and for a client that does not take its answer. All three are bounded here by one rule: a connection on which
//! nothing could be written for [`ServerLimits::silence`] is closed.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
    num::NonZero,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_http::{HttpService, Protocol, Request, Response};
use actix_service::{IntoServiceFactory, ServiceFactoryExt as _, map_config};
use actix_web::{
    Error,
    body::MessageBody,
    dev::{AppConfig, Server, Service, ServiceFactory, fn_service},
    rt::net::TcpStream,
};
use anyhow::Context as _;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use crate::settings::OperationsAddress;

/// How long a connection may take, and how many there are.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// For its first head.
    pub head: Duration,
    /// Between two requests. Longer than load balancers keep theirs, so that a connection is not closed under a request
    /// that is on its way.
    pub keep_alive: Duration,
    /// To close, when it ends and the client has more to say. Zero is at once; below half a second, connections stay
    /// unclosed.
    pub disconnect: Duration,
    /// Without anything written. Longer than any handler works, a connection is kept, or a socket waits for its next ping.
    pub silence: Duration,
    /// For requests under way, when the process ends.
    pub drain: Duration,
    /// How many threads serve.
    pub workers: usize,
    /// How many connections a worker has at once. A further one waits to be accepted.
    pub connections_per_worker: usize,
}

impl ServerLimits {
    /// Those of the operations endpoints: few ask.
    #[must_use]
    pub fn for_operations() -> Self {
        Self { workers: 1, connections_per_worker: 256, ..Self::default() }
    }
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(5),
            keep_alive: Duration::from_secs(75),
            disconnect: Duration::from_secs(1),
            silence: Duration::from_secs(90),
            drain: Duration::from_secs(5),
            workers: std::thread::available_parallelism().map_or(1, NonZero::get),
            connections_per_worker: 8192,
        }
    }
}

/// Listens at `host:port`; `setting` is where the port comes from.
///
/// # Errors
/// It cannot be listened on.
pub async fn bind(host: &str, port: u16, setting: &'static str) -> anyhow::Result<TcpListener> {
    let bound = tokio::net::TcpListener::bind((host, port)).await;
    Ok(bound.with_context(|| format!("{setting}: {host}:{port} cannot be listened on"))?.into_std()?)
}

/// Listens at the address of the operations endpoints, if they have one; `setting` is where the port comes from.
///
/// # Errors
/// It cannot be listened on.
pub async fn bind_operations(
    address: Option<&OperationsAddress>,
    setting: &'static str,
) -> anyhow::Result<Option<TcpListener>> {
    match address {
        Some(OperationsAddress { host, port }) => bind(host, *port, setting).await.map(Some),
        None => Ok(None),
    }
}

/// A server for an app, which `app` makes once for each of its workers. It leaves signals to the process.
///
/// # Errors
/// The system refuses.
pub fn server<F, I, S, B>(listener: TcpListener, bounds: ServerLimits, app: F) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let builder = Server::build()
        .workers(bounds.workers)
        .max_concurrent_connections(bounds.connections_per_worker)
        .shutdown_timeout(bounds.drain.as_secs())
        .disable_signals();
    let draining = builder.graceful_shutdown_signal();
    let builder = builder.listen("http", listener, move || {
        let draining = draining.clone();
        let app = app().into_factory().map_err(|error| error.into().error_response());
        let http = HttpService::build()
            .keep_alive(bounds.keep_alive)
            .client_request_timeout(bounds.head)
            .client_disconnect_timeout(bounds.disconnect)
            .graceful_shutdown_signal(move || {
                let draining = draining.clone();
                async move { draining.notified().await }
            })
            .finish(map_config(app, |()| AppConfig::default()));
        fn_service(move |io: TcpStream| async move { Ok(accept(io, bounds.silence)) }).and_then(http)
    })?;
    Ok(builder.run())
}

fn accept(io: TcpStream, silence: Duration) -> (Watched<TcpStream>, Protocol, Option<SocketAddr>) {
    // An answer is written in one piece: nothing is gained by waiting for more. Fails where the client is gone.
    let _ = io.set_nodelay(true);
    let peer = io.peer_addr().ok();
    (Watched::new(io, silence), Protocol::Http1, peer)
}

/// A connection that breaks when nothing was written for too long, and is read in pieces.
///
/// actix reads as long as there is something to be read, up to 128 KiB, into one buffer that it then keeps. A reader that is
/// interrupted once the buffer is full handles what is in it before it goes on, so that the buffer stays small.
struct Watched<T> {
    io: T,
    /// The last read has filled the buffer.
    is_full: bool,
    silence: Duration,
    written: Instant,
    /// Set for a moment that lies not after the one at which it breaks: a write does not touch it.
    alarm: Pin<Box<Sleep>>,
}

impl<T> Watched<T> {
    fn new(io: T, silence: Duration) -> Self {
        Self { io, is_full: false, silence, written: Instant::now(), alarm: Box::pin(sleep(silence)) }
    }

    /// Ready when it is to break.
    fn poll_broken(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            let end = self.written + self.silence;
            if Instant::now() >= end {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            self.alarm.as_mut().reset(end);
        }
    }

    /// Takes note of what was written, or why nothing could be.
    fn note(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(_) => self.written = Instant::now(),
            Poll::Pending => {
                if let Poll::Ready(error) = self.poll_broken(cx) {
                    return Poll::Ready(Err(error));
                }
            }
        }
        written
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(error) = self.poll_broken(cx) {
            return Poll::Ready(Err(error));
        }
        if std::mem::take(&mut self.is_full) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        self.is_full = matches!(read, Poll::Ready(Ok(()))) && buffer.remaining() == 0;
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.note(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bytes);
        self.note(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
