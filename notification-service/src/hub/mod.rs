//! The registry of this instance: its users, sockets and chats, and the delivery of events to them.
//!
//! All of it is in memory. Nothing here waits: delivery puts a frame into each socket's bounded outbox, so that a slow consumer
//! does not delay other sockets.
//!
//! A lock of a user's entry is never held while a lock of a chat's entry is taken, nor the other way round.

mod chat;
pub(crate) mod outbox;
mod pending_sends;
mod socket;
#[cfg(test)]
mod tests;
mod typing;
mod user;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use dashmap::{DashMap, Entry};
use neonchat_common::{
    bus::Channel,
    ids::{ChatId, SendId, Seq, TokenId, UserId},
};

pub(crate) use self::chat::{Accepted, CatchUp, CatchUpProgress, DurableEvent};
use self::{chat::Chat, pending_sends::PendingSends, user::User};
pub(crate) use self::{
    socket::{Socket, SocketId},
    typing::{Typing, TypingChange},
};
use crate::{
    chat_service::UserChat,
    close::{CloseReason, RECONNECT_DELAY_MS},
    dedup_queue::DedupQueue,
    protocol::Frame,
};

/// The period over which clients of restored chats reconnect, in milliseconds.
const RESTORE_WINDOW_MS: u64 = 5000;

/// The users who share a chat with a user, each with the shared chats.
pub(crate) type Peers = HashMap<UserId, Vec<ChatId>>;

