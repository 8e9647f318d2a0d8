//! The end of memberships: by an event of the chat, or because chat-service does not list them any more.
//!
//! By an event, the sockets leave the chat first, under the lock of the chat. Then the user's entry loses the chat. Without one, the
//! entry is first and names the sockets, so that a user who leaves a chat of 10,000 costs no search. In between, a socket that closes stays
//! in the chat, and is removed with the others. A socket that joins meanwhile looks at the entry afterwards, and leaves.

use std::sync::Arc;

use dashmap::mapref::{multiple::RefMutMulti, one::RefMut};
use neonchat_common::{
    bus::Channel,
    chat::{MembershipChange, RemovalReason},
    ids::{ChatId, Seq, UserId},
};

use super::{
    Hub, Socket,
    chat::AppliedChange,
    user::{Removal, User},
};

impl Hub {
    /// Applies delivered changes of members to the entries of the users.
    pub(super) fn apply_to_users(&self, chat: ChatId, applied: Vec<AppliedChange>) {
        if applied.is_empty() {
            return;
        }
        for AppliedChange { seq, change } in applied {
            self.apply_change(chat, seq, &change);
        }
        self.remove_empty_chat(chat);
    }

    /// Applies a change of members to the entries of the users.
    pub(super) fn apply_change(&self, chat: ChatId, seq: Seq, change: &MembershipChange) {
        if change.closes {
            self.remove_from_all(chat, Removal::by_event(seq));
        }
        for user in &change.removed {
            self.remove_from_user(*user, chat, Removal::by_event(seq));
        }
        for (user, role) in &change.roles {
            if let Some(mut entry) = self.users.get_mut(user)
                && let Some(membership) = entry.chats.get_mut(&chat)
            {
                membership.set_role(seq, *role);
                drop(entry);
                // The event may also restrict the member. The list of the user's chats tells until when.
                self.stale_users.add([*user]);
            }
        }
    }

    /// Removes a user from a chat, because chat-service does not list the user's membership with this `joined_seq` any more. Returns
    /// whether the user was a member here.
    ///
    /// A user who has joined again since, without an event between, has a membership with the same `joined_seq`. So the user's list of
    /// chats is requested.
    pub(crate) fn remove_unlisted(&self, user: UserId, chat: ChatId, joined_seq: Seq) -> bool {
        let removal = Removal { up_to: joined_seq, since: joined_seq, access_version: None };
        let is_removed = self.joined_seq(user, chat) == Some(joined_seq)
            && self.remove_without_event(user, chat, removal, RemovalReason::Gone);
        if is_removed {
            self.stale_users.add([user]);
        }
        is_removed
    }

    /// Removes a user who left a chat without an event of the chat. Returns whether the user was a member here.
    ///
    /// `access_version` is that of the chat without the user. A membership that is known from this version or a later one is newer, and
    /// stays. A list of chats from an earlier one is older, also if it arrives later. Without a version both are in doubt, so the user's
    /// list of chats is requested.
    pub(crate) fn remove_leaver(
        &self,
        user: UserId,
        chat: ChatId,
        access_version: Option<i32>,
        reason: RemovalReason,
    ) -> bool {
        let joined_seq = self.joined_seq(user, chat).unwrap_or(0);
        let removal = Removal { up_to: joined_seq, since: joined_seq, access_version };
        let is_removed = self.remove_without_event(user, chat, removal, reason);
        self.stale_users.add([user]);
        is_removed
    }

    fn remove_without_event(&self, user: UserId, chat: ChatId, removal: Removal, reason: RemovalReason) -> bool {
        let Some(sockets) = self.remove_from_user(user, chat, removal) else { return false };
        self.chats.with(chat, |entry| entry.remove_sockets(&sockets, removal.up_to, reason));
        // The user may have joined again in between. The sockets were still in the chat then.
        if let Some(member) = self.member(user, chat) {
            self.join_late(user, member, None, &sockets);
        }
        self.remove_empty_chat(chat);
        true
    }

    /// Removes all sockets from a chat that chat-service does not have any more.
    pub(crate) fn remove_chat(&self, chat: ChatId) {
        self.chats.with(chat, |entry| entry.remove_all(RemovalReason::Gone));
        self.remove_from_all(chat, Removal::by_event(Seq::MAX));
        self.remove_empty_chat(chat);
    }

    /// Removes a chat from a user's entry. Returns the user's sockets, or `None` if the removal concerns no membership here.
    fn remove_from_user(&self, user: UserId, chat: ChatId, removal: Removal) -> Option<Vec<Arc<Socket>>> {
        let remove =
            |mut entry: RefMut<'_, UserId, User>| entry.remove_chat(chat, removal).then(|| entry.sockets.clone());
        let sockets = self.users.get_mut(&user).and_then(remove)?;
        self.typing.end(user, chat);
        Some(sockets)
    }

    fn remove_from_all(&self, chat: ChatId, removal: Removal) {
        let remove = |mut entry: RefMutMulti<'_, UserId, User>| entry.remove_chat(chat, removal).then(|| *entry.key());
        let removed: Vec<_> = self.users.iter_mut().filter_map(remove).collect();
        for user in removed {
            self.typing.end(user, chat);
        }
    }

    /// Forgets the removals of all users, and requests the lists of their chats: a refused list does not come again.
    pub(super) fn forget_removals(&self) {
        let forget = |mut entry: RefMutMulti<'_, UserId, User>| entry.forget_removals().then(|| *entry.key());
        let users: Vec<_> = self.users.iter_mut().filter_map(forget).collect();
        self.stale_users.add(users);
    }

    fn remove_empty_chat(&self, chat: ChatId) {
        if self.chats.remove_if_empty(chat) {
            self.changed_channels.add([Channel::Chat(chat)]);
        }
    }
}

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
