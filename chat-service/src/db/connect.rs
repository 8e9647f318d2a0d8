//! How a connection is made.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use diesel::{ConnectionError, ConnectionResult};
use diesel_async::AsyncPgConnection;
use futures_util::{FutureExt as _, future::BoxFuture};
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Handle;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

/// The longest that connecting takes, TLS and login included. Longer than a request waits for it: it is for the next one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a host may leave what we sent without an answer before the connection is given up.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(5);

/// An idle connection is asked after this time whether it is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// What Postgres itself limits: no statement runs, and none waits for a lock, for as long as somebody waits for its
/// answer; and a process that hangs in a transaction does not keep its locks.
///
/// And how it plans: each statement once and for all, since every one of them looks rows up by an index, whatever its
/// values and whatever is believed of the size of a young table. To plan anew for one message takes longer than to store it.
const SESSION_OPTIONS: &str = "-c statement_timeout=900ms -c lock_timeout=800ms \
    -c idle_in_transaction_session_timeout=5s -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off";

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

    /// A connection for requests, with [`SESSION_OPTIONS`].
    #[must_use]
    pub fn connect(&self) -> BoxFuture<'static, ConnectionResult<AsyncPgConnection>> {
        let mut config = (*self.config).clone();
        let options = config.get_options().map_or_else(String::new, |options| format!("{options} "));
        config.options(format!("{options}{SESSION_OPTIONS}"));
        self.open(config)
    }

    /// A connection for work that takes its time.
    #[must_use]
    pub fn connect_without_limits(&self) -> BoxFuture<'static, ConnectionResult<AsyncPgConnection>> {
        self.open((*self.config).clone())
    }

    /// A connection lives in a task, and that task is to be on the main runtime: one on an actix worker's would end
    /// with the HTTP server, while the pool still hands the connection out.
    fn open(&self, config: tokio_postgres::Config) -> BoxFuture<'static, ConnectionResult<AsyncPgConnection>> {
        let tls = self.tls.clone();
        let connecting = self.runtime.spawn(tokio::time::timeout(CONNECT_TIMEOUT, async move {
            let (client, connection) = config.connect(tls).await.map_err(bad_connection)?;
            AsyncPgConnection::try_from_client_and_connection(client, connection).await
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
        anyhow::ensure!(added > 0, "DB_SSLMODE asks for TLS, but the system has no certificates to trust");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
