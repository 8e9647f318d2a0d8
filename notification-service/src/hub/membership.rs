//! The chats of users, and their sockets in them.

use std::{collections::HashSet, sync::Arc};

use dashmap::Entry;
use neonchat_common::{
    bus::Channel,
    ids::{ChatId, Seq, UserId},
};

use super::{Hub, PresenceAudience, Socket, SocketId, UserChat, chat::Chat};
use crate::protocol::Frame;

impl Hub {
    pub(super) fn leave_chats(&self, chats: impl IntoIterator<Item = ChatId>, socket: SocketId) {
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

    /// Adds chats of a user. The user's sockets join the unknown ones, each after its `last_seq`, and are told to fetch the
    /// earlier events.
    pub(crate) fn add_chats(&self, user: UserId, chats: &[UserChat]) {
        self.add_chats_known_up_to(user, chats, |_, _| 0);
    }

    /// Announces a chat to those sockets of a user that cover it, and adds the chat. The announcement precedes the chat's first
    /// event and contains the chat up to its `last_seq`. A socket whose outbox has no room for it is told to fetch the events.
    pub(crate) fn announce_chat(&self, user: UserId, chat: UserChat, announcement: &Frame) {
        let sockets = self.sockets_of(user);
        let is_announced =
            |socket: &&Arc<Socket>| socket.covers(chat.id) && socket.outbox.push_announcement(announcement);
        let announced: HashSet<SocketId> = sockets.iter().filter(is_announced).map(|socket| socket.id).collect();
        let known = |chat: &UserChat, socket: &Socket| if announced.contains(&socket.id) { chat.last_seq } else { 0 };
        self.add_chats_known_up_to(user, &[chat], known);
    }

    fn add_chats_known_up_to(&self, user: UserId, chats: &[UserChat], known: impl Fn(&UserChat, &Socket) -> Seq) {
        let (new, sockets) = {
            let Some(mut entry) = self.users.get_mut(&user) else { return };
            (entry.add_chats(chats), entry.sockets.clone())
        };
        for chat in new {
            self.join_late(chat.id, chat.last_seq, |socket| known(chat, socket), &sockets);
        }
    }

    /// Lets sockets join a chat that was added after they were opened. `last_seq` is the chat's head if the chat has no sockets
    /// here yet. The client of each socket knows of events up to `known`.
    pub(super) fn join_late(
        &self,
        chat: ChatId,
        last_seq: Seq,
        known: impl Fn(&Socket) -> Seq,
        sockets: &[Arc<Socket>],
    ) {
        let sockets = sockets.iter().filter(|socket| socket.covers(chat)).cloned().collect::<Vec<_>>();
        if sockets.is_empty() {
            return;
        }
        let mut entry = self.chats.entry(chat).or_insert_with(|| Chat::new(chat, last_seq));
        for socket in &sockets {
            entry.join_late(socket, known(socket));
        }
        drop(entry);
        self.changed_channels.add([Channel::Chat(chat)]);
        // A socket that was closed concurrently has left its chats already.
        for socket in sockets.iter().filter(|socket| !self.is_registered(socket)) {
            self.leave_chats([chat], socket.id);
        }
    }

    pub(super) fn join<'a>(&self, chats: impl Iterator<Item = &'a UserChat> + Clone, socket: &Arc<Socket>) {
        for &UserChat { id, last_seq, .. } in chats.clone() {
            self.chats.entry(id).or_insert_with(|| Chat::new(id, last_seq)).join(socket);
        }
        self.changed_channels.add(chats.map(|chat| Channel::Chat(chat.id)));
    }

    /// Returns whether the socket covers a chat of which its user is a member.
    pub(crate) fn is_joined(&self, socket: &Socket, chat: ChatId) -> bool {
        socket.covers(chat) && self.users.get(&socket.user).is_some_and(|user| user.chats.contains_key(&chat))
    }

    /// Returns the users who share a chat with the user, each with the shared chats.
    pub(crate) fn presence_audience(&self, user: UserId) -> PresenceAudience {
        self.users.get(&user).map(|entry| entry.presence_audience()).unwrap_or_default()
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

    pub(super) fn chats_of(&self, user: UserId) -> Vec<(ChatId, Seq)> {
        let Some(entry) = self.users.get(&user) else { return Vec::new() };
        entry.chats.iter().map(|(chat, membership)| (*chat, membership.last_seq())).collect()
    }
}
