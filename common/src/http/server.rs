//! The HTTP server of both services, with a limit on everything that a client can delay.
//!
//! actix limits the time of a connection's first request head, the size of each head (128 KiB and 96 fields: 431) and of a URL
//! (64 KiB: 400). It waits without limit for the rest of a later head, for the end of a chunked body that nobody reads, and
//! for a client that does not read its response. One rule limits all three: a connection is closed after
//! [`ServerLimits::silence`] without a successful write.

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
use tokio::time::{Instant, Sleep, sleep};

use crate::{
    io::{Guard, Guarded},
    settings::OperationsAddress,
};

/// The timeouts and the sizes of a server.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// The timeout of the first request head.
    pub head: Duration,
    /// The longest idle time between two requests. Longer than that of load balancers, so that the server does not close a
    /// connection while a request is on its way.
    pub keep_alive: Duration,
    /// The timeout for closing a connection on which the client still sends. Zero closes immediately. With less than half a
    /// second, connections stay open.
    pub disconnect: Duration,
    /// The longest time without a successful write. Longer than any handler takes, than `keep_alive`, and than the interval of
    /// pings on a socket.
    pub silence: Duration,
    /// The timeout for requests in progress when the process stops.
    pub drain: Duration,
    /// The number of worker threads.
    pub workers: usize,
    /// The maximum number of connections of a worker. Further connections wait to be accepted.
    pub connections_per_worker: usize,
}

impl ServerLimits {
    /// Returns the limits for the operations endpoints, which have few clients.
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

/// Listens on `host:port`. `setting` is the name of the setting with the port.
///
/// # Errors
/// The port cannot be bound. The error names `setting`.
pub async fn bind(host: &str, port: u16, setting: &'static str) -> anyhow::Result<TcpListener> {
    let bound = tokio::net::TcpListener::bind((host, port)).await;
    Ok(bound.with_context(|| format!("{setting}: cannot listen on {host}:{port}"))?.into_std()?)
}

/// Listens on the address of the operations endpoints, if there is one. `setting` is the name of the setting with the port.
///
/// # Errors
/// The port cannot be bound. The error names `setting`.
pub async fn bind_operations(
    address: Option<&OperationsAddress>,
    setting: &'static str,
) -> anyhow::Result<Option<TcpListener>> {
    match address {
        Some(OperationsAddress { host, port }) => bind(host, *port, setting).await.map(Some),
        None => Ok(None),
    }
}

/// Returns a server for an app. `app` builds the app once for each worker. The process handles signals.
///
/// # Errors
/// The operating system refuses.
pub fn server<F, I, S, B>(listener: TcpListener, limits: ServerLimits, app: F) -> io::Result<Server>
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
        .workers(limits.workers)
        .max_concurrent_connections(limits.connections_per_worker)
        .shutdown_timeout(limits.drain.as_secs())
        .disable_signals();
    let draining = builder.graceful_shutdown_signal();
    let builder = builder.listen("http", listener, move || {
        let draining = draining.clone();
        let app = app().into_factory().map_err(|error| error.into().error_response());
        let http = HttpService::build()
            .keep_alive(limits.keep_alive)
            .client_request_timeout(limits.head)
            .client_disconnect_timeout(limits.disconnect)
            .graceful_shutdown_signal(move || {
                let draining = draining.clone();
                async move { draining.notified().await }
            })
            .finish(map_config(app, |()| AppConfig::default()));
        fn_service(move |io: TcpStream| async move { Ok(accept(io, limits.silence)) }).and_then(http)
    })?;
    Ok(builder.run())
}

fn accept(io: TcpStream, silence: Duration) -> (Guarded<TcpStream, Silence>, Protocol, Option<SocketAddr>) {
    // A response is written in one piece, so that waiting for more data gains nothing. Fails if the client has disconnected.
    let _ = io.set_nodelay(true);
    let peer = io.peer_addr().ok();
    (Guarded::new(io, Silence::new(silence)), Protocol::Http1, peer)
}

/// Ends a connection after too long a time without a write, and limits how much is read at a time.
///
/// actix reads while data is available, up to 128 KiB, into a buffer that it then keeps. When a read is pending after a full
/// buffer, actix handles the data before it reads on, so that the buffer stays small.
struct Silence {
    max: Duration,
    last_write: Instant,
    /// Fires at or before the time at which the connection fails. A write does not reset it.
    timer: Pin<Box<Sleep>>,
    /// Whether the last read filled the buffer.
    is_full: bool,
}

impl Silence {
    fn new(max: Duration) -> Self {
        Self { max, last_write: Instant::now(), timer: Box::pin(sleep(max)), is_full: false }
    }
}

impl Guard for Silence {
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let end = self.last_write + self.max;
            if Instant::now() >= end {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            self.timer.as_mut().reset(end);
        }
    }

    fn poll_may_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::take(&mut self.is_full) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn on_read(&mut self, is_full: bool) {
        self.is_full = is_full;
    }

    fn on_write(&mut self) {
        self.last_write = Instant::now();
    }
}
