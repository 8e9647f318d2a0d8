//! The sockets of a chat: which join it, and which leave it because their user ceases to be a member.
//!
//! A removal takes effect when its event is delivered, so nothing after it reaches the sockets of the removed user. Three rules
//! make that hold in every order of arrival:
//! - A removal concerns only sockets that joined for a membership that is older: `joined_seq` < `seq` of the removal. A user who is
//!   known to have joined again stays, and gets no event up to the join.
//! - A socket joins only if the user was a member at a time after every removal that was delivered here
//!   ([`MemberHistory`]). Otherwise the list of chats that says so is outdated.
//! - Missed events go through [`Outbox::push_missed`](crate::hub::outbox::Outbox::push_missed), which refuses them after
//!   `chat_removed`.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use indexmap::map::Entry;
use neonchat_common::{
    chat::{MembershipChange, RemovalReason},
    ids::{ChatId, Seq, UserId},
};

use super::{AppliedChange, Chat, ChatSocket, SocketId};
use crate::{
    close::CloseReason,
    hub::{Socket, user::MemberInfo},
    protocol::{Frame, ServerFrame},
};

/// The most changes of members that are remembered. An outdated list of chats is a few seconds old.
const MAX_REMEMBERED: usize = 256;

/// The last changes of the members of a chat.
#[derive(Debug)]
pub(super) struct MemberHistory {
    /// All changes after this `seq` that were delivered here are remembered.
    since: Seq,
    changes: VecDeque<(Seq, UserId)>,
}

impl MemberHistory {
    pub(super) const fn new(since: Seq) -> Self {
        Self { since, changes: VecDeque::new() }
    }

    fn record(&mut self, seq: Seq, change: &MembershipChange) {
        if change.closes {
            self.since = seq;
        }
        let users = change.removed.iter().chain(change.roles.iter().map(|(user, _)| user));
        self.changes.extend(users.map(|user| (seq, *user)));
        while self.changes.len() > MAX_REMEMBERED {
            let forgotten = self.changes.pop_front();
            self.since = forgotten.map_or(self.since, |(seq, _)| self.since.max(seq));
        }
    }

    /// Returns whether the membership of a user is known to be unchanged since `seq`.
    fn is_unchanged(&self, user: UserId, seq: Seq) -> bool {
        seq >= self.since && !self.changes.iter().any(|&(changed, other)| other == user && changed > seq)
    }
}

impl Chat {
    /// Lets a socket join. Its first event follows what was delivered here, and the event by which its user joined. Returns
    /// whether it is in the chat; if not, `member` is outdated.
    pub(in crate::hub) fn join(&mut self, socket: &Arc<Socket>, member: MemberInfo) -> bool {
        // The members of a direct chat stay.
        let is_current = member.is_direct
            || member.last_seq + 1 >= self.next
            || self.members.is_unchanged(socket.user, member.last_seq);
        let MemberInfo { joined_seq, from_seq, role, class, send_role, .. } = member;
        self.update(member.last_seq, class, send_role);
        let cursor = (self.next - 1).max(joined_seq).max(from_seq);
        match self.socket(socket.id) {
            Some(entry) if is_current && entry.joined_seq < joined_seq => {
                // The user has joined again. The removal is still to be delivered, and ends nothing.
                (entry.joined_seq, entry.from_seq, entry.role) = (joined_seq, from_seq, role);
                entry.skip_until_joined();
            }
            Some(_) => {}
            None if !is_current => return false,
            None => {
                let entry = ChatSocket {
                    socket: Arc::clone(socket),
                    role,
                    from_seq,
                    joined_seq,
                    join_cursor: cursor,
                    cursor,
                    skipped: 0,
                    is_catching_up: false,
                    has_caught_up: false,
                };
                self.sockets.insert(socket.id, entry);
            }
        }
        true
    }

    /// Like [`Chat::join`], for a socket that was opened before this instance knew the chat, or that its user has joined again.
    /// `announcement` is a frame for the client, with the `seq` up to which it contains the chat. Without it, or if the outbox has
    /// no room for it, the client is told to fetch the events that it cannot know.
    pub(in crate::hub) fn join_late(
        &mut self,
        socket: &Arc<Socket>,
        member: MemberInfo,
        announcement: Option<(&Frame, Seq)>,
    ) -> bool {
        let is_rejoin = match self.socket(socket.id) {
            None => false,
            Some(entry) if entry.joined_seq < member.joined_seq => true,
            Some(_) => {
                if let Some((frame, _)) = announcement {
                    socket.outbox.push_announcement(frame);
                }
                return true;
            }
        };
        // Events up to the join are not sent, even if they are still to be delivered.
        let head = if is_rejoin { member.joined_seq } else { (self.next - 1).max(member.joined_seq) };
        if !self.join(socket, member) {
            return false;
        }
        let announced = announcement.filter(|(frame, _)| socket.outbox.push_announcement(frame));
        let known = announced.map_or(0, |(_, last_seq)| last_seq).max(member.from_seq);
        let chat = self.id;
        // While it catches up, `ChatSocket::release` does this.
        if let Some(entry) = self.socket(socket.id).filter(|entry| !entry.is_catching_up && head > known) {
            entry.leave_out(chat, known + 1, head);
        }
        true
    }

