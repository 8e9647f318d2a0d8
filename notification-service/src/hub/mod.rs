//! Who is connected to this instance, and what they get.
//!
//! All of it is memory of this process. Nothing here waits: delivery puts a frame into each socket's bounded outbox and
//! goes on, so that one slow reader costs nobody else time.
//!
//! No lock of a user's entry is held while one of a chat's is taken, nor the other way round.

mod chat;
pub(crate) mod outbox;
mod sends;
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

pub(crate) use self::chat::{Accepted, DurableEvent, Missed};
use self::{chat::Chat, sends::Sends, user::User};
pub(crate) use self::{
    socket::{Socket, SocketId},
    typing::{Told, Typing},
};
use crate::{
    chat_service::UserChat,
    close::{CloseReason, RECONNECT_DELAY_MS},
    protocol::Frame,
    work_set::WorkSet,
};

/// Within this time clients come back whose chats were restored from a backup.
const RESTORE_WINDOW_MS: u64 = 5000;

/// Those who share a chat with a user, and the chats that they share.
pub(crate) type Peers = HashMap<UserId, Vec<ChatId>>;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    users: DashMap<UserId, User>,
    chats: DashMap<ChatId, Chat>,
    sends: Sends,
    pub(crate) typing: Typing,
    /// Channels that may have to be subscribed to, or no longer.
    pub(crate) interest: WorkSet<Channel>,
    /// Chats of which an event may be missing.
    pub(crate) gaps: WorkSet<ChatId>,
}

impl Hub {
    /// A user is about to connect: from here on the user's channel is wanted, so that no new chat is missed while the
    /// list of chats is on its way. [`Hub::leave`] or [`Hub::detach`] undoes it.
    ///
    /// Returns how many sockets the user then has here, if none is refused.
    pub(crate) fn enter(&self, user: UserId) -> usize {
        let mut entry = self.users.entry(user).or_default();
        entry.holders += 1;
        let holders = entry.holders;
        drop(entry);
        self.interest.add([Channel::User(user)]);
        holders
    }

    /// Undoes [`Hub::enter`], where no socket came of it.
    pub(crate) fn leave(&self, user: UserId) {
        self.release(user, |_| ());
    }

    /// The user, who has entered, is connected. `chats` are all of the user's.
    ///
    /// From here on the socket gets every event after each chat's `last_seq`, if not a later one where this instance
    /// delivered up to there before the socket came.
    pub(crate) fn attach(
        &self,
        user: UserId,
        token: TokenId,
        scope: Option<ChatId>,
        chats: &[UserChat],
    ) -> Arc<Socket> {
        let socket = Arc::new(Socket::new(SocketId::next(), user, token, scope));
        let (new, others) = {
            let mut entry = self.users.entry(user).or_default();
            let new = entry.learn(chats);
            let others = entry.sockets.clone();
            entry.add(&socket);
            (new, others)
        };
        self.join(chats.iter().filter(|chat| socket.carries(chat.id)), &socket);
        // Chats made while the list was on its way.
        let listed: HashSet<ChatId> = chats.iter().map(|chat| chat.id).collect();
        for (chat, last_seq) in self.chats_of(user).into_iter().filter(|(chat, _)| !listed.contains(chat)) {
            self.join_late(chat, last_seq, 0, std::slice::from_ref(&socket));
        }
        for chat in new {
            self.join_late(chat.id, chat.last_seq, 0, &others);
        }
        socket
    }

    /// The socket is gone. Returns the user's peers if it was the last socket: they are not known here any more.
    pub(crate) fn detach(&self, socket: &Socket) -> Option<Peers> {
        let (mut chats, mut peers) = (Vec::new(), None);
        self.release(socket.user, |user| {
            user.sockets.retain(|other| other.id != socket.id);
            chats = user.chats.keys().copied().collect();
            peers = user.sockets.is_empty().then(|| user.peers());
        });
        self.part(chats.into_iter().filter(|chat| socket.carries(*chat)), socket.id);
        peers
    }

