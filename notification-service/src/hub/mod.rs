//! The registry of this instance: its users, sockets and chats, and the delivery of events to them.
//!
//! All of it is in memory. Nothing here waits: delivery puts a frame into each socket's bounded outbox, so that a slow consumer
//! does not delay other sockets.
//!
//! Locks: a user's entry and a chat are never locked at the same time. Under either of them an outbox may be locked, and nothing else is
//! locked under that.

mod chat;
mod chats;
mod event;
mod events;
mod frames;
mod gathered_receipts;
mod membership;
pub(crate) mod outbox;
mod pending_requests;
mod receipts;
mod removals;
mod socket;
#[cfg(test)]
mod tests;
mod typing;
mod user;
mod wake_queue;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use dashmap::{DashMap, Entry};
use neonchat_common::{
    bus::Channel,
    ids::{ChatId, UserId},
    token::TokenRef,
};

pub(crate) use self::chat::{Accepted, CatchUp, CatchUpProgress, CatchUpStart, Missed};
use self::{chats::Chats, gathered_receipts::GatheredReceipts, pending_requests::PendingRequests, user::User};
pub(crate) use self::{
    event::DurableEvent,
    frames::{EventFrames, HiddenFrame},
    pending_requests::Request,
    receipts::{Markers, MovedMarkers},
    socket::{Socket, SocketId},
    typing::{GatheredTyping, Typing, TypingChange},
    user::{Revocation, UserChat},
    wake_queue::WakeQueue,
};
use crate::{close::CloseReason, dedup_queue::DedupQueue, protocol::Frame};

/// The users who see the presence of a user, each with the chats because of which they do.
pub(crate) type PresenceAudience = HashMap<UserId, Vec<ChatId>>;

/// The registry of an instance.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    users: DashMap<UserId, User>,
    chats: Chats,
    pending_requests: PendingRequests,
    pub(crate) typing: Typing,
    pub(crate) gathered_typing: GatheredTyping,
    gathered_receipts: GatheredReceipts,
    /// Channels whose subscription may have to change.
    pub(crate) changed_channels: DedupQueue<Channel>,
    /// Chats with a gap.
    pub(crate) gaps: DedupQueue<ChatId>,
    /// Chats whose members or settings changed.
    pub(crate) changed_chats: DedupQueue<ChatId>,
    /// Users whose chats or tokens may have changed.
    pub(crate) stale_users: DedupQueue<UserId>,
}

impl Hub {
    /// Reserves a user before the first socket. From then on the user's channel is needed, so that no new chat is missed while
    /// the user's chats are listed. [`Hub::unreserve`] or [`Hub::unregister`] undoes it.
    ///
    /// Returns the number of the user's sockets on this instance, including the reserved one.
    pub(crate) fn reserve(&self, user: UserId) -> usize {
        let mut entry = self.users.entry(user).or_default();
        entry.refcount += 1;
        let refcount = entry.refcount;
        drop(entry);
        self.changed_channels.add([Channel::User(user)]);
        refcount
    }

    /// Undoes [`Hub::reserve`] if no socket was registered.
    pub(crate) fn unreserve(&self, user: UserId) {
        self.release_user(user, |_| ());
    }

    /// Registers a socket of a reserved user and joins the user's `chats`, which have to be complete.
    ///
    /// From then on the socket gets every event after each chat's `last_seq`, or after a later `seq` if this instance had
    /// delivered up to there before.
    pub(crate) fn register(
        &self,
        user: UserId,
        token: impl Into<TokenRef>,
        scope: Option<ChatId>,
        chats: &[UserChat],
    ) -> Arc<Socket> {
        let socket = Arc::new(Socket::new(SocketId::next(), user, token, scope));
        let ids: HashSet<ChatId> = chats.iter().map(|chat| chat.id).collect();
        let (new, others, listed, unlisted) = {
            let mut entry = self.users.entry(user).or_default();
            let new = entry.add_chats(chats);
            let others = entry.sockets.clone();
            entry.add(&socket);
            let (listed, unlisted): (Vec<_>, Vec<_>) = entry
                .members()
                .filter(|member| socket.covers(member.chat))
                .partition(|member| ids.contains(&member.chat));
            (new, others, listed, unlisted)
        };
        self.join(&listed, &socket);
        // The user left the only chat of the socket while the list was on its way.
        if scope.is_some_and(|chat| ids.contains(&chat)) && listed.is_empty() {
            socket.outbox.close(CloseReason::Removed);
        }
        // Chats that were created while the list was on its way.
        for member in unlisted {
            self.join_late(user, member, None, std::slice::from_ref(&socket));
        }
        for member in new {
            self.join_late(user, member, None, &others);
        }
        socket
    }