/// The registry of an instance.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    users: DashMap<UserId, User>,
    chats: DashMap<ChatId, Chat>,
    pending_sends: PendingSends,
    pub(crate) typing: Typing,
    /// Channels whose subscription may have to change.
    pub(crate) changed_channels: DedupQueue<Channel>,
    /// Chats with a gap.
    pub(crate) gaps: DedupQueue<ChatId>,
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
        token: TokenId,
        scope: Option<ChatId>,
        chats: &[UserChat],
    ) -> Arc<Socket> {
        let socket = Arc::new(Socket::new(SocketId::next(), user, token, scope));
        let (new, others) = {
            let mut entry = self.users.entry(user).or_default();
            let new = entry.add_chats(chats);
            let others = entry.sockets.clone();
            entry.add(&socket);
            (new, others)
        };
        self.join(chats.iter().filter(|chat| socket.covers(chat.id)), &socket);
        // Chats that were created while the list was on its way.
        let listed: HashSet<ChatId> = chats.iter().map(|chat| chat.id).collect();
        for (chat, last_seq) in self.chats_of(user).into_iter().filter(|(chat, _)| !listed.contains(chat)) {
            self.join_late(chat, last_seq, 0, std::slice::from_ref(&socket));
        }
        for chat in new {
            self.join_late(chat.id, chat.last_seq, 0, &others);
        }
        socket
    }

    /// Unregisters a closed socket. Returns the user's peers if it was the user's last socket here.
    pub(crate) fn unregister(&self, socket: &Socket) -> Option<Peers> {
        let (mut chats, mut peers) = (Vec::new(), None);
        self.release_user(socket.user, |user| {
            user.sockets.retain(|other| other.id != socket.id);
            chats = user.chats.keys().copied().collect();
            peers = user.sockets.is_empty().then(|| user.peers());
        });
        self.leave_chats(chats.into_iter().filter(|chat| socket.covers(*chat)), socket.id);
        peers
    }

    fn leave_chats(&self, chats: impl IntoIterator<Item = ChatId>, socket: SocketId) {
        let is_empty = |chat: &ChatId| {
            let Entry::Occupied(mut entry) = self.chats.entry(*chat) else { return false };
            let is_empty = entry.get_mut().leave(socket);
            if is_empty {
                entry.remove();
            }
            is_empty
        };
        let empty: Vec<_> = chats.into_iter().filter(is_empty).map(Channel::Chat).collect();
        self.changed_channels.add(empty);
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
    pub(crate) fn revoke_token(&self, user: UserId, token: TokenId) {
        if let Some(mut entry) = self.users.get_mut(&user) {
            entry.revoke_token(token);
        }
    }

    /// Replaces the token of a socket by a newer one.
    pub(crate) fn replace_token(&self, socket: &Socket, token: TokenId) {
        if let Some(mut entry) = self.users.get_mut(&socket.user) {
            entry.replace_token(socket, token);
        }
    }

    /// Returns the tokens of a user's sockets.
    pub(crate) fn tokens_of(&self, user: UserId) -> HashSet<TokenId> {
        self.users
            .get(&user)
            .map(|entry| entry.sockets.iter().map(|socket| socket.token()).collect())
            .unwrap_or_default()
    }

    /// Adds chats of a user. The user's sockets join the unknown ones, each after its `last_seq`, and are told to fetch the
    /// earlier events.
    pub(crate) fn add_chats(&self, user: UserId, chats: &[UserChat]) {
        self.add_chats_known_up_to(user, chats, |_| 0);
    }

    /// Like [`Hub::add_chats`], for a chat that was announced to the sockets together with its `last_seq`.
    pub(crate) fn add_announced_chat(&self, user: UserId, chat: UserChat) {
        self.add_chats_known_up_to(user, &[chat], |chat| chat.last_seq);
    }

    fn add_chats_known_up_to(&self, user: UserId, chats: &[UserChat], known: impl Fn(&UserChat) -> Seq) {
        let (new, sockets) = {
            let Some(mut entry) = self.users.get_mut(&user) else { return };
            (entry.add_chats(chats), entry.sockets.clone())
        };
        for chat in new {
            self.join_late(chat.id, chat.last_seq, known(chat), &sockets);
        }
    }

    /// Lets sockets join a chat that was added after they were opened. `last_seq` is the chat's head if the chat has no sockets
    /// here yet. The clients know of events up to `known`.
    fn join_late(&self, chat: ChatId, last_seq: Seq, known: Seq, sockets: &[Arc<Socket>]) {
        let sockets = sockets.iter().filter(|socket| socket.covers(chat)).cloned().collect::<Vec<_>>();
        if sockets.is_empty() {
            return;
        }
        let mut entry = self.chats.entry(chat).or_insert_with(|| Chat::new(chat, last_seq));
        for socket in &sockets {
            entry.join_late(socket, known);
        }
        drop(entry);
        self.changed_channels.add([Channel::Chat(chat)]);
        // A socket that was closed concurrently has left its chats already.
        for socket in sockets.iter().filter(|socket| !self.is_registered(socket)) {
            self.leave_chats([chat], socket.id);
        }
    }

    fn is_registered(&self, socket: &Socket) -> bool {
        self.users.get(&socket.user).is_some_and(|user| user.sockets.iter().any(|other| other.id == socket.id))
    }

    fn join<'a>(&self, chats: impl Iterator<Item = &'a UserChat> + Clone, socket: &Arc<Socket>) {
        for &UserChat { id, last_seq, .. } in chats.clone() {
            self.chats.entry(id).or_insert_with(|| Chat::new(id, last_seq)).join(socket);
        }
        self.changed_channels.add(chats.map(|chat| Channel::Chat(chat.id)));
    }

    /// Records that a socket sends a message, so that the socket is excluded from the message's event until [`Hub::end_send`].
    pub(crate) fn begin_send(&self, user: UserId, request: SendId, socket: SocketId) {
        self.pending_sends.begin(user, request, socket);
    }

    /// Records that the message was delivered here and acked.
    pub(crate) fn end_send(&self, user: UserId, request: SendId, socket: SocketId) {
        self.pending_sends.end(user, request, socket);
    }

    /// Records that the socket gets no ack. If the message was stored all the same and its event has arrived, the socket is told.
    pub(crate) fn fail_send(&self, user: UserId, request: SendId, socket: SocketId) {
        if let Some((chat, seq)) = self.pending_sends.end(user, request, socket)
            && let Some(mut entry) = self.chats.get_mut(&chat)
        {
            entry.send_failed(socket, seq);
        }
    }

    /// Records the event of a message. Returns the sockets that are sending the message.
    pub(crate) fn sending_sockets(&self, user: UserId, request: SendId, chat: ChatId, seq: Seq) -> Vec<SocketId> {
        self.pending_sends.record_event(user, request, chat, seq)
    }

    /// Delivers a durable event to the chat's sockets, in order. Does nothing if the chat has no sockets here.
    pub(crate) fn deliver(&self, chat: ChatId, event: DurableEvent) -> Accepted {
        let sender = event.sender;
        let Some(mut entry) = self.chats.get_mut(&chat) else { return Accepted::Delivered(0) };
        let accepted = entry.accept(event);
        drop(entry);
        if accepted == Accepted::Buffered {
            self.gaps.add([chat]);
        }
        // A duplicate does not end typing: its sender may have begun to type again.
        if let Some(sender) = sender
            && accepted != Accepted::Duplicate
        {
            self.typing.end(sender, chat);
        }
        accepted
    }

    /// Sends an ephemeral event to those sockets of the chat that `audience` selects.
    pub(crate) fn notify_chat(&self, chat: ChatId, audience: impl Fn(&Socket) -> bool, frame: &Frame) {
        if let Some(entry) = self.chats.get(&chat) {
            entry.notify(audience, frame);
        }
    }

    /// See [`Chat::catch_up`].
    pub(crate) fn catch_up(
        &self,
        socket: &Socket,
        chat: ChatId,
        cursor: Seq,
        may_send: impl FnOnce(Seq) -> bool,
    ) -> Option<CatchUp> {
        self.chats.get_mut(&chat)?.catch_up(socket.id, cursor, may_send)
    }

    /// See [`Chat::advance_catch_up`].
    pub(crate) fn advance_catch_up(&self, socket: &Socket, chat: ChatId, seq: Seq) -> CatchUpProgress {
        let Some(mut entry) = self.chats.get_mut(&chat) else { return CatchUpProgress::SocketClosed };
        entry.advance_catch_up(socket.id, seq)
    }

    /// See [`Chat::abort_catch_up`].
    pub(crate) fn abort_catch_up(&self, socket: &Socket, chat: ChatId) {
        if let Some(mut entry) = self.chats.get_mut(&chat) {
            entry.abort_catch_up(socket.id);
        }
    }

    /// Sends an ephemeral event to those sockets of a user that cover one of `chats`.
    pub(crate) fn notify_user(&self, user: UserId, chats: &[ChatId], frame: &Frame) {
        if let Some(entry) = self.users.get(&user) {
            for socket in entry.sockets.iter().filter(|socket| chats.iter().any(|chat| socket.covers(*chat))) {
                socket.outbox.push_ephemeral(frame);
            }
        }
    }

    /// Sends a frame to every socket.
    pub(crate) fn broadcast(&self, frame: &Frame) {
        for entry in &self.users {
            for socket in &entry.sockets {
                socket.outbox.push_ephemeral(frame);
            }
        }
    }

    /// Returns whether the socket covers a chat of which its user is a member.
    pub(crate) fn is_joined(&self, socket: &Socket, chat: ChatId) -> bool {
        socket.covers(chat) && self.users.get(&socket.user).is_some_and(|user| user.chats.contains_key(&chat))
    }

    /// Returns the users who share a chat with the user, each with the shared chats.
    pub(crate) fn peers(&self, user: UserId) -> Peers {
        self.users.get(&user).map(|entry| entry.peers()).unwrap_or_default()
    }

    /// Returns whether a receipt may move the read marker, as far as this instance knows.
    pub(crate) fn is_new_receipt(&self, user: UserId, chat: ChatId, read: Seq) -> bool {
        let next = self.next_seq(chat);
        let entry = self.users.get(&user);
        let membership = entry.as_ref().and_then(|entry| entry.chats.get(&chat));
        membership.is_none_or(|membership| membership.is_new_receipt(read, next))
    }

    /// Records the answer to a receipt: the user has read the chat up to `read`.
    pub(crate) fn set_read(&self, user: UserId, chat: ChatId, receipt: Seq, read: Seq) {
        let next = self.next_seq(chat);
        if let Some(mut entry) = self.users.get_mut(&user)
            && let Some(membership) = entry.chats.get_mut(&chat)
        {
            membership.answered(receipt, next, read);
        }
    }

    /// Returns whether this instance needs the subscription to a channel.
    pub(crate) fn needs_channel(&self, channel: Channel) -> bool {
        match channel {
            Channel::Chat(chat) => self.chats.contains_key(&chat),
            Channel::User(user) => self.users.contains_key(&user),
            Channel::System | Channel::Deployments => true,
        }
    }

    /// Returns the `seq` of the next event to deliver in a chat.
    pub(crate) fn next_seq(&self, chat: ChatId) -> Option<Seq> {
        self.chats.get(&chat).map(|entry| entry.next())
    }

    /// Continues a chat after `head`, although more was delivered: the database was restored from a backup, or a replica that was
    /// behind was promoted. The chat's sockets are closed; their clients learn of the loss by `sync`.
    pub(crate) fn rewind(&self, chat: ChatId, head: Seq) {
        if let Some(mut entry) = self.chats.get_mut(&chat) {
            entry.rewind(head, |socket| {
                let after_ms = RECONNECT_DELAY_MS + fastrand::u64(0..RESTORE_WINDOW_MS);
                socket.outbox.close(CloseReason::Restart { after_ms });
            });
        }
    }

    /// Returns whether events of a chat wait in its reorder buffer.
    pub(crate) fn has_gap(&self, chat: ChatId) -> bool {
        self.chats.get(&chat).is_some_and(|entry| entry.has_gap())
    }

    /// Returns the chats with sockets here.
    pub(crate) fn chats(&self) -> Vec<ChatId> {
        self.chats.iter().map(|entry| *entry.key()).collect()
    }

    /// Returns the users with sockets here or with a reservation.
    pub(crate) fn users(&self) -> Vec<UserId> {
        self.users.iter().map(|entry| *entry.key()).collect()
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

    fn chats_of(&self, user: UserId) -> Vec<(ChatId, Seq)> {
        let Some(entry) = self.users.get(&user) else { return Vec::new() };
        entry.chats.iter().map(|(chat, membership)| (*chat, membership.last_seq())).collect()
    }
}
