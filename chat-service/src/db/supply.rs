//! New connections for the pool.
//!
//! Whoever asks the pool for a connection waits for less time than connecting may take. Were it given up with the one who
//! asked, a Postgres that is slow to accept would be asked again and again, and nobody would ever get a connection. So a few
//! workers connect, and what they make is for whoever waits then, or asks next.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::AsyncPgConnection;
use tokio::{
    runtime::Handle,
    sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc},
};

use super::Connector;

/// Connections that are made at a time: each is a new process of Postgres.
const WORKERS: usize = 4;

/// See the module.
#[derive(Clone)]
pub(super) struct Supply(Arc<Inner>);

struct Inner {
    connector: Connector,
    runtime: Handle,
    workers: Arc<Semaphore>,
    waiting: AtomicUsize,
    made: mpsc::Sender<ConnectionResult<AsyncPgConnection>>,
    taken: Mutex<mpsc::Receiver<ConnectionResult<AsyncPgConnection>>>,
}

impl Supply {
    /// Made by `connector`, on the runtime that this is called on.
    pub(super) fn new(connector: Connector) -> Self {
        let (made, taken) = mpsc::channel(WORKERS);
        Self(Arc::new(Inner {
            connector,
            runtime: Handle::current(),
            workers: Arc::new(Semaphore::new(WORKERS)),
            waiting: AtomicUsize::new(0),
            made,
            taken: Mutex::new(taken),
        }))
    }

    /// The next connection, or why there is none.
    pub(super) async fn take(&self) -> ConnectionResult<AsyncPgConnection> {
        let _waiting = Waiting::new(&self.0);
        self.0.connect();
        // The sender lives as long as this does.
        let closed = || Err(ConnectionError::BadConnection("nobody connects".to_owned()));
        self.0.taken.lock().await.recv().await.unwrap_or_else(closed)
    }
}

impl Inner {
    /// Has one more worker connect, if somebody waits and there may be one more.
    fn connect(self: &Arc<Self>) {
        if self.is_wanted()
            && let Ok(permit) = Arc::clone(&self.workers).try_acquire_owned()
        {
            let this = Arc::clone(self);
            self.runtime.spawn(async move { this.work(permit).await });
        }
    }

    async fn work(self: Arc<Self>, permit: OwnedSemaphorePermit) {
        while self.is_wanted() {
            let connected = self.connector.connect().await;
            // Full of what nobody took meanwhile: one more is not wanted either.
            let _ = self.made.try_send(connected);
        }
        drop(permit);
        // Whoever came between the last look and the free place.
        self.connect();
    }

    /// Whether more are waited for than there are.
    fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > self.made.max_capacity() - self.made.capacity()
    }
}

/// Somebody waits, until this is dropped.
struct Waiting<'a>(&'a Inner);

impl<'a> Waiting<'a> {
    fn new(inner: &'a Inner) -> Self {
        inner.waiting.fetch_add(1, Ordering::SeqCst);
        Self(inner)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}
