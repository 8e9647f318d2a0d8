//! A user with sockets on this instance, or about to have one.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::Arc,
};

use neonchat_common::ids::{ChatId, Seq, TokenId, UserId};

use super::{Peers, Socket};
use crate::{chat_service::UserChat, close::CloseReason};

/// Revoked tokens of a user that are remembered. A handshake, or an `auth`, takes two seconds at most.
const MAX_REVOKED: usize = 16;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct User {
    /// Handshakes and sockets that need this entry.
    pub(super) holders: usize,
    pub(super) sockets: Vec<Arc<Socket>>,
    /// The last tokens that were revoked: one of them may be on its way through a handshake or an `auth`.
    revoked: VecDeque<TokenId>,
    /// The user's chats.
    pub(super) chats: HashMap<ChatId, Membership>,
}

/// A chat of a user.
#[derive(Debug)]
pub(super) struct Membership {
    partners: Vec<UserId>,
    /// The last event of the chat when this instance learned of it.
    last_seq: Seq,
    /// Up to where the user has read it, as far as is known here.
    read: Seq,
    /// The last receipt that was answered, and the next event of the chat then.
    answered: (Seq, Option<Seq>),
}

impl Membership {
    fn new(chat: &UserChat) -> Self {
        Self { partners: chat.partners.clone(), last_seq: chat.last_seq, read: 0, answered: (0, None) }
    }

    pub(super) const fn last_seq(&self) -> Seq {
        self.last_seq
    }

    /// Whether a receipt may move what chat-service knows. One that is ahead of the chat's head moves nothing as long as the head
    /// stays where it is.
    pub(super) fn is_new_receipt(&self, read: Seq, next: Option<Seq>) -> bool {
        let (answered, answered_at) = self.answered;
        read > self.read && (read > answered || next != answered_at)
    }

    /// chat-service has answered a receipt: the user has read the chat up to `read`.
    pub(super) fn answered(&mut self, receipt: Seq, next: Option<Seq>, read: Seq) {
        self.answered = (receipt, next);
        self.read = self.read.max(read);
    }
}

impl User {
    /// Adds these chats. Returns those that were not known.
    pub(super) fn learn<'a>(&mut self, chats: &'a [UserChat]) -> Vec<&'a UserChat> {
        let mut new = Vec::new();
        for chat in chats {
            match self.chats.entry(chat.id) {
                Entry::Occupied(mut known) => known.get_mut().partners.clone_from(&chat.partners),
                Entry::Vacant(unknown) => {
                    unknown.insert(Membership::new(chat));
                    new.push(chat);
                }
            }
        }
        new
    }

    /// Everybody who shares a chat with the user.
    pub(super) fn peers(&self) -> Peers {
        let mut peers = Peers::new();
        for (chat, Membership { partners, .. }) in &self.chats {
            for partner in partners {
                peers.entry(*partner).or_default().push(*chat);
            }
        }
        peers
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
        self.close_if_revoked(socket);
    }

    /// Gives a socket a newer token. If the token was revoked since chat-service checked it, the socket is closed.
    pub(super) fn renew(&mut self, socket: &Socket, token: TokenId) {
        socket.renew(token);
        self.close_if_revoked(socket);
    }

    fn close_if_revoked(&self, socket: &Socket) {
        if self.revoked.contains(&socket.token()) {
            socket.outbox.close(CloseReason::Revoked);
        }
    }
}
