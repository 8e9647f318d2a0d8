//! A connection of a gRPC server, which fails once it has to be closed.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use super::{Caller, CloseReason};

/// A connection. While it is unauthenticated, reads and writes fail once it has to be closed.
pub struct Connection {
    io: TcpStream,
    caller: Caller,
    /// Resolves when the connection has to be closed. `None` once it is authenticated.
    closed: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Connection {
    pub(super) fn new(io: TcpStream, caller: Caller, close: CancellationToken, auth_timeout: Duration) -> Self {
        let cloned_caller = caller.clone();
        let closed = async move {
            if timeout(auth_timeout, close.cancelled_owned()).await.is_err() && !cloned_caller.is_authenticated() {
                CloseReason::Unauthenticated.count();
            }
        };
        Self { io, caller, closed: Some(Box::pin(closed)) }
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let Some(closed) = &mut self.closed else { return Poll::Pending };
        if !self.caller.is_authenticated() {
            ready!(closed.as_mut().poll(cx));
        }
        if self.caller.is_authenticated() {
            self.closed = None;
            return Poll::Pending;
        }
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    /// Returns `polled`. If it is pending and the connection has to be closed, returns an error.
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
