//! The chats of users, and their sockets in them.

use std::{collections::HashSet, sync::Arc};

use chrono::{DateTime, Utc};
use neonchat_common::{
    bus::Channel,
    chat::ChatClass,
    ids::{ChatId, Seq, UserId},
};

use super::{
    Hub, PresenceAudience, Socket, SocketId, UserChat,
    user::{MemberInfo, Membership},
};
use crate::protocol::Frame;

impl Hub {
    pub(super) fn leave_chats(&self, chats: impl IntoIterator<Item = ChatId>, socket: SocketId) {
        let is_emptied = |chat: &ChatId| {
            let has_left = self.chats.with(*chat, |entry| entry.leave(socket));
            has_left == Some(true) && self.chats.remove_if_empty(*chat)
        };
        let empty: Vec<_> = chats.into_iter().filter(is_emptied).map(Channel::Chat).collect();
        self.changed_channels.add(empty);
    }

    /// Adds chats of a user. The user's sockets join the unknown ones, each after its `last_seq`, and are told to fetch the
    /// earlier events. Takes over the size of the known ones, and who may send.
    pub(crate) fn add_chats(&self, user: UserId, chats: &[UserChat]) {
        for chat in chats.iter().filter(|chat| chat.partner.is_none()) {
            self.chats.with(chat.id, |entry| entry.update(chat.last_seq, chat.class, chat.send_role));
        }
        let (cleared, new, sockets) = {
            let Some(mut entry) = self.users.get_mut(&user) else { return };
            (entry.cleared(chats), entry.add_chats(chats), entry.sockets.clone())
        };
        for (chat, from_seq) in cleared {
            self.chats.with(chat, |entry| entry.clear(user, from_seq));
        }
        for member in new {
            self.join_late(user, member, None, &sockets);
        }
    }

    /// Adds a chat and announces it to those sockets of the user that cover it. The announcement precedes the first event of a socket
    /// that joins, and contains the chat up to its `last_seq`. A socket whose outbox has no room for it is told to fetch the events.
    pub(crate) fn announce_chat(&self, user: UserId, chat: UserChat, announcement: &Frame) {
        let (id, last_seq) = (chat.id, chat.last_seq);
        let (member, sockets) = {
            let Some(mut entry) = self.users.get_mut(&user) else { return };
            entry.add_chats(&[chat]);
            let Some(membership) = entry.chats.get(&id) else { return };
            (membership.member(), entry.sockets.clone())
        };
        self.join_late(user, member, Some((announcement, last_seq)), &sockets);
    }

    /// Lets sockets of a user join a chat that was added after they were opened. See [`Chat::join_late`].
    pub(super) fn join_late(
        &self,
        user: UserId,
        member: MemberInfo,
        announcement: Option<(&Frame, Seq)>,
        sockets: &[Arc<Socket>],
    ) {
        let chat = member.chat;
        let sockets = sockets.iter().filter(|socket| socket.covers(chat)).collect::<Vec<_>>();
        if sockets.is_empty() {
            return;
        }
        let refused = self.chats.with_or_create(chat, member.last_seq, |entry| {
            sockets.iter().filter(|socket| !entry.join_late(socket, member, announcement)).count()
        });
        self.changed_channels.add([Channel::Chat(chat)]);
        if refused > 0 {
            self.set_outdated(user, &[chat]);
        }
        for socket in sockets {
            self.leave_lost_chats(socket, &[chat]);
        }
    }

    /// Lets a new socket join the listed chats of its user.
    pub(super) fn join(&self, members: &[MemberInfo], socket: &Arc<Socket>) {
        let join = |&member: &MemberInfo| {
            self.chats.with_or_create(member.chat, member.last_seq, |entry| entry.join(socket, member))
        };
        let refused: Vec<_> = members.iter().filter(|member| !join(member)).map(|member| member.chat).collect();
        let chats: Vec<_> = members.iter().map(|member| member.chat).collect();
        self.changed_channels.add(chats.iter().copied().map(Channel::Chat));
        if !refused.is_empty() {
            self.set_outdated(socket.user, &refused);
        }
        self.leave_lost_chats(socket, &chats);
    }

    /// Records that sockets could not join chats, because the list of the user's chats was outdated, and requests a new one.
    fn set_outdated(&self, user: UserId, chats: &[ChatId]) {
        if let Some(mut entry) = self.users.get_mut(&user) {
            for chat in chats {
                if let Some(membership) = entry.chats.get_mut(chat) {
                    membership.set_outdated();
                }
            }
        }
        self.stale_users.add([user]);
    }

