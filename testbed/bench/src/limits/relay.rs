//! A bare WebSocket relay: it forwards each message to the other socket of a pair and acks it. It does not check, store or
//! publish anything, so it is the upper limit of any messenger with this generator on this machine.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use memchr::memmem::find;
use mio::{Events, Interest, Poll, Token, net::TcpListener};

use crate::generator::{
    frame::{self, MESSAGE},
    socket::Socket,
};

/// The token of the listener. The tokens of the sockets are their indexes.
const LISTENER: Token = Token(usize::MAX - 1);

const POLL_TIMEOUT: Duration = Duration::from_millis(100);

const EVENTS: usize = 1024;

const BUFFER: usize = 256 * 1024;

const ACCEPTED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

/// Starts a relay in a thread that ends with its last socket. The tokens of the users are the numbers below `users`. Each even
/// number and the next are a pair. Returns the address.
///
/// # Errors
/// No port is free.
pub(super) fn start(users: usize) -> anyhow::Result<SocketAddr> {
    let mut handler = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let address = handler.local_addr()?;
    let poll = Poll::new()?;
    poll.registry().register(&mut handler, LISTENER, Interest::READABLE)?;
    let relay = Relay { poll, handler, sockets: Vec::new(), users: vec![None; users] };
    thread::spawn(move || relay.serve());
    Ok(address)
}

struct Relay {
    poll: Poll,
    handler: TcpListener,
    sockets: Vec<Connected>,
    /// The socket of each user.
    users: Vec<Option<usize>>,
}

struct Connected {
    socket: Socket,
    /// The user, after the handshake.
    user: Option<usize>,
}

impl Relay {
    fn serve(mut self) -> anyhow::Result<()> {
        let (mut events, mut buffer) = (Events::with_capacity(EVENTS), vec![0; BUFFER]);
        let mut closed = 0;
        while closed < self.users.len() {
            self.poll.poll(&mut events, Some(POLL_TIMEOUT))?;
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    Token(name) => {
                        // The client has closed the socket and needs no answer.
                        if event.is_writable() && self.sockets[name].socket.flush().is_err() {
                            continue;
                        }
                        if event.is_readable() && self.read(name, &mut buffer).is_err() {
                            closed += 1;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> anyhow::Result<()> {
        loop {
            let stream = match self.handler.accept() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                accepted => accepted?.0,
            };
            let socket = Socket::accepted(stream, self.poll.registry(), Token(self.sockets.len()))?;
            self.sockets.push(Connected { socket, user: None });
        }
    }

    fn read(&mut self, name: usize, buffer: &mut [u8]) -> anyhow::Result<()> {
        loop {
            let received = self.sockets[name].socket.read(buffer)?;
            let mut rest = &buffer[..received.length];
            if self.sockets[name].user.is_none()
                && let Some(end) = find(rest, b"\r\n\r\n")
            {
                let user = token(&rest[..end]).filter(|user| *user < self.users.len());
                self.users[user.context("an unknown user")?] = Some(name);
                self.sockets[name].user = user;
                self.sockets[name].socket.write(ACCEPTED)?;
                rest = &rest[end + 4..];
            }
            if let Some(user) = self.sockets[name].user {
                while let Some(frame) = frame::scan_masked(rest) {
                    let (payload, partner) = (frame.payload, self.users[user ^ 1]);
                    if let Some(said) = payload.strip_prefix(MESSAGE) {
                        self.sockets[name].socket.write(&frame::text(br#"{"type":"message_sent""#, said))?;
                        let partner = partner.context("the partner is not connected")?;
                        self.sockets[partner].socket.write(&frame::text(br#"{"type":"new_message""#, said))?;
                    }
                    rest = &rest[frame.length..];
                }
            }
            self.sockets[name].socket.keep(rest);
            if !received.more {
                return Ok(());
            }
        }
    }
}

/// Parses the number after `Bearer`.
fn token(request: &[u8]) -> Option<usize> {
    let start = find(request, b"Bearer ")? + 7;
    let digits = request[start..].split(|byte| *byte == b'\r').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