    fn part(&self, chats: impl IntoIterator<Item = ChatId>, socket: SocketId) {
        let is_empty = |chat: &ChatId| {
            let Entry::Occupied(mut entry) = self.chats.entry(*chat) else { return false };
            let is_empty = entry.get_mut().leave(socket);
            if is_empty {
                entry.remove();
            }
            is_empty
        };
        let empty: Vec<_> = chats.into_iter().filter(is_empty).map(Channel::Chat).collect();
        self.interest.add(empty);
    }

    fn release(&self, user: UserId, change: impl FnOnce(&mut User)) {
        if let Entry::Occupied(mut entry) = self.users.entry(user) {
            change(entry.get_mut());
            entry.get_mut().holders -= 1;
            if entry.get().holders == 0 {
                entry.remove();
                self.interest.add([Channel::User(user)]);
            }
        }
    }

    /// A token of a user is not good any more: its sockets are closed.
    pub(crate) fn revoke(&self, user: UserId, token: TokenId) {
        if let Some(mut entry) = self.users.get_mut(&user) {
            entry.revoke(token);
        }
    }

    /// A socket is open by a newer token from now on.
    pub(crate) fn renew(&self, socket: &Socket, token: TokenId) {
        if let Some(mut entry) = self.users.get_mut(&socket.user) {
            entry.renew(socket, token);
        }
    }

    /// The tokens by which a user's sockets are open here.
    pub(crate) fn tokens_of(&self, user: UserId) -> HashSet<TokenId> {
        self.users
            .get(&user)
            .map(|entry| entry.sockets.iter().map(|socket| socket.token()).collect())
            .unwrap_or_default()
    }

    /// Adds chats of a user of this instance. The user's sockets join those that were not known, each after its `last_seq`;
    /// what came before they are told to fetch.
    pub(crate) fn learn(&self, user: UserId, chats: &[UserChat]) {
        self.learn_after(user, chats, |_| 0);
    }

    /// As [`Hub::learn`], for a chat of which the user's sockets were told together with its `last_seq`.
    pub(crate) fn learn_announced(&self, user: UserId, chat: UserChat) {
        self.learn_after(user, &[chat], |chat| chat.last_seq);
    }

    fn learn_after(&self, user: UserId, chats: &[UserChat], known: impl Fn(&UserChat) -> Seq) {
        let (new, sockets) = {
            let Some(mut entry) = self.users.get_mut(&user) else { return };
            (entry.learn(chats), entry.sockets.clone())
        };
        for chat in new {
            self.join_late(chat.id, chat.last_seq, known(chat), &sockets);
        }
    }

    /// Lets sockets join a chat that this instance learned of after they were opened. Its last event is `last_seq`, if the chat
    /// has no socket here yet; the sockets know of events up to `known`.
    fn join_late(&self, chat: ChatId, last_seq: Seq, known: Seq, sockets: &[Arc<Socket>]) {
        let sockets = sockets.iter().filter(|socket| socket.carries(chat)).cloned().collect::<Vec<_>>();
        if sockets.is_empty() {
            return;
        }
        let mut entry = self.chats.entry(chat).or_insert_with(|| Chat::after(chat, last_seq));
        for socket in &sockets {
            entry.join_late(socket, known);
        }
        drop(entry);
        self.interest.add([Channel::Chat(chat)]);
        // One that was closed in this moment has left all chats already.
        for socket in sockets.iter().filter(|socket| !self.is_attached(socket)) {
            self.part([chat], socket.id);
        }
    }

    fn is_attached(&self, socket: &Socket) -> bool {
        self.users.get(&socket.user).is_some_and(|user| user.sockets.iter().any(|other| other.id == socket.id))
    }

