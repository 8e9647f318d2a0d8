//! A user with sockets on this instance, or with a reservation.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use indexmap::IndexMap;
use neonchat_common::{
    bus::EndedSessions,
    chat::{ChatClass, Role},
    ids::{ChatId, Seq, TokenId, UserId},
    token::TokenRef,
};

use super::{PresenceAudience, Socket, receipts::KnownMarkers};
use crate::close::CloseReason;

/// How many revocations of a user are remembered. A handshake or an `auth` takes at most two seconds.
const MAX_REVOCATIONS: usize = 16;

/// How many removals of a user are remembered. An outdated list of chats is a few seconds old.
const MAX_REMOVED: usize = 256;

/// A chat of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserChat {
    pub(crate) id: ChatId,
    /// The head of the chat at a time at which the user was a member.
    pub(crate) last_seq: Seq,
    /// The other member of a direct chat.
    pub(crate) partner: Option<UserId>,
    /// The users who see the presence of the user because of the chat.
    pub(crate) presence: Vec<UserId>,
    /// Events up to this `seq` do not exist for the user.
    pub(crate) from_seq: Seq,
    pub(crate) class: ChatClass,
    pub(crate) role: Role,
    /// The head of the chat when the user joined, or later. Removals up to this `seq` concern an earlier membership.
    pub(crate) joined_seq: Seq,
    /// The lowest role that may send.
    pub(crate) send_role: Role,
    /// Until then the user may only read.
    pub(crate) restricted_until: Option<DateTime<Utc>>,
    /// The access version of the chat at a time at which the user was a member; `None` if chat-service is a version that does not tell.
    /// It grows with every removal.
    pub(crate) access_version: Option<i32>,
}

/// What a chat has to know of a member.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemberInfo {
    pub(crate) chat: ChatId,
    pub(crate) is_direct: bool,
    /// The head of the chat at a time at which the user was a member.
    pub(crate) last_seq: Seq,
    pub(crate) from_seq: Seq,
    pub(crate) joined_seq: Seq,
    pub(crate) role: Role,
    pub(crate) class: ChatClass,
    pub(crate) send_role: Role,
}

impl UserChat {
    /// Returns a direct chat with a partner.
    pub(crate) fn direct(id: ChatId, last_seq: Seq, partner: UserId) -> Self {
        Self {
            id,
            last_seq,
            partner: Some(partner),
            presence: vec![partner],
            from_seq: 0,
            class: ChatClass::Small,
            role: Role::Member,
            joined_seq: 0,
            send_role: Role::Member,
            restricted_until: None,
            access_version: None,
        }
    }

    pub(super) const fn member(&self) -> MemberInfo {
        let Self { id, last_seq, partner, from_seq, role, joined_seq, class, send_role, .. } = *self;
        MemberInfo { chat: id, is_direct: partner.is_some(), last_seq, from_seq, joined_seq, role, class, send_role }
    }
}

/// What is revoked.
#[derive(Debug)]
pub(crate) enum Revocation {
    /// One token.
    Token(TokenId),
    /// The tokens of sessions.
    Sessions(EndedSessions),
}

impl Revocation {
    fn covers(&self, token: &TokenRef) -> bool {
        match self {
            Self::Token(id) => token.jti == *id,
            Self::Sessions(ended) => ended.revoke(token),
        }
    }
}

/// A user's entry in the hub.
#[derive(Debug, Default)]
pub(super) struct User {
    /// The number of handshakes and sockets that need this entry.
    pub(super) refcount: usize,
    pub(super) sockets: Vec<Arc<Socket>>,
    /// The last revocations: a concurrent handshake or `auth` may still use a revoked token.
    revocations: VecDeque<Revocation>,
    /// The chats of which the user is a member.
    pub(super) chats: HashMap<ChatId, Membership>,
    /// The last removals from chats. A list of chats that is older than the removal does not add the chat.
    removed: IndexMap<ChatId, Removal>,
}

/// The end of a membership.
#[derive(Clone, Copy, Debug)]
pub(super) struct Removal {
    /// It ends memberships with at most this `joined_seq`.
    pub(super) up_to: Seq,
    /// A later membership is known from this `last_seq` on.
    pub(super) since: Seq,
    /// A later membership is known from this access version on. It tells memberships apart that have no event between them.
    pub(super) access_version: Option<i32>,
}

