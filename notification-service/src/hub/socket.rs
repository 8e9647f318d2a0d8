//! A socket, as the hub sees it.

use std::sync::{
    Arc, Mutex, OnceLock, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use neonchat_common::{
    ids::{ChatId, Seq, UserId},
    token::TokenRef,
};

use super::{WakeQueue, outbox::Outbox};
use crate::protocol::Frame;

/// The ID of a socket, unique within this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SocketId(u64);

impl SocketId {
    pub(crate) fn next() -> Self {
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
    /// The wake queue of its worker.
    wake_queue: OnceLock<Arc<WakeQueue>>,
    token: Mutex<TokenRef>,
    is_away: AtomicBool,
}

impl Socket {
    pub(crate) fn new(id: SocketId, user: UserId, token: impl Into<TokenRef>, scope: Option<ChatId>) -> Self {
        let (outbox, token, is_away) = (Outbox::default(), Mutex::new(token.into()), AtomicBool::new(false));
        Self { id, user, scope, outbox, wake_queue: OnceLock::new(), token, is_away }
    }

    /// Sets the wake queue of the worker that serves the socket.
    pub(crate) fn set_wake_queue(&self, wake_queue: Arc<WakeQueue>) {
        let _ = self.wake_queue.set(wake_queue);
    }

    /// Queues a durable event of a chat, or marks the chat as lagging. If the event `is_for_many` sockets, the worker wakes them in
    /// slices.
    pub(super) fn push_durable(self: &Arc<Self>, chat: ChatId, seq: Seq, frame: &Frame, is_for_many: bool) {
        match self.wake_queue.get().filter(|_| is_for_many) {
            None => self.outbox.push_durable(chat, seq, frame),
            Some(wake_queue) => {
                if self.outbox.push_durable_without_waking(chat, seq, frame) {
                    wake_queue.push(Arc::clone(self));
                }
            }
        }
    }

    /// Returns the current token.
    pub(crate) fn token(&self) -> TokenRef {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the token by a newer one.
    pub(super) fn replace_token(&self, token: TokenRef) {
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
