//! Mutual TLS between the services.

use std::{fmt, time::Duration};

use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use thiserror::Error;
use tonic::transport::{Certificate, ClientTlsConfig, Identity, Server, ServerTlsConfig};

/// The timeout of a handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// The configuration of mutual TLS. Each service presents a certificate, as client and as server, and trusts the certificates of
/// one authority.
#[derive(Clone)]
pub struct Tls {
    pub(crate) client: ClientTlsConfig,
    pub(crate) server: ServerTlsConfig,
}

/// The invalid part of the PEM input of a [`Tls`]. The text says what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TlsError {
    /// The authority is not a certificate.
    #[error("a PEM file with the certificate of an authority")]
    Authority,
    /// The certificate is invalid.
    #[error("a PEM file with a certificate, and those between it and the authority")]
    Certificate,
    /// The key is invalid, or belongs to another certificate.
    #[error("a PEM file with the private key of the certificate")]
    Key,
}

impl Tls {
    /// Builds the configuration from PEM: the certificate of the authority, the certificate of this service with its intermediates,
    /// and its private key.
    ///
    /// # Errors
    /// Returns the invalid part.
    pub fn from_pem(authority: &str, certificate: &str, key: &str) -> Result<Self, TlsError> {
        // The server of tonic uses the default of the process. If it is already installed, it is the same one.
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
        // Each part is valid. This checks that the key belongs to the certificate.
        Server::builder().tls_config(server.clone()).map_err(|_| TlsError::Key)?;
        Ok(Self { client, server })
    }
}

impl fmt::Debug for Tls {
    /// Omits the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

fn has_certificates(pem: &str) -> bool {
    let mut certificates = CertificateDer::pem_slice_iter(pem.as_bytes()).peekable();
    certificates.peek().is_some() && certificates.all(|certificate| certificate.is_ok())
}
