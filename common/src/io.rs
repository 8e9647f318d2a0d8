//! Connections that the server may end.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Decides when a connection fails although the peer has not closed it.
pub trait Guard: Unpin {
    /// Resolves when the connection has to fail, with the error. A read fails at once; a write or flush fails if it is pending.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Error>;

    /// Resolves when the next read may begin.
    fn poll_may_read(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// Is called after a read, with whether it filled the buffer.
    fn on_read(&mut self, _is_full: bool) {}

    /// Is called after a write.
    fn on_write(&mut self) {}
}

/// A connection with a guard.
#[derive(Debug)]
pub struct Guarded<T, G> {
    /// The guard. Dropped before the connection is closed.
    pub guard: G,
    io: T,
}

impl<T, G: Guard> Guarded<T, G> {
    /// Returns a connection that `guard` may end.
    pub const fn new(io: T, guard: G) -> Self {
        Self { guard, io }
    }

    /// Returns `polled`. If it is pending and the connection has to fail, returns the error.
    fn or_end<R>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if polled.is_pending() { self.guard.poll_end(cx).map(Err) } else { polled }
    }

    fn after_write(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.guard.on_write();
        }
        self.or_end(cx, written)
    }
}

impl<T: AsyncRead + Unpin, G: Guard> AsyncRead for Guarded<T, G> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(error) = self.guard.poll_end(cx) {
            return Poll::Ready(Err(error));
        }
        ready!(self.guard.poll_may_read(cx));
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        self.guard.on_read(buffer.remaining() == 0);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin, G: Guard> AsyncWrite for Guarded<T, G> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.after_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bytes);
        self.after_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.or_end(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
