//! How a connection is made.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use diesel::{ConnectionError, ConnectionResult};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use futures_util::{FutureExt as _, future::BoxFuture};
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Handle;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;
use uuid::Uuid;

/// The longest that connecting takes, TLS and login included. Longer than a request waits for it: it is for the next one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a host may leave what we sent without an answer before the connection is given up.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(5);

/// An idle connection is asked after this time whether it is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// The settings of a connection for requests.
///
/// Timeouts: no statement runs, and none waits for a lock, longer than its caller waits for the answer; and a process that
/// hangs in a transaction does not keep its locks.
///
/// Plans: each statement is planned once, since every statement looks rows up by an index, whatever its values are and
/// whatever size Postgres believes a young table to have. Planning for one message takes longer than storing it.
///
/// Isolation: what [`crate::messages`] locks and then reads has to be as the last transaction left it.
///
/// They are set by statements. As startup options they would be refused by `PgBouncer`.
const REQUEST_SETTINGS: &str = "SET statement_timeout = '900ms'; SET lock_timeout = '800ms'; \
    SET idle_in_transaction_session_timeout = '5s'; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
    SET jit = off; SET default_transaction_isolation = 'read committed';";

/// The settings of a connection for work that takes its time, whatever the user's are.
const MAINTENANCE_SETTINGS: &str = "SET statement_timeout = 0; SET lock_timeout = 0;";

/// A connection, and what tells its session from any other.
pub(crate) struct Session {
    /// The connection.
    pub(crate) connection: AsyncPgConnection,
    /// The value of the setting `neonchat.session`. Where it is another, the connection is one of a pooler, which gives
    /// sessions of Postgres to several connections in turn.
    pub(super) marker: String,
}

/// Makes connections to one database.
#[derive(Clone)]
pub struct Connector {
    config: Arc<tokio_postgres::Config>,
    tls: MakeRustlsConnect,
    runtime: Handle,
}

impl Connector {
    /// For the database of `config`.
    ///
    /// # Errors
    /// TLS is asked for, and the system's certificates cannot be read.
    pub fn new(config: &tokio_postgres::Config) -> anyhow::Result<Self> {
        let mut config = config.clone();
        config
            .application_name("neonchat-chat-service")
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_user_timeout(TCP_USER_TIMEOUT)
            .keepalives_idle(KEEPALIVE_IDLE);
        let tls = tls(config.get_ssl_mode())?;
        Ok(Self { config: Arc::new(config), tls, runtime: Handle::current() })
    }

    /// A connection for requests, with [`REQUEST_SETTINGS`].
    #[must_use]
    pub(crate) fn connect(&self) -> BoxFuture<'static, ConnectionResult<Session>> {
        self.open(REQUEST_SETTINGS)
    }

    /// A connection for work that takes its time.
    #[must_use]
    pub(crate) fn connect_without_timeouts(&self) -> BoxFuture<'static, ConnectionResult<Session>> {
        self.open(MAINTENANCE_SETTINGS)
    }

    /// A connection lives in a task, and that task is to be on the main runtime: one on an actix worker's would end
    /// with the HTTP server, while the pool still hands the connection out.
    fn open(&self, settings: &str) -> BoxFuture<'static, ConnectionResult<Session>> {
        let (config, tls) = (Arc::clone(&self.config), self.tls.clone());
        let marker = Uuid::new_v4().simple().to_string();
        let settings = format!("{settings} SET neonchat.session = '{marker}'");
        #[expect(clippy::disallowed_methods, reason = "it ends when its connection is dropped")]
        let connecting = self.runtime.spawn(tokio::time::timeout(CONNECT_TIMEOUT, async move {
            let (client, connection) = config.connect(tls).await.map_err(bad_connection)?;
            let mut connection = AsyncPgConnection::try_from_client_and_connection(client, connection).await?;
            connection.batch_execute(&settings).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
            Ok(Session { connection, marker })
        }));
        async { connecting.await.map_err(bad_connection)?.map_err(bad_connection)? }.boxed()
    }
}

fn bad_connection(error: impl std::error::Error) -> ConnectionError {
    // The outermost message of tokio-postgres is "error connecting to server"; what it means is in its source.
    let cause = error.source().map_or_else(String::new, |source| format!(": {source}"));
    ConnectionError::BadConnection(format!("{error}{cause}"))
}

/// The server's certificate is always checked. Where TLS is off, nothing is trusted and nothing is loaded.
fn tls(mode: SslMode) -> anyhow::Result<MakeRustlsConnect> {
    let mut roots = RootCertStore::empty();
    if mode != SslMode::Disable {
        let system = rustls_native_certs::load_native_certs();
        let (added, _) = roots.add_parsable_certificates(system.certs);
        anyhow::ensure!(added > 0, "DB_SSLMODE requires TLS, but the system has no trusted certificates");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
