//! Connecting to Postgres.

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

/// The timeout for connecting, including TLS and login. It is longer than a request waits: a later request gets the
/// connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long sent data may stay unacknowledged before the connection is closed.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(5);

/// The idle time after which TCP keepalive probes start.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// The settings of a connection for requests.
///
/// Timeouts: no statement runs or waits for a lock longer than its caller waits for the answer. A process that hangs in a
/// transaction loses its locks.
///
/// Plans: each statement is planned once per connection. Every statement finds rows by an index, whatever its values are and
/// whatever Postgres assumes about the size of a new table. Planning takes longer than storing a message.
///
/// Isolation: the rows that [`crate::messages`] locks and then reads must be as the last transaction left them.
///
/// They are set by statements, because `PgBouncer` refuses them as startup options.
const REQUEST_SETTINGS: &str = "SET statement_timeout = '900ms'; SET lock_timeout = '800ms'; \
    SET idle_in_transaction_session_timeout = '5s'; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
    SET jit = off; SET default_transaction_isolation = 'read committed';";

/// The settings of a connection for long-running work. They override those of the database user.
const MAINTENANCE_SETTINGS: &str = "SET statement_timeout = 0; SET lock_timeout = 0;";

/// A connection with a marker of its session.
pub(crate) struct Session {
    pub(crate) connection: AsyncPgConnection,
    /// The value that the setting `neonchat.session` must have. If it has another, a pooler shares the sessions of Postgres
    /// between connections.
    pub(super) marker: String,
}

/// Opens connections to one database.
#[derive(Clone)]
pub struct Connector {
    config: Arc<tokio_postgres::Config>,
    tls: MakeRustlsConnect,
    runtime: Handle,
}

impl Connector {
    /// Creates a connector for the database of `config`, which connects on the current runtime.
    ///
    /// # Errors
    /// TLS is required, and the system's certificates cannot be read.
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

    /// Opens a connection for requests, with [`REQUEST_SETTINGS`].
    pub(crate) fn connect(&self) -> BoxFuture<'static, ConnectionResult<Session>> {
        self.open(REQUEST_SETTINGS)
    }

    /// Opens a connection for long-running work, with [`MAINTENANCE_SETTINGS`].
    pub(crate) fn connect_without_timeouts(&self) -> BoxFuture<'static, ConnectionResult<Session>> {
        self.open(MAINTENANCE_SETTINGS)
    }

    /// The task of a connection must run on the main runtime. On the runtime of an actix worker it would end with the
    /// HTTP server, while the pool still provides the connection.
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
    // The message of tokio-postgres is only "error connecting to server"; its source has the reason.
    let cause = error.source().map_or_else(String::new, |source| format!(": {source}"));
    ConnectionError::BadConnection(format!("{error}{cause}"))
}

/// Returns a TLS connector that always checks the server's certificate. Without TLS, it trusts nothing and loads nothing.
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