    /// Lets a socket leave those of the chats that its user lost while it joined them, or all if it was closed.
    fn leave_lost_chats(&self, socket: &Socket, chats: &[ChatId]) {
        let lost: Vec<ChatId> = {
            let entry = self.users.get(&socket.user);
            let entry = entry.as_ref().filter(|user| user.sockets.iter().any(|other| other.id == socket.id));
            let is_lost = |chat: &&ChatId| entry.is_none_or(|user| !user.chats.contains_key(chat));
            chats.iter().filter(is_lost).copied().collect()
        };
        self.leave_chats(lost, socket.id);
    }

    /// Queues `frame`, which tells a socket that its user is not a member of a chat. Does nothing if the user is one: then an announcement
    /// may precede it. Returns whether nothing is left to do; if not, the outbox has no room.
    pub(crate) fn reject(&self, socket: &Socket, chat: ChatId, frame: &Frame) -> bool {
        // Until the frame is queued, the user cannot become a member.
        let user = self.users.get(&socket.user);
        user.as_ref().is_some_and(|user| user.chats.contains_key(&chat)) || socket.outbox.push_backlog(frame)
    }

    /// Returns whether the socket covers a chat of which its user is a member.
    pub(crate) fn is_joined(&self, socket: &Socket, chat: ChatId) -> bool {
        socket.covers(chat) && self.users.get(&socket.user).is_some_and(|user| user.chats.contains_key(&chat))
    }

    /// Returns the users who see the presence of the user, each with the chats because of which they do.
    pub(crate) fn presence_audience(&self, user: UserId) -> PresenceAudience {
        self.users.get(&user).map(|entry| entry.presence_audience()).unwrap_or_default()
    }

    /// Takes over what the user has set about a chat: events up to `from_seq` no longer exist for the user, and the next receipt may end a
    /// mark as unread although the read marker stays.
    pub(crate) fn apply_settings(&self, user: UserId, chat: ChatId, from_seq: Seq) {
        if let Some(mut entry) = self.users.get_mut(&user)
            && let Some(membership) = entry.chats.get_mut(&chat)
        {
            membership.clear(from_seq);
            membership.forget_read();
        }
        self.chats.with(chat, |entry| entry.clear(user, from_seq));
    }

    /// Returns the size of a chat that has sockets here.
    pub(crate) fn class(&self, chat: ChatId) -> Option<ChatClass> {
        self.chats.with(chat, |entry| entry.class())
    }

    /// Returns the size of a chat in which the user may show that they type. Nobody may in a large chat, and nobody who may not send, as
    /// far as this instance knows.
    pub(crate) fn class_for_typing(&self, user: UserId, chat: ChatId, now: DateTime<Utc>) -> Option<ChatClass> {
        let (class, send_role) = self.chats.with(chat, |entry| (entry.class(), entry.send_role()))?;
        let may_send = self.users.get(&user)?.chats.get(&chat)?.may_send(send_role, now);
        (may_send && class < ChatClass::Large).then_some(class)
    }

    /// Returns a member of a chat who has sockets here.
    pub(crate) fn member_of(&self, chat: ChatId) -> Option<UserId> {
        self.chats.with(chat, |entry| entry.users().next())?
    }

    /// Takes over the size of a chat, who may send, and which of its members see each other's presence. `chat` is what chat-service says
    /// about the chat for `user`.
    ///
    /// A user whose sockets here all cover another chat is left out: that user's list of chats is read again at the next handshake.
    pub(crate) fn update_chat(&self, user: UserId, chat: &UserChat) {
        let users: Option<HashSet<_>> = self.chats.with(chat.id, |entry| {
            entry.update(chat.last_seq, chat.class, chat.send_role);
            entry.users().collect()
        });
        let circle: HashSet<UserId> = chat.presence.iter().copied().chain([user]).collect();
        for member in users.into_iter().flatten() {
            let sees = |other: &UserId| *other != member && !chat.presence.is_empty() && circle.contains(&member);
            let presence = circle.iter().copied().filter(sees).collect();
            if let Some(mut entry) = self.users.get_mut(&member)
                && let Some(membership) = entry.chats.get_mut(&chat.id)
            {
                membership.set_presence(chat.last_seq, presence);
            }
        }
    }

    /// Returns the chats of a user, each with the `joined_seq` of the membership.
    pub(crate) fn memberships(&self, user: UserId) -> Vec<(ChatId, Seq)> {
        let Some(entry) = self.users.get(&user) else { return Vec::new() };
        entry.members().map(|member| (member.chat, member.joined_seq)).collect()
    }

    /// Returns the `joined_seq` of a membership.
    pub(crate) fn joined_seq(&self, user: UserId, chat: ChatId) -> Option<Seq> {
        self.member(user, chat).map(|member| member.joined_seq)
    }

    /// Returns what a chat has to know of a member.
    pub(super) fn member(&self, user: UserId, chat: ChatId) -> Option<MemberInfo> {
        self.users.get(&user)?.chats.get(&chat).map(Membership::member)
    }
}