impl Removal {
    /// Returns the removal by an event with this `seq`.
    pub(super) const fn by_event(seq: Seq) -> Self {
        Self { up_to: seq - 1, since: seq, access_version: None }
    }

    /// Returns whether it ends a membership. `chat` is what was said last of the membership.
    fn ends(&self, chat: &UserChat) -> bool {
        let versions = chat.access_version.zip(self.access_version);
        chat.joined_seq <= self.up_to && versions.is_none_or(|(known, removal)| known < removal)
    }

    /// Returns whether a list of chats or an announcement says what was true before the removal.
    fn is_after(&self, chat: &UserChat) -> bool {
        let versions = chat.access_version.zip(self.access_version);
        chat.last_seq < self.since || versions.is_some_and(|(listed, removal)| listed < removal)
    }
}

/// A user's membership of a chat.
#[derive(Debug)]
pub(super) struct Membership {
    chat: UserChat,
    /// The head of the chat when the users in `chat.presence` were listed.
    presence_seq: Seq,
    /// Whether a socket could not join, because the list of chats was outdated. The next list lets it join.
    is_outdated: bool,
    pub(super) markers: KnownMarkers,
}

impl Membership {
    fn new(chat: &UserChat) -> Self {
        let (chat, presence_seq) = (chat.clone(), chat.last_seq);
        Self { chat, presence_seq, is_outdated: false, markers: KnownMarkers::default() }
    }

    pub(super) const fn member(&self) -> MemberInfo {
        self.chat.member()
    }

    /// Records who sees the presence of the user because of the chat, as listed when the head of the chat was `seq`.
    pub(super) fn set_presence(&mut self, seq: Seq, presence: Vec<UserId>) {
        if self.presence_seq <= seq {
            (self.presence_seq, self.chat.presence) = (seq, presence);
        }
    }

    /// Records that the user gets another role with an event.
    pub(super) fn set_role(&mut self, seq: Seq, role: Role) {
        if self.chat.last_seq < seq {
            (self.chat.role, self.chat.last_seq) = (role, seq);
        }
    }

    /// Returns whether the user may send, as far as this instance knows, if `send_role` is the lowest role that may.
    pub(super) fn may_send(&self, send_role: Role, now: DateTime<Utc>) -> bool {
        self.chat.role >= send_role && self.chat.restricted_until.is_none_or(|until| until <= now)
    }

    /// Records that a socket could not join.
    pub(super) const fn set_outdated(&mut self) {
        self.is_outdated = true;
    }

    /// Records that events up to `from_seq` no longer exist for the user.
    pub(super) fn clear(&mut self, from_seq: Seq) {
        self.chat.from_seq = self.chat.from_seq.max(from_seq);
    }

    /// Forgets what is known of the read marker, so that chat-service is asked about the next receipt.
    pub(super) fn forget_read(&mut self) {
        self.markers = KnownMarkers::default();
    }

    /// Takes over what a list of chats or an announcement says. Returns whether sockets have to join the chat, because the user
    /// has joined again, or because they could not join before.
    fn update(&mut self, chat: &UserChat) -> bool {
        let is_rejoin = chat.joined_seq > self.chat.joined_seq;
        let joined_seq = self.chat.joined_seq.max(chat.joined_seq);
        let access_version = self.chat.access_version.max(chat.access_version);
        // Within a membership it only grows. The list may be older than what is known.
        let from_seq = if is_rejoin { chat.from_seq } else { self.chat.from_seq.max(chat.from_seq) };
        if chat.last_seq >= self.chat.last_seq {
            let presence = std::mem::replace(&mut self.chat, chat.clone()).presence;
            (self.chat.joined_seq, self.chat.from_seq) = (joined_seq, from_seq);
            if chat.last_seq < self.presence_seq {
                self.chat.presence = presence;
            } else {
                self.presence_seq = chat.last_seq;
            }
        }
        self.chat.access_version = access_version;
        std::mem::take(&mut self.is_outdated) || is_rejoin
    }
}

