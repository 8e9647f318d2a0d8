//! A connected socket.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use neonchat_common::ids::{ChatId, TokenId, UserId};

use crate::hub::outbox::Outbox;

/// A socket of this instance. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SocketId(u64);

impl SocketId {
    pub(super) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    #[cfg(test)]
    pub(crate) fn for_test() -> Self {
        Self::next()
    }
}

impl std::fmt::Display for SocketId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A connected socket, as the hub sees it.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) id: SocketId,
    pub(crate) user: UserId,
    /// The one chat that it is about; none where it is about all of the user's.
    pub(crate) scope: Option<ChatId>,
    pub(crate) outbox: Outbox,
    token: Mutex<TokenId>,
    is_away: AtomicBool,
}

impl Socket {
    pub(crate) fn new(id: SocketId, user: UserId, token: TokenId, scope: Option<ChatId>) -> Self {
        let (outbox, token, is_away) = (Outbox::default(), Mutex::new(token), AtomicBool::new(false));
        Self { id, user, scope, outbox, token, is_away }
    }

    /// The `jti` of the token by which it is open.
    pub(crate) fn token(&self) -> TokenId {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is open by a newer token.
    pub(super) fn renew(&self, token: TokenId) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = token;
    }

    /// Whether it said that the user is away.
    pub(crate) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    /// It says that the user is away, or is not. Returns whether that is new.
    pub(crate) fn set_away(&self, is_away: bool) -> bool {
        self.is_away.swap(is_away, Ordering::Relaxed) != is_away
    }

    /// Whether the socket carries a chat, given that its user is a member.
    pub(crate) fn carries(&self, chat: ChatId) -> bool {
        self.scope.is_none_or(|scope| scope == chat)
    }
}
