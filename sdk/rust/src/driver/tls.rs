//! TLS, with the root certificates of the system. Without the feature `tls` there is no TLS.

use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite::handshake::client::Request};

#[cfg(feature = "tls")]
pub(crate) use self::with::Tls;
#[cfg(not(feature = "tls"))]
pub(crate) use self::without::Tls;

pub(super) type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

#[cfg(feature = "tls")]
mod with {
    use std::sync::Arc;

    use rustls::{ClientConfig, RootCertStore, crypto::ring};
    use tokio_tungstenite::{Connector, connect_async_tls_with_config, tungstenite};

    use super::{Request, Stream};

    /// How to connect with TLS.
    #[derive(Clone, Debug)]
    pub(crate) struct Tls(Arc<ClientConfig>);

    impl Tls {
        pub(crate) const IS_AVAILABLE: bool = true;

        pub(crate) fn load() -> Result<Self, rustls::Error> {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
            let config = config.with_safe_default_protocol_versions()?.with_root_certificates(roots);
            Ok(Self(Arc::new(config.with_no_client_auth())))
        }

        pub(crate) fn http(&self, builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
            builder.tls_backend_preconfigured((*self.0).clone())
        }

        pub(crate) async fn connect(self, request: Request) -> tungstenite::Result<Stream> {
            let connector = Some(Connector::Rustls(self.0));
            Ok(connect_async_tls_with_config(request, None, true, connector).await?.0)
        }
    }
}

#[cfg(not(feature = "tls"))]
mod without {
    use tokio_tungstenite::{connect_async_with_config, tungstenite};

    use super::{Request, Stream};

    /// How to connect with TLS: not at all.
    #[derive(Clone, Debug)]
    pub(crate) struct Tls;

    impl Tls {
        pub(crate) const IS_AVAILABLE: bool = false;

        #[expect(clippy::unnecessary_wraps, reason = "as with TLS")]
        pub(crate) const fn load() -> Result<Self, std::convert::Infallible> {
            Ok(Self)
        }

        #[expect(clippy::unused_self, reason = "as with TLS")]
        pub(crate) const fn http(&self, builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
            builder
        }

        pub(crate) async fn connect(self, request: Request) -> tungstenite::Result<Stream> {
            Ok(connect_async_with_config(request, None, true).await?.0)
        }
    }
}