    /// Hides events up to `from_seq` from the sockets of a user, also those that are still to be delivered or sent.
    pub(in crate::hub) fn clear(&mut self, user: UserId, from_seq: Seq) {
        for entry in self.sockets.values_mut().filter(|entry| entry.socket.user == user) {
            entry.from_seq = entry.from_seq.max(from_seq);
            if entry.cursor < entry.from_seq {
                entry.skip_until(entry.from_seq);
            }
        }
    }

    /// Removes a socket. Returns whether it was in the chat.
    pub(in crate::hub) fn leave(&mut self, socket: SocketId) -> bool {
        self.sockets.swap_remove(&socket).is_some()
    }

    /// Applies the change of members of a delivered event.
    pub(super) fn apply(&mut self, seq: Seq, change: MembershipChange) {
        self.members.record(seq, &change);
        for &(user, role) in &change.roles {
            for entry in self.sockets.values_mut().filter(|entry| entry.socket.user == user && entry.joined_seq < seq) {
                entry.role = role;
            }
        }
        let removed: HashSet<UserId> = change.removed.iter().copied().collect();
        if change.closes || !removed.is_empty() {
            let frame = removed_frame(self.id, change.reason);
            let chat = self.id;
            self.sockets.retain(|_, entry| {
                if !change.closes && !removed.contains(&entry.socket.user) {
                    return true;
                }
                let is_member_again = entry.joined_seq >= seq;
                if !is_member_again {
                    entry.remove(chat, &frame);
                }
                is_member_again
            });
        }
        self.applied.push(AppliedChange { seq, change });
    }

    /// Returns the delivered changes of members that were not returned before.
    pub(in crate::hub) fn take_applied(&mut self) -> Vec<AppliedChange> {
        std::mem::take(&mut self.applied)
    }

    /// Removes those of the sockets that joined for a membership up to `joined_seq`.
    pub(in crate::hub) fn remove_sockets(&mut self, sockets: &[Arc<Socket>], joined_seq: Seq, reason: RemovalReason) {
        let frame = removed_frame(self.id, reason);
        for socket in sockets {
            if let Entry::Occupied(entry) = self.sockets.entry(socket.id)
                && entry.get().joined_seq <= joined_seq
            {
                entry.swap_remove().remove(self.id, &frame);
            }
        }
    }

    /// Removes all sockets.
    pub(in crate::hub) fn remove_all(&mut self, reason: RemovalReason) {
        let (chat, frame) = (self.id, removed_frame(self.id, reason));
        for (_, entry) in self.sockets.drain(..) {
            entry.remove(chat, &frame);
        }
    }

    /// Returns the user of each socket in the chat.
    pub(in crate::hub) fn users(&self) -> impl Iterator<Item = UserId> {
        self.sockets.values().map(|entry| entry.socket.user)
    }

    pub(in crate::hub) fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }
}

impl ChatSocket {
    /// Skips what happened before the present membership.
    fn skip_until_joined(&mut self) {
        self.skipped = 0;
        self.skip_until(self.joined_seq);
    }

    /// Skips the events up to `seq`. While the socket catches up, chat-service selects the events that exist for the member.
    fn skip_until(&mut self, seq: Seq) {
        self.skipped = self.skipped.max(seq);
        if !self.is_catching_up {
            self.pass_skipped();
        }
    }

    /// Moves the cursor behind the events that are skipped.
    pub(super) fn pass_skipped(&mut self) {
        // What was sent since the socket joined is not sent again.
        self.has_caught_up |= self.cursor > self.join_cursor;
        self.cursor = self.cursor.max(self.skipped);
        self.join_cursor = self.cursor;
    }

    /// Tells the client to fetch events. They precede those that are sent later, so they are not sent any more, also if the client
    /// asks for them.
    pub(super) fn leave_out(&mut self, chat: ChatId, from: Seq, head: Seq) {
        self.socket.outbox.mark_lagged(chat, from, head);
        self.has_caught_up = true;
    }

    /// Tells the client that its user is not a member any more.
    fn remove(&self, chat: ChatId, frame: &Frame) {
        self.socket.outbox.push_removal(chat, frame);
        if self.socket.scope == Some(chat) {
            self.socket.outbox.close(CloseReason::Removed);
        }
    }
}

fn removed_frame(chat_id: ChatId, reason: RemovalReason) -> Frame {
    ServerFrame::ChatRemoved { chat_id, reason }.encode()
}
