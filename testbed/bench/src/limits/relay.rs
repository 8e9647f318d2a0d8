//! A bare WebSocket relay: what comes from one socket of a pair goes to the other, and an ack goes back. Nothing is
//! checked, stored or published: with this generator, on this machine, no messenger does better.

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

/// The name of the listener among the sockets, which have their numbers.
const LISTENER: Token = Token(usize::MAX - 1);

const POLL_LIMIT: Duration = Duration::from_millis(100);

const EVENTS: usize = 1024;

const BUFFER: usize = 256 * 1024;

const ACCEPTED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

/// Starts one for people whose tokens are the numbers below `people`, an even one and the next a pair, in a thread
/// that ends with the last of their sockets. Returns where it listens.
///
/// # Errors
/// There is no port.
pub(super) fn start(people: usize) -> anyhow::Result<SocketAddr> {
    let mut listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let address = listener.local_addr()?;
    let poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let relay = Relay { poll, listener, sockets: Vec::new(), people: vec![None; people] };
    thread::spawn(move || relay.serve());
    Ok(address)
}

struct Relay {
    poll: Poll,
    listener: TcpListener,
    sockets: Vec<Connected>,
    /// The socket of each.
    people: Vec<Option<usize>>,
}

struct Connected {
    socket: Socket,
    /// Who, once that is known.
    person: Option<usize>,
}

impl Relay {
    fn serve(mut self) -> anyhow::Result<()> {
        let (mut events, mut buffer) = (Events::with_capacity(EVENTS), vec![0; BUFFER]);
        let mut closed = 0;
        while closed < self.people.len() {
            self.poll.poll(&mut events, Some(POLL_LIMIT))?;
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    Token(name) => {
                        // A client that closes has its answers.
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
            let stream = match self.listener.accept() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                accepted => accepted?.0,
            };
            let socket = Socket::accepted(stream, self.poll.registry(), Token(self.sockets.len()))?;
            self.sockets.push(Connected { socket, person: None });
        }
    }

    fn read(&mut self, name: usize, buffer: &mut [u8]) -> anyhow::Result<()> {
        loop {
            let received = self.sockets[name].socket.read(buffer)?;
            let mut rest = &buffer[..received.length];
            if self.sockets[name].person.is_none()
                && let Some(end) = find(rest, b"\r\n\r\n")
            {
                let person = token(&rest[..end]).filter(|person| *person < self.people.len());
                self.people[person.context("a stranger")?] = Some(name);
                self.sockets[name].person = person;
                self.sockets[name].socket.write(ACCEPTED)?;
                rest = &rest[end + 4..];
            }
            if let Some(person) = self.sockets[name].person {
                while let Some(frame) = frame::scan_masked(rest) {
                    let (payload, partner) = (frame.payload, self.people[person ^ 1]);
                    if let Some(said) = payload.strip_prefix(MESSAGE) {
                        self.sockets[name].socket.write(&frame::text(br#"{"type":"message_sent""#, said))?;
                        let partner = partner.context("a message to nobody")?;
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

/// The number after `Bearer`.
fn token(request: &[u8]) -> Option<usize> {
    let start = find(request, b"Bearer ")? + 7;
    let digits = request[start..].split(|byte| *byte == b'\r').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
