//! Opens connections for the pool, never more than `DB_MAX_CONNS`.
//!
//! A request waits less time for a connection than connecting may take. If an attempt were cancelled with its request,
//! a slow Postgres would get endless attempts, and no request would ever get a connection. So a few background workers
//! connect. A new connection goes to the request that has waited longest, or is kept for the next one.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use diesel::{ConnectionError, ConnectionResult};
use diesel_async::{AsyncPgConnection, pooled_connection::PoolableConnection as _};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
};

use super::Connector;

/// The maximum number of concurrent attempts. Each starts a new process of Postgres.
const MAX_WORKERS: usize = 4;

/// A connection, with its permit to be open.
pub(super) struct Connection {
    pub(super) inner: AsyncPgConnection,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    /// Returns whether the connection is known to be closed. Sends nothing.
    pub(super) fn is_broken(&mut self) -> bool {
        self.inner.is_broken()
    }
}

/// The connection manager of the pool.
#[derive(Clone)]
pub(super) struct ConnectionFactory(Arc<Inner>);

struct Inner {
    connector: Connector,
    runtime: Handle,
    max_lifetime: Duration,
    permits: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    workers: usize,
    waiting: VecDeque<oneshot::Sender<ConnectionResult<Connection>>>,
    /// Connections whose requests no longer waited.
    spare: Vec<Connection>,
}

impl ConnectionFactory {
    /// Connects with `connector`, on the current runtime.
    pub(super) fn new(connector: Connector, max_connections: usize, max_lifetime: Duration) -> Self {
        Self(Arc::new(Inner {
            connector,
            runtime: Handle::current(),
            max_lifetime,
            permits: Arc::new(Semaphore::new(max_connections)),
            state: Mutex::default(),
        }))
    }

    /// Returns the number of spare connections.
    pub(super) fn spare(&self) -> usize {
        self.0.lock().spare.len()
    }

    /// Closes the spare connections.
    pub(super) fn close_idle(&self) {
        self.0.lock().spare.clear();
    }
}

impl Manager for ConnectionFactory {
    type Type = Connection;
    type Error = ConnectionError;

    async fn create(&self) -> ConnectionResult<Connection> {
        match self.0.request() {
            Ok(spare) => Ok(spare),
            Err(receiver) => receiver.await.unwrap_or_else(|_| Err(closed("connecting was abandoned"))),
        }
    }

    async fn recycle(&self, connection: &mut Connection, metrics: &Metrics) -> RecycleResult<ConnectionError> {
        if connection.is_broken() {
            Err(RecycleError::message("connection closed"))
        } else if metrics.age() >= self.0.max_lifetime {
            Err(RecycleError::message("connection older than DB_CONN_MAX_LIFETIME"))
        } else {
            Ok(())
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a spare connection, or the receiver of a future one.
    fn request(self: &Arc<Self>) -> Result<Connection, oneshot::Receiver<ConnectionResult<Connection>>> {
        let mut state = self.lock();
        while let Some(mut spare) = state.spare.pop() {
            if !spare.is_broken() {
                return Ok(spare);
            }
        }
        let (sender, receiver) = oneshot::channel();
        state.waiting.retain(|waiting| !waiting.is_closed());
        state.waiting.push_back(sender);
        if state.workers < state.waiting.len().min(MAX_WORKERS) {
            state.workers += 1;
            let this = Arc::clone(self);
            #[expect(clippy::disallowed_methods, reason = "it ends with its attempt to connect, which has a timeout")]
            self.runtime.spawn(async move { this.work().await });
        }
        Err(receiver)
    }

    async fn work(&self) {
        while self.has_demand() {
            let connection = self.connect().await;
            self.deliver(connection);
        }
    }

    /// Returns whether more requests wait than other workers serve. If not, deregisters the calling worker.
    fn has_demand(&self) -> bool {
        let mut state = self.lock();
        state.waiting.retain(|waiting| !waiting.is_closed());
        let has_demand = state.waiting.len() >= state.workers;
        if !has_demand {
            state.workers -= 1;
        }
        has_demand
    }

    async fn connect(&self) -> ConnectionResult<Connection> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| closed("the pool is closed"))?;
        Ok(Connection { inner: self.connector.connect().await?.connection, _permit: permit })
    }

    /// Passes the result to the request that has waited longest. A connection that nobody takes becomes a spare; an error is
    /// dropped.
    fn deliver(&self, mut connection: ConnectionResult<Connection>) {
        let mut state = self.lock();
        while let Some(waiting) = state.waiting.pop_front() {
            match waiting.send(connection) {
                Ok(()) => return,
                Err(unsent) => connection = unsent,
            }
        }
        state.spare.extend(connection);
    }
}

fn closed(reason: &str) -> ConnectionError {
    ConnectionError::BadConnection(reason.to_owned())
}