    fn join<'a>(&self, chats: impl Iterator<Item = &'a UserChat> + Clone, socket: &Arc<Socket>) {
        for &UserChat { id, last_seq, .. } in chats.clone() {
            self.chats.entry(id).or_insert_with(|| Chat::after(id, last_seq)).join(socket);
        }
        self.interest.add(chats.map(|chat| Channel::Chat(chat.id)));
    }

    /// A socket sends a message. Until [`Hub::sent`], this is known as its cause, whichever way it comes back.
    pub(crate) fn sending(&self, user: UserId, request: SendId, socket: SocketId) {
        self.sends.begin(user, request, socket);
    }

    /// The message was delivered here, and is acked.
    pub(crate) fn sent(&self, user: UserId, request: SendId, socket: SocketId) {
        self.sends.end(user, request, socket);
    }

    /// The socket gets no ack. Should the message be stored all the same, and have come here as an event, it is told of that.
    pub(crate) fn refused(&self, user: UserId, request: SendId, socket: SocketId) {
        if let Some((chat, seq)) = self.sends.end(user, request, socket)
            && let Some(mut entry) = self.chats.get_mut(&chat)
        {
            entry.will_get_no_ack(socket, seq);
        }
    }

    /// The sockets that are sending a message, which has come here as this event.
    pub(crate) fn senders(&self, user: UserId, request: SendId, chat: ChatId, seq: Seq) -> Vec<SocketId> {
        self.sends.senders(user, request, chat, seq)
    }

    /// Delivers a durable event to the chat's sockets, in its turn. Without sockets there is nothing to do.
    pub(crate) fn deliver(&self, chat: ChatId, event: DurableEvent) -> Accepted {
        let sender = event.sender;
        let Some(mut entry) = self.chats.get_mut(&chat) else { return Accepted::Delivered(0) };
        let accepted = entry.accept(event);
        drop(entry);
        if accepted == Accepted::Held {
            self.gaps.add([chat]);
        }
        // The sender may have begun to type again since the first delivery.
        if let Some(sender) = sender
            && accepted != Accepted::Duplicate
        {
            self.typing.end(sender, chat);
        }
        accepted
    }

    /// What matters only now, to those of the chat's sockets that `audience` takes in.
    pub(crate) fn tell_chat(&self, chat: ChatId, audience: impl Fn(&Socket) -> bool, frame: &Frame) {
        if let Some(entry) = self.chats.get(&chat) {
            entry.tell(audience, frame);
        }
    }

    /// See [`Chat::catch_up`].
    pub(crate) fn catch_up(
        &self,
        socket: &Socket,
        chat: ChatId,
        cursor: Seq,
        may_have: impl FnOnce(Seq) -> bool,
    ) -> Option<Missed> {
        self.chats.get_mut(&chat)?.catch_up(socket.id, cursor, may_have)
    }

    /// See [`Chat::caught_up`].
    pub(crate) fn caught_up(&self, socket: &Socket, chat: ChatId, seq: Seq) -> Option<bool> {
        self.chats.get_mut(&chat)?.caught_up(socket.id, seq)
    }

    /// See [`Chat::give_up_catching_up`].
    pub(crate) fn give_up_catching_up(&self, socket: &Socket, chat: ChatId) {
        if let Some(mut entry) = self.chats.get_mut(&chat) {
            entry.give_up_catching_up(socket.id);
        }
    }

    /// What matters only now, to a user's sockets that carry one of `chats`.
    pub(crate) fn tell_user(&self, user: UserId, chats: &[ChatId], frame: &Frame) {
        if let Some(entry) = self.users.get(&user) {
            for socket in entry.sockets.iter().filter(|socket| chats.iter().any(|chat| socket.carries(*chat))) {
                socket.outbox.push_ephemeral(frame);
            }
        }
    }

    /// A word to every socket.
    pub(crate) fn tell_all(&self, frame: &Frame) {
        for entry in &self.users {
            for socket in &entry.sockets {
                socket.outbox.push_ephemeral(frame);
            }
        }
    }

    /// Whether the user of a socket is a member of a chat that the socket carries.
    pub(crate) fn is_joined(&self, socket: &Socket, chat: ChatId) -> bool {
        socket.carries(chat) && self.users.get(&socket.user).is_some_and(|user| user.chats.contains_key(&chat))
    }

    /// Everybody who shares a chat with the user, and the chats that they share.
    pub(crate) fn peers(&self, user: UserId) -> Peers {
        self.users.get(&user).map(|entry| entry.peers()).unwrap_or_default()
    }

    /// Whether a receipt says something new, as far as is known here.
    pub(crate) fn is_new_receipt(&self, user: UserId, chat: ChatId, read: Seq) -> bool {
        let next = self.next_seq(chat);
        let entry = self.users.get(&user);
        let membership = entry.as_ref().and_then(|entry| entry.chats.get(&chat));
        membership.is_none_or(|membership| membership.is_new_receipt(read, next))
    }

    /// A receipt was answered: the user has read the chat up to `read`.
    pub(crate) fn has_read(&self, user: UserId, chat: ChatId, receipt: Seq, read: Seq) {
        let next = self.next_seq(chat);
        if let Some(mut entry) = self.users.get_mut(&user)
            && let Some(membership) = entry.chats.get_mut(&chat)
        {
            membership.answered(receipt, next, read);
        }
    }

    /// Whether a channel has to be subscribed to.
    pub(crate) fn wants(&self, channel: Channel) -> bool {
        match channel {
            Channel::Chat(chat) => self.chats.contains_key(&chat),
            Channel::User(user) => self.users.contains_key(&user),
            Channel::System | Channel::Deployments => true,
        }
    }

    /// The next event that a chat waits for.
    pub(crate) fn next_seq(&self, chat: ChatId) -> Option<Seq> {
        self.chats.get(&chat).map(|entry| entry.next())
    }

    /// The chat ends at `head`, although more was delivered here: the database was restored from a backup, or is a replica that
    /// was promoted while it was behind. Its sockets have to connect again, and learn of it by `sync`.
    pub(crate) fn restore(&self, chat: ChatId, head: Seq) {
        if let Some(mut entry) = self.chats.get_mut(&chat) {
            entry.restore(head, |socket| {
                let after_ms = RECONNECT_DELAY_MS + fastrand::u64(0..RESTORE_WINDOW_MS);
                socket.outbox.close(CloseReason::Restart { after_ms });
            });
        }
    }

    /// Whether events of a chat wait for an earlier one.
    pub(crate) fn has_gap(&self, chat: ChatId) -> bool {
        self.chats.get(&chat).is_some_and(|entry| entry.has_gap())
    }

    /// All chats with sockets here.
    pub(crate) fn chats(&self) -> Vec<ChatId> {
        self.chats.iter().map(|entry| *entry.key()).collect()
    }

    /// All users with sockets here, or about to have one.
    pub(crate) fn users(&self) -> Vec<UserId> {
        self.users.iter().map(|entry| *entry.key()).collect()
    }

    /// Whether a user is here.
    pub(crate) fn has_user(&self, user: UserId) -> bool {
        self.users.contains_key(&user)
    }

    /// All sockets here.
    pub(crate) fn sockets(&self) -> Vec<Arc<Socket>> {
        self.users.iter().flat_map(|entry| entry.sockets.clone()).collect()
    }

    /// The sockets of a user.
    pub(crate) fn sockets_of(&self, user: UserId) -> Vec<Arc<Socket>> {
        self.users.get(&user).map(|entry| entry.sockets.clone()).unwrap_or_default()
    }

    fn chats_of(&self, user: UserId) -> Vec<(ChatId, Seq)> {
        let Some(entry) = self.users.get(&user) else { return Vec::new() };
        entry.chats.iter().map(|(chat, membership)| (*chat, membership.last_seq())).collect()
    }
}
