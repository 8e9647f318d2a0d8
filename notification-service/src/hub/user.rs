//! A user with sockets on this instance, or with a reservation.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::Arc,
};

use neonchat_common::ids::{ChatId, Seq, TokenId, UserId};

use super::{PresenceAudience, Socket};
use crate::close::CloseReason;

/// How many revoked tokens of a user are remembered. A handshake or an `auth` takes at most two seconds.
const MAX_REVOKED: usize = 16;

/// A chat of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserChat {
    pub(crate) id: ChatId,
    pub(crate) last_seq: Seq,
    pub(crate) partners: Vec<UserId>,
}

/// A user's entry in the hub.
#[derive(Debug, Default)]
pub(super) struct User {
    /// The number of handshakes and sockets that need this entry.
    pub(super) refcount: usize,
    pub(super) sockets: Vec<Arc<Socket>>,
    /// The last revoked tokens: a concurrent handshake or `auth` may still use one of them.
    revoked: VecDeque<TokenId>,
    /// The chats of which the user is a member.
    pub(super) chats: HashMap<ChatId, Membership>,
}

/// A user's membership of a chat.
#[derive(Debug)]
pub(super) struct Membership {
    partners: Vec<UserId>,
    /// The head of the chat when this instance added it.
    last_seq: Seq,
    /// The user's read marker, as far as this instance knows.
    read: Seq,
    /// The last answered receipt, and the chat's next `seq` at that time.
    answered: (Seq, Option<Seq>),
}

impl Membership {
    fn new(chat: &UserChat) -> Self {
        Self { partners: chat.partners.clone(), last_seq: chat.last_seq, read: 0, answered: (0, None) }
    }

    pub(super) const fn last_seq(&self) -> Seq {
        self.last_seq
    }

    /// Returns whether a receipt may move the read marker. A receipt ahead of the chat's head moves nothing until the head has
    /// moved.
    pub(super) fn is_new_receipt(&self, read: Seq, next: Option<Seq>) -> bool {
        let (answered, answered_at) = self.answered;
        read > self.read && (read > answered || next != answered_at)
    }

    /// Records the answer of chat-service to a receipt: the user has read the chat up to `read`.
    pub(super) fn answered(&mut self, receipt: Seq, next: Option<Seq>, read: Seq) {
        self.answered = (receipt, next);
        self.read = self.read.max(read);
    }
}

impl User {
    /// Adds chats. Returns those that were unknown.
    pub(super) fn add_chats<'a>(&mut self, chats: &'a [UserChat]) -> Vec<&'a UserChat> {
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

    /// Returns the users who share a chat with this user, each with the shared chats.
    pub(super) fn presence_audience(&self) -> PresenceAudience {
        let mut audience = PresenceAudience::new();
        for (chat, Membership { partners, .. }) in &self.chats {
            for partner in partners {
                audience.entry(*partner).or_default().push(*chat);
            }
        }
        audience
    }

    /// Closes the sockets that use a revoked token.
    pub(super) fn revoke_token(&mut self, token: TokenId) {
        if self.revoked.len() == MAX_REVOKED {
            self.revoked.pop_front();
        }
        self.revoked.push_back(token);
        for socket in self.sockets.iter().filter(|socket| socket.token() == token) {
            socket.outbox.close(CloseReason::Revoked);
        }
    }

    /// Adds a socket. Closes it if its token was revoked during the handshake.
    pub(super) fn add(&mut self, socket: &Arc<Socket>) {
        self.sockets.push(Arc::clone(socket));
        self.close_if_revoked(socket);
    }

    /// Replaces the token of a socket. Closes the socket if the token was revoked after chat-service checked it.
    pub(super) fn replace_token(&mut self, socket: &Socket, token: TokenId) {
        socket.replace_token(token);
        self.close_if_revoked(socket);
    }

    fn close_if_revoked(&self, socket: &Socket) {
        if self.revoked.contains(&socket.token()) {
            socket.outbox.close(CloseReason::Revoked);
        }
    }
}
