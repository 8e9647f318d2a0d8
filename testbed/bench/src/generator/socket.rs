//! A connection of a client: non-blocking, with one write per frame, and no buffer while there is nothing to keep.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::SocketAddr,
};

use anyhow::{Context as _, bail, ensure};
use mio::{Interest, Registry, Token, net::TcpStream};

/// The longest answer to a handshake.
const MAX_RESPONSE: usize = 8 * 1024;

/// A connection: HTTP first, then WebSocket.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    open: bool,
    /// The start of an incomplete frame.
    unread: Vec<u8>,
    /// Bytes that the kernel did not accept yet.
    unwritten: Vec<u8>,
}

/// The result of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// The filled length of the buffer, including kept bytes.
    pub(crate) length: usize,
    /// Whether there may be more to read.
    pub(crate) more: bool,
}

/// The answer to a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The socket is open. The answer has this length in bytes.
    Open(usize),
    /// The server is busy: 503.
    Later,
}

impl Socket {
    /// Starts a connection and its handshake.
    pub(crate) fn connect(address: SocketAddr, token: &str, registry: &Registry, name: Token) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(address).context("open a socket")?;
        registry.register(&mut stream, name, Interest::READABLE | Interest::WRITABLE)?;
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        Ok(Self { stream, open: false, unread: Vec::new(), unwritten: request.into_bytes() })
    }

    /// Returns the server side of a connection. The caller does the handshake.
    pub(crate) fn accepted(mut stream: TcpStream, registry: &Registry, name: Token) -> anyhow::Result<Self> {
        stream.set_nodelay(true)?;
        registry.register(&mut stream, name, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { stream, open: true, unread: Vec::new(), unwritten: Vec::new() })
    }

    /// Returns whether the handshake is done.
    pub(crate) const fn is_open(&self) -> bool {
        self.open
    }

    /// Parses the answer to the handshake at the start of `bytes`, if it is complete.
    pub(crate) fn accept(&mut self, bytes: &[u8]) -> anyhow::Result<Option<Answer>> {
        let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
            ensure!(bytes.len() < MAX_RESPONSE, "the answer to the handshake is too long");
            return Ok(None);
        };
        let status = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let status = String::from_utf8_lossy(status);
        if status.starts_with("HTTP/1.1 503 ") {
            return Ok(Some(Answer::Later));
        }
        ensure!(status.starts_with("HTTP/1.1 101 "), "the handshake was answered with {status}");
        self.open = true;
        Ok(Some(Answer::Open(end + 4)))
    }

    /// Stops watching the socket.
    pub(crate) fn leave(&mut self, registry: &Registry) -> anyhow::Result<()> {
        Ok(registry.deregister(&mut self.stream)?)
    }

    /// Writes bytes. Keeps those that cannot be written yet.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        if !self.unwritten.is_empty() {
            self.unwritten.extend(bytes);
            return Ok(());
        }
        let written = match self.stream.write(bytes) {
            Ok(written) => written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error.into()),
        };
        self.unwritten.extend(&bytes[written..]);
        Ok(())
    }

    /// Writes the kept bytes.
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        if !self.open {
            self.stream.set_nodelay(true)?;
        }
        match self.stream.write(&self.unwritten) {
            Ok(written) if written == self.unwritten.len() => self.unwritten = Vec::new(),
            Ok(written) => drop(self.unwritten.drain(..written)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Reads available bytes after the kept ones. The epoll is edge-triggered: read until there is no more.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> anyhow::Result<Received> {
        let kept = self.unread.len();
        ensure!(kept < buffer.len(), "a frame of the server is longer than {kept} bytes");
        buffer[..kept].copy_from_slice(&self.unread);
        let room = buffer.len() - kept;
        match self.stream.read(&mut buffer[kept..]) {
            Ok(0) => bail!("the server closed a socket"),
            // A short read means that the socket is drained (epoll(7)).
            Ok(read) => Ok(Received { length: kept + read, more: read == room }),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Received { length: kept, more: false }),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps the start of a frame for the next read.
    pub(crate) fn keep(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.unread = Vec::new();
        } else {
            bytes.clone_into(&mut self.unread);
        }
    }
}
