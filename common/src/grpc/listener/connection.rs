//! A connection of a gRPC server, which fails once it has to be closed.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{net::TcpStream, time::timeout};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use super::{Caller, CloseReason};
use crate::io::{Guard, Guarded};

/// A connection. While it is unauthenticated, reads and writes fail once it has to be closed.
pub type Connection = Guarded<TcpStream, Authentication>;

/// Ends a connection that is not authenticated in time, and frees its slot.
pub struct Authentication {
    caller: Caller,
    /// Resolves when the connection has to be closed. `None` once it is authenticated.
    closed: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Authentication {
    pub(super) fn new(caller: Caller, close: CancellationToken, auth_timeout: Duration) -> Self {
        let cloned_caller = caller.clone();
        let closed = async move {
            if timeout(auth_timeout, close.cancelled_owned()).await.is_err() && !cloned_caller.is_authenticated() {
                CloseReason::Unauthenticated.count();
            }
        };
        Self { caller, closed: Some(Box::pin(closed)) }
    }
}

impl Guard for Authentication {
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
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
}

impl Drop for Authentication {
    fn drop(&mut self) {
        self.caller.close();
    }
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.guard.caller.clone()
    }
}
