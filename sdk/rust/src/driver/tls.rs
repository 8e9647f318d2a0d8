//! TLS, with the root certificates of the system and of the application. Without the feature `tls` there is no TLS.

use hyper_util::client::legacy::connect::HttpConnector;
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite::handshake::client::Request};

#[cfg(feature = "tls")]
pub(crate) use self::with::{Connector, Tls};
#[cfg(not(feature = "tls"))]
pub(crate) use self::without::{Connector, Tls};

pub(super) type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

#[cfg(feature = "tls")]
mod with {
    use std::sync::Arc;

    use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
    use rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, pem::PemObject as _},
    };
    use tokio_tungstenite::{connect_async_tls_with_config, tungstenite};

    use super::{HttpConnector, Request, Stream};
    use crate::BuildError;

    pub(crate) type Connector = HttpsConnector<HttpConnector>;

    /// How to connect with TLS.
    #[derive(Clone, Debug)]
    pub(crate) struct Tls(Arc<ClientConfig>);

    impl Tls {
        /// For a URL of https or wss. Trusts what the system trusts, and the certificates in each of `pems`.
        pub(crate) fn load(_url: &str, pems: &[Vec<u8>]) -> Result<Self, BuildError> {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            for pem in pems {
                add(&mut roots, pem).map_err(BuildError::Certificate)?;
            }
            Self::trust(roots)
        }

        /// For URLs of http and ws only. Reads and trusts no certificates.
        pub(crate) fn unused() -> Result<Self, BuildError> {
            Self::trust(RootCertStore::empty())
        }

        fn trust(roots: RootCertStore) -> Result<Self, BuildError> {
            let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
            let config = config.with_safe_default_protocol_versions();
            let config = config.map_err(|error| BuildError::Tls(error.to_string()))?;
            Ok(Self(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
        }

        /// Returns how HTTP connects.
        pub(crate) fn http(&self, tcp: HttpConnector) -> Connector {
            let config = HttpsConnectorBuilder::new().with_tls_config((*self.0).clone());
            config.https_or_http().enable_http1().wrap_connector(tcp)
        }

        pub(crate) async fn connect(self, request: Request) -> tungstenite::Result<Stream> {
            let connector = Some(tokio_tungstenite::Connector::Rustls(self.0));
            Ok(connect_async_tls_with_config(request, None, true, connector).await?.0)
        }
    }

    /// Adds the certificates of a PEM file, which has at least one.
    fn add(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), String> {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| error.to_string())?;
            roots.add(certificate).map_err(|error| error.to_string())?;
        }
        if roots.len() == before { Err("no certificate in PEM was found".to_owned()) } else { Ok(()) }
    }
}

#[cfg(not(feature = "tls"))]
mod without {
    use tokio_tungstenite::{connect_async_with_config, tungstenite};

    use super::{HttpConnector, Request, Stream};
    use crate::BuildError;

    pub(crate) type Connector = HttpConnector;

    /// How to connect with TLS: not at all.
    #[derive(Clone, Debug)]
    pub(crate) struct Tls;

    impl Tls {
        pub(crate) fn load(url: &str, _pems: &[Vec<u8>]) -> Result<Self, BuildError> {
            Err(BuildError::NoTls(url.to_owned()))
        }

        #[expect(clippy::unnecessary_wraps, reason = "as with TLS")]
        pub(crate) const fn unused() -> Result<Self, BuildError> {
            Ok(Self)
        }

        #[expect(clippy::unused_self, reason = "as with TLS")]
        pub(crate) fn http(&self, tcp: HttpConnector) -> Connector {
            tcp
        }

        pub(crate) async fn connect(self, request: Request) -> tungstenite::Result<Stream> {
            Ok(connect_async_with_config(request, None, true).await?.0)
        }
    }
}
