//! The `healthcheck` command: asks the process on this machine whether it is live or ready. Container images have no curl.

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::settings::OperationsAddress;

/// The longest time that a response may take.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(3);

/// The start of a response with status 200.
const OK: &[u8] = b"HTTP/1.1 200 ";

/// Asks the process on this machine whether it is live, or `ready`. It is asked at its operations address, or at `host` and
/// `port` if it has none.
///
/// # Errors
/// There is no response within 3 s, or its status is not 200.
pub async fn healthcheck(
    operations: Option<&OperationsAddress>,
    host: &str,
    port: u16,
    ready: bool,
) -> anyhow::Result<()> {
    let (host, port) = operations.map_or((host, port), |address| (&address.host, address.port));
    probe(host, port, if ready { "/ready" } else { "/live" }).await
}

async fn probe(host: &str, port: u16, path: &str) -> anyhow::Result<()> {
    // A process that listens on all addresses is reachable at the loopback address.
    let is_any = host.parse().is_ok_and(|address: IpAddr| address.is_unspecified());
    let host = if is_any { Ipv4Addr::LOCALHOST.to_string() } else { host.to_owned() };
    let exchange = async {
        let mut connection = TcpStream::connect((host.as_str(), port)).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await?;
        let mut status = [0; OK.len()];
        connection.read_exact(&mut status).await?;
        Ok::<_, io::Error>(status)
    };
    let timed_out = |_| io::Error::from(io::ErrorKind::TimedOut);
    let status = timeout(RESPONSE_TIMEOUT, exchange).await.map_err(timed_out).flatten();
    let status = status.with_context(|| format!("http://{host}:{port}{path}"))?;
    ensure!(status == OK, "http://{host}:{port}{path}: {}", status.escape_ascii());
    Ok(())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a task of a test ends with the runtime of the test")]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn respond_with(response: &'static [u8]) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind a port");
        let port = listener.local_addr().expect("read the local address").port();
        tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.expect("accept a connection");
            let mut request = [0; 1024];
            let _ = connection.read(&mut request).await;
            let _ = connection.write_all(response).await;
        });
        port
    }

    #[tokio::test]
    async fn succeeds_only_for_status_200() {
        let port = respond_with(b"HTTP/1.1 200 OK\r\n\r\n").await;
        assert!(healthcheck(None, "0.0.0.0", port, false).await.is_ok());
        for response in [b"HTTP/1.1 503 Service Unavailable\r\n\r\n".as_slice(), b"HTTP/1.1 2", b""] {
            let port = respond_with(response).await;
            assert!(healthcheck(None, "127.0.0.1", port, false).await.is_err(), "{}", response.escape_ascii());
        }
        assert!(healthcheck(None, "127.0.0.1", 1, true).await.is_err());
    }

    #[tokio::test]
    async fn asks_the_operations_address_if_there_is_one() {
        let port = respond_with(b"HTTP/1.1 200 OK\r\n\r\n").await;
        let operations = OperationsAddress { host: "127.0.0.1".to_owned(), port };
        assert!(healthcheck(Some(&operations), "127.0.0.1", 1, true).await.is_ok());
    }
}
