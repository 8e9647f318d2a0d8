//! Mutual TLS between the services.

use std::{fmt, time::Duration};

use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use thiserror::Error;
use tonic::transport::{Certificate, ClientTlsConfig, Identity, Server, ServerTlsConfig};

/// The longest that a handshake takes.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// How the services know each other: each shows a certificate, when it calls and when it is called, and believes those of
/// one authority.
#[derive(Clone)]
pub struct Tls {
    pub(crate) client: ClientTlsConfig,
    pub(crate) server: ServerTlsConfig,
}

/// What is wrong with the PEM that a [`Tls`] should be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TlsError {
    /// The authority is no certificate.
    #[error("a PEM file with the certificate of an authority")]
    Authority,
    /// The certificate is none.
    #[error("a PEM file with a certificate, and those between it and the authority")]
    Certificate,
    /// The key is none, or another certificate's.
    #[error("a PEM file with the private key of the certificate")]
    Key,
}

impl Tls {
    /// Of PEM: the authority's certificate, one's own (with those between the two), and the key of the latter.
    ///
    /// # Errors
    /// One of them is not what it should be.
    pub fn from_pem(authority: &str, certificate: &str, key: &str) -> Result<Self, TlsError> {
        // tonic's server takes the process's. Whoever else set it, set the same.
        let _ = ring::default_provider().install_default();
        if !has_certificates(authority) {
            return Err(TlsError::Authority);
        }
        if !has_certificates(certificate) {
            return Err(TlsError::Certificate);
        }
        PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| TlsError::Key)?;
        let authority = Certificate::from_pem(authority);
        let identity = Identity::from_pem(certificate, key);
        let client = ClientTlsConfig::new().ca_certificate(authority.clone()).identity(identity.clone());
        let server = ServerTlsConfig::new().client_ca_root(authority).identity(identity).timeout(HANDSHAKE_TIMEOUT);
        // What each is by itself is known by now; this is whether they go together.
        Server::builder().tls_config(server.clone()).map_err(|_| TlsError::Key)?;
        Ok(Self { client, server })
    }
}

impl fmt::Debug for Tls {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

fn has_certificates(pem: &str) -> bool {
    let mut certificates = CertificateDer::pem_slice_iter(pem.as_bytes()).peekable();
    certificates.peek().is_some() && certificates.all(|certificate| certificate.is_ok())
}