    /// Unregisters a closed socket. Returns the user's presence audience if it was the user's last socket here.
    pub(crate) fn unregister(&self, socket: &Socket) -> Option<PresenceAudience> {
        let (mut chats, mut audience) = (Vec::new(), None);
        self.release_user(socket.user, |user| {
            user.sockets.retain(|other| other.id != socket.id);
            chats = user.chats.keys().copied().collect();
            audience = user.sockets.is_empty().then(|| user.presence_audience());
        });
        self.leave_chats(chats.into_iter().filter(|chat| socket.covers(*chat)), socket.id);
        audience
    }

    /// Applies a change to a user's entry and releases one reservation.
    fn release_user(&self, user: UserId, change: impl FnOnce(&mut User)) {
        if let Entry::Occupied(mut entry) = self.users.entry(user) {
            change(entry.get_mut());
            entry.get_mut().refcount -= 1;
            if entry.get().refcount == 0 {
                entry.remove();
                self.changed_channels.add([Channel::User(user)]);
            }
        }
    }

    /// Closes the user's sockets that use a revoked token.
    pub(crate) fn revoke(&self, user: UserId, revocation: Revocation) {
        if let Some(mut entry) = self.users.get_mut(&user) {
            entry.revoke(revocation);
        }
    }

    /// Replaces the token of a socket by a newer one.
    pub(crate) fn replace_token(&self, socket: &Socket, token: impl Into<TokenRef>) {
        if let Some(mut entry) = self.users.get_mut(&socket.user) {
            entry.replace_token(socket, token.into());
        }
    }

    /// Returns the tokens of a user's sockets.
    pub(crate) fn tokens_of(&self, user: UserId) -> HashSet<TokenRef> {
        self.users
            .get(&user)
            .map(|entry| entry.sockets.iter().map(|socket| socket.token()).collect())
            .unwrap_or_default()
    }

    /// Sends an ephemeral event to those sockets of a user that `audience` selects and that cover one of the `chats` of which the user
    /// is a member, except to slow consumers.
    pub(crate) fn notify_user(
        &self,
        user: UserId,
        chats: &[ChatId],
        audience: impl Fn(&Socket) -> bool,
        frame: &Frame,
    ) {
        let Some(entry) = self.users.get(&user) else { return };
        let chats: Vec<_> = chats.iter().filter(|chat| entry.chats.contains_key(chat)).collect();
        for socket in entry.sockets.iter().filter(|socket| audience(socket)) {
            if chats.iter().any(|chat| socket.covers(**chat)) {
                socket.outbox.push_ephemeral(frame);
            }
        }
    }

    /// Sends an ephemeral event to every socket, except to slow consumers.
    pub(crate) fn broadcast(&self, frame: &Frame) {
        for entry in &self.users {
            for socket in &entry.sockets {
                socket.outbox.push_ephemeral(frame);
            }
        }
    }

    /// Returns whether this instance needs the subscription to a channel.
    pub(crate) fn needs_channel(&self, channel: Channel) -> bool {
        match channel {
            Channel::Chat(chat) => self.chats.contains(chat),
            Channel::User(user) => self.users.contains_key(&user),
            Channel::System | Channel::Deployments => true,
        }
    }

    /// Returns the users with sockets here or with a reservation.
    pub(crate) fn users(&self) -> Vec<UserId> {
        self.users.iter().map(|entry| *entry.key()).collect()
    }

    /// Returns whether a handshake of a user is under way.
    pub(crate) fn has_handshake(&self, user: UserId) -> bool {
        self.users.get(&user).is_some_and(|entry| entry.refcount > entry.sockets.len())
    }

    /// Returns whether a user has sockets here or a reservation.
    pub(crate) fn has_user(&self, user: UserId) -> bool {
        self.users.contains_key(&user)
    }

    /// Returns all sockets.
    pub(crate) fn sockets(&self) -> Vec<Arc<Socket>> {
        self.users.iter().flat_map(|entry| entry.sockets.clone()).collect()
    }

    /// Returns the sockets of a user.
    pub(crate) fn sockets_of(&self, user: UserId) -> Vec<Arc<Socket>> {
        self.users.get(&user).map(|entry| entry.sockets.clone()).unwrap_or_default()
    }
}