impl User {
    /// Adds chats. Returns those that sockets have to join.
    pub(super) fn add_chats(&mut self, chats: &[UserChat]) -> Vec<MemberInfo> {
        let mut new = Vec::new();
        for chat in chats {
            match self.removed.get(&chat.id) {
                Some(removal) if removal.is_after(chat) => continue,
                Some(_) => drop(self.removed.shift_remove(&chat.id)),
                None => {}
            }
            match self.chats.entry(chat.id) {
                Entry::Occupied(mut known) => {
                    if known.get_mut().update(chat) {
                        new.push(known.get().member());
                    }
                }
                Entry::Vacant(unknown) => new.push(unknown.insert(Membership::new(chat)).member()),
            }
        }
        new
    }

    /// Returns those of the listed chats that the user has cleared further than is known here.
    pub(super) fn cleared(&self, chats: &[UserChat]) -> Vec<(ChatId, Seq)> {
        let is_cleared = |chat: &&UserChat| {
            let known = self.chats.get(&chat.id).map(Membership::member);
            known.is_some_and(|known| known.joined_seq == chat.joined_seq && known.from_seq < chat.from_seq)
        };
        chats.iter().filter(is_cleared).map(|chat| (chat.id, chat.from_seq)).collect()
    }

    /// Returns what the chats have to know of the user.
    pub(super) fn members(&self) -> impl Iterator<Item = MemberInfo> {
        self.chats.values().map(Membership::member)
    }

    /// Removes a chat if the removal concerns the user's membership. Returns whether it does.
    pub(super) fn remove_chat(&mut self, chat: ChatId, removal: Removal) -> bool {
        let Entry::Occupied(membership) = self.chats.entry(chat) else {
            // A list from before the removal may be on its way. Of a removal by an event, the chat knows.
            if removal.access_version.is_some() {
                self.remember_removal(chat, removal);
            }
            return false;
        };
        let is_concerned = removal.ends(&membership.get().chat);
        if is_concerned {
            membership.remove();
            self.remember_removal(chat, removal);
        }
        is_concerned
    }

    fn remember_removal(&mut self, chat: ChatId, removal: Removal) {
        let known = self.removed.entry(chat).or_insert(removal);
        known.since = known.since.max(removal.since);
        known.access_version = known.access_version.max(removal.access_version);
        if self.removed.len() > MAX_REMOVED {
            self.removed.shift_remove_index(0);
        }
    }

    /// Forgets the removals. Returns whether there were any.
    pub(super) fn forget_removals(&mut self) -> bool {
        !std::mem::take(&mut self.removed).is_empty()
    }

    /// Returns the users who see the presence of this user, each with the chats because of which they do.
    pub(super) fn presence_audience(&self) -> PresenceAudience {
        let mut audience = PresenceAudience::new();
        for (chat, membership) in &self.chats {
            for user in &membership.chat.presence {
                audience.entry(*user).or_default().push(*chat);
            }
        }
        audience
    }

    /// Closes the sockets that use a revoked token.
    pub(super) fn revoke(&mut self, revocation: Revocation) {
        for socket in self.sockets.iter().filter(|socket| revocation.covers(&socket.token())) {
            socket.outbox.close(CloseReason::Revoked);
        }
        if self.revocations.len() == MAX_REVOCATIONS {
            self.revocations.pop_front();
        }
        self.revocations.push_back(revocation);
    }

    /// Adds a socket. Closes it if its token was revoked during the handshake.
    pub(super) fn add(&mut self, socket: &Arc<Socket>) {
        self.sockets.push(Arc::clone(socket));
        self.close_if_revoked(socket);
    }

    /// Replaces the token of a socket. Closes the socket if the token was revoked after chat-service checked it.
    pub(super) fn replace_token(&mut self, socket: &Socket, token: TokenRef) {
        socket.replace_token(token);
        self.close_if_revoked(socket);
    }

    fn close_if_revoked(&self, socket: &Socket) {
        let token = socket.token();
        if self.revocations.iter().any(|revocation| revocation.covers(&token)) {
            socket.outbox.close(CloseReason::Revoked);
        }
    }
}
