//! `healthcheck`: asks the process on this machine whether it is alive or ready. For containers, whose images have no curl.

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

/// The longest that an answer takes.
const LIMIT: Duration = Duration::from_secs(3);

/// What an answer of 200 begins with.
const OK: &[u8] = b"HTTP/1.1 200 ";

/// What a process is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// `/live`
    Live,
    /// `/ready`
    Ready,
}

impl Probe {
    const fn path(self) -> &'static str {
        match self {
            Self::Live => "/live",
            Self::Ready => "/ready",
        }
    }
}

/// Asks the process that listens at `host:port`.
///
/// # Errors
/// There is no answer in time, or its status is not 200.
pub async fn probe(host: &str, port: u16, what: Probe) -> anyhow::Result<()> {
    let path = what.path();
    // It listens at all addresses: one of them is this machine's own.
    let is_any = host.parse().is_ok_and(|address: IpAddr| address.is_unspecified());
    let host = if is_any { Ipv4Addr::LOCALHOST.to_string() } else { host.to_owned() };
    let ask = async {
        let mut connection = TcpStream::connect((host.as_str(), port)).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await?;
        let mut status = [0; OK.len()];
        connection.read_exact(&mut status).await?;
        Ok::<_, io::Error>(status)
    };
    let status = timeout(LIMIT, ask).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut)).flatten();
    let status = status.with_context(|| format!("http://{host}:{port}{path}"))?;
    ensure!(status == OK, "http://{host}:{port}{path}: {}", status.escape_ascii());
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn answering(answer: &'static [u8]) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.expect("a connection");
            let mut request = [0; 1024];
            let _ = connection.read(&mut request).await;
            let _ = connection.write_all(answer).await;
        });
        port
    }

    #[tokio::test]
    async fn alive_is_who_answers_with_200() {
        assert!(probe("0.0.0.0", answering(b"HTTP/1.1 200 OK\r\n\r\n").await, Probe::Live).await.is_ok());
        for answer in [b"HTTP/1.1 503 Service Unavailable\r\n\r\n".as_slice(), b"HTTP/1.1 2", b""] {
            assert!(
                probe("127.0.0.1", answering(answer).await, Probe::Live).await.is_err(),
                "{}",
                answer.escape_ascii()
            );
        }
        assert!(probe("127.0.0.1", 1, Probe::Ready).await.is_err());
    }
}
