//! How a connection ends.

/// Clients that are told to come back do so no sooner than this, in milliseconds.
pub(crate) const RECONNECT_DELAY_MS: u64 = 500;

/// Why the server ends a connection (contract, section 5; RFC 6455, section 7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// The client closed it.
    Normal,
    /// The token has expired.
    Expired,
    /// The token was revoked.
    Revoked,
    /// It went on although it was told that it is too fast.
    Abuse,
    /// Not WebSocket as RFC 6455 has it.
    ProtocolError,
    /// Text that is not UTF-8.
    InvalidUtf8,
    /// A message of too many fragments, or over [`MAX_FRAME_BYTES`](crate::protocol::MAX_FRAME_BYTES).
    TooBig,
    /// The server stops, or its database was restored. The client reconnects after this number of milliseconds.
    Restart { after_ms: u64 },
    /// It took nothing for too long.
    Slow,
    /// Nothing was heard of it for too long.
    Heartbeat,
}

impl CloseReason {
    /// The close code, and a word for it.
    pub(crate) const fn code(self) -> (u16, &'static str) {
        match self {
            Self::Normal => (1000, "bye"),
            Self::Expired => (4002, "token expired"),
            Self::Revoked => (4004, "token revoked"),
            Self::Abuse => (4008, "too many frames"),
            Self::ProtocolError => (1002, "protocol error"),
            Self::InvalidUtf8 => (1007, "text is not UTF-8"),
            Self::TooBig => (1009, "a frame has at most 65536 bytes and 1024 fragments"),
            Self::Restart { .. } => (4100, "restart"),
            Self::Slow => (4101, "too slow"),
            Self::Heartbeat => (4102, "nothing heard"),
        }
    }
}
