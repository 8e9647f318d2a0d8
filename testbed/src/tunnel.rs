//! A local TLS tunnel for the clients of the testbed, which do not support TLS.

use std::{io, net::Ipv4Addr, path::Path, sync::Arc};

use anyhow::Context as _;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsConnector;

/// Opens a local port that forwards to a TLS server. The server must have a certificate for `localhost` that is, or is signed
/// by, `certificate`. Returns the port.
///
/// # Errors
/// The certificate cannot be read, or no port is free.
pub async fn tunnel(server: (String, u16), certificate: &Path) -> anyhow::Result<u16> {
    let mut roots = RootCertStore::empty();
    let pem = CertificateDer::from_pem_file(certificate).with_context(|| certificate.display().to_string())?;
    roots.add(pem)?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((mut plain, _)) = listener.accept().await {
            let (connector, server) = (connector.clone(), server.clone());
            tokio::spawn(async move {
                let tcp = TcpStream::connect(server).await?;
                let host = ServerName::try_from("localhost").map_err(io::Error::other)?;
                copy_bidirectional(&mut plain, &mut connector.connect(host, tcp).await?).await
            });
        }
    });
    Ok(port)
}
