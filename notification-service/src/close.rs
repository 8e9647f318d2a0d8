//! Reasons for closing a connection.

/// The least delay before a client reconnects, in milliseconds.
pub(crate) const RECONNECT_DELAY_MS: u64 = 500;

/// Why the server closes a connection (docs/PROTOCOL.md, "Close codes"; RFC 6455, section 7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// The client closed the connection.
    Normal,
    /// The TCP connection was lost, so that no close frame can be sent.
    ConnectionLost,
    /// The handshake had no valid token.
    Unauthorized,
    /// The token has expired.
    Expired,
    /// The token was revoked.
    Revoked,
    /// The user of a scoped socket is not a member of its chat any more.
    Removed,
    /// The user of a refused handshake is not a member of the chat.
    NoSuchChat,
    /// Web pages of this origin are not allowed to connect.
    ForeignOrigin,
    /// The user or the address has too many connections, or opens them too fast.
    TooManyConnections,
    /// The server cannot accept a connection at the moment.
    Unavailable,
    /// The client kept exceeding its rate limit.
    Abuse,
    /// The client violated RFC 6455.
    ProtocolError,
    /// Text that is not UTF-8.
    InvalidUtf8,
    /// A message with too many fragments, or larger than [`MAX_FRAME_BYTES`](crate::protocol::MAX_FRAME_BYTES).
    TooBig,
    /// The server stops, or its database was restored. The client reconnects after `after_ms` milliseconds.
    Restart { after_ms: u64 },
    /// Slow consumer: no write completed within `WS_WRITE_TIMEOUT`.
    Slow,
    /// The client sent nothing within `WS_READ_TIMEOUT`.
    Heartbeat,
}

impl CloseReason {
    /// Returns the close code and its description.
    pub(crate) const fn code(self) -> (u16, &'static str) {
        match self {
            Self::Normal => (1000, "bye"),
            // Reserved for connections that ended without a close frame.
            Self::ConnectionLost => (1006, "connection lost"),
            Self::Unauthorized => (4001, "token missing or invalid"),
            Self::Expired => (4002, "token expired"),
            Self::NoSuchChat => (4003, "no such chat"),
            Self::ForeignOrigin => (4003, "origin not allowed"),
            Self::Removed => (4003, "not a member of the chat any more"),
            Self::Revoked => (4004, "token revoked"),
            Self::Abuse => (4008, "too many frames"),
            Self::TooManyConnections => (4009, "too many connections"),
            Self::ProtocolError => (1002, "protocol error"),
            Self::InvalidUtf8 => (1007, "text is not UTF-8"),
            Self::TooBig => (1009, "a frame has at most 65536 bytes and 1024 fragments"),
            Self::Restart { .. } => (4100, "restart"),
            Self::Slow => (4101, "too slow"),
            Self::Heartbeat => (4102, "nothing heard"),
            Self::Unavailable => (4104, "unavailable"),
        }
    }
}
