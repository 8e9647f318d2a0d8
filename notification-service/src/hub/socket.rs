//! A socket, as the hub sees it.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use neonchat_common::ids::{ChatId, TokenId, UserId};

use crate::hub::outbox::Outbox;

/// The ID of a socket, unique within this process.
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

/// A registered socket.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) id: SocketId,
    pub(crate) user: UserId,
    /// The chat of a scoped socket; `None` for a socket that covers all chats of the user.
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

    /// Returns the `jti` of the current token.
    pub(crate) fn token(&self) -> TokenId {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the token by a newer one.
    pub(super) fn replace_token(&self, token: TokenId) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = token;
    }

    /// Returns whether the client said that the user is away.
    pub(crate) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    /// Sets whether the user is away. Returns whether that is a change.
    pub(crate) fn set_away(&self, is_away: bool) -> bool {
        self.is_away.swap(is_away, Ordering::Relaxed) != is_away
    }

    /// Returns whether the socket covers a chat of its user.
    pub(crate) fn covers(&self, chat: ChatId) -> bool {
        self.scope.is_none_or(|scope| scope == chat)
    }
}
