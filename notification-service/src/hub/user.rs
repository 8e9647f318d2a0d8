//! A user with sockets on this instance, or about to have one.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use neonchat_common::ids::{ChatId, TokenId, UserId};

use super::Socket;
use crate::{chat_service::UserChat, connection::close::CloseReason};

/// Revoked tokens of a user that are remembered. A handshake takes two seconds at most.
const MAX_REVOKED: usize = 16;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct User {
    /// Handshakes and sockets that need this entry.
    pub(super) holders: usize,
    pub(super) sockets: Vec<Arc<Socket>>,
    /// The last tokens that were revoked: one of them may be on its way through a handshake.
    revoked: VecDeque<TokenId>,
    /// The user's chats, and the other members of each.
    pub(super) chats: HashMap<ChatId, Vec<UserId>>,
}

impl User {
    /// Notes these chats. Returns those that were not known.
    pub(super) fn learn(&mut self, chats: &[UserChat]) -> Vec<ChatId> {
        let mut new = Vec::new();
        for chat in chats {
            if self.chats.insert(chat.id, chat.partners.clone()).is_none() {
                new.push(chat.id);
            }
        }
        new
    }

    /// A token is not good any more: the sockets that are open by it are closed.
    pub(super) fn revoke(&mut self, token: TokenId) {
        if self.revoked.len() == MAX_REVOKED {
            self.revoked.pop_front();
        }
        self.revoked.push_back(token);
        for socket in self.sockets.iter().filter(|socket| socket.token() == token) {
            socket.outbox.close(CloseReason::Revoked);
        }
    }

    /// Takes a socket in, unless its token was revoked during its handshake: then it is closed.
    pub(super) fn add(&mut self, socket: &Arc<Socket>) {
        self.sockets.push(Arc::clone(socket));
        if self.revoked.contains(&socket.token()) {
            socket.outbox.close(CloseReason::Revoked);
        }
    }
}
