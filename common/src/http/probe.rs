//! `healthcheck`: whether the process on this machine answers. For a container, which has no curl in it.

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

/// Asks `/live` of the process that listens at `host:port`.
///
/// # Errors
/// Nobody answers in time, or not with 200.
pub async fn probe(host: &str, port: u16) -> anyhow::Result<()> {
    // It listens at all addresses: one of them is this machine's own.
    let is_any = host.parse().is_ok_and(|address: IpAddr| address.is_unspecified());
    let host = if is_any { Ipv4Addr::LOCALHOST.to_string() } else { host.to_owned() };
    let ask = async {
        let mut connection = TcpStream::connect((host.as_str(), port)).await?;
        let request = format!("GET /live HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await?;
        let mut status = [0; OK.len()];
        connection.read_exact(&mut status).await?;
        Ok::<_, io::Error>(status)
    };
    let status = timeout(LIMIT, ask).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut)).flatten();
    let status = status.with_context(|| format!("http://{host}:{port}/live"))?;
    ensure!(status == OK, "http://{host}:{port}/live: {}", status.escape_ascii());
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
        assert!(probe("0.0.0.0", answering(b"HTTP/1.1 200 OK\r\n\r\n").await).await.is_ok());
        for answer in [b"HTTP/1.1 503 Service Unavailable\r\n\r\n".as_slice(), b"HTTP/1.1 2", b""] {
            assert!(probe("127.0.0.1", answering(answer).await).await.is_err(), "{}", answer.escape_ascii());
        }
        assert!(probe("127.0.0.1", 1).await.is_err());
    }
}
