//! Durable events, and which frame of an event a member gets.

use chrono::{DateTime, TimeDelta, Utc};
use neonchat_common::{
    chat::{MembershipChange, Role},
    ids::{Seq, UserId},
};

use super::{EventFrames, SocketId};
use crate::protocol::{CHAT_UPDATED, FINAL_TYPES, Frame, MEMBERS_ADDED};

/// How much the clock of this instance may be behind that of the database, which decides when a message disappears.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::seconds(5);

/// A durable event that the chat's sockets have to get.
#[derive(Debug)]
pub(crate) struct DurableEvent {
    pub(crate) seq: Seq,
    /// The user who caused it; `None` for a kind that this version does not know.
    pub(crate) sender: Option<UserId>,
    /// The frames for the sockets. Without one, a socket is told to fetch the event.
    pub(crate) frames: EventFrames,
    /// Who ceases to be a member, or gets another role, with this event.
    pub(crate) membership: Option<MembershipChange>,
    /// When the message that it shows disappears; `None` if it stays.
    pub(crate) expires_at: Option<DateTime<Utc>>,
    /// The sockets that sent it: they get an ack instead.
    pub(crate) exclude: Vec<SocketId>,
}

impl DurableEvent {
    /// Creates an event that changes no membership.
    pub(crate) const fn new(seq: Seq, sender: Option<UserId>, frames: EventFrames) -> Self {
        Self { seq, sender, frames, membership: None, expires_at: None, exclude: Vec::new() }
    }

    /// Returns the frame for a member's sockets. Events up to `from_seq` do not exist for the member.
    pub(crate) fn frame_for(&self, user: UserId, from_seq: Seq, role: Role) -> Option<&Frame> {
        if let Some(hidden) = self.frames.hidden()
            && (hidden.target_seq.is_some_and(|target| target <= from_seq)
                || hidden.for_members && role == Role::Member && !self.is_about(user))
        {
            return Some(&hidden.frame);
        }
        self.frames.get(self.sender == Some(user))
    }

    /// Returns whether no later event changes what this one shows.
    pub(super) fn is_final(&self) -> bool {
        self.frames.kind().is_some_and(|kind| FINAL_TYPES.contains(&kind))
    }

    /// Returns whether it shows a message that has disappeared at a time, or is about to.
    pub(super) fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now + CLOCK_TOLERANCE)
    }

    /// Returns the bytes of the frames.
    pub(super) fn size(&self) -> usize {
        self.frames.size()
    }

    /// Returns whether users become members or cease to be, or settings change, with this event.
    pub(super) fn changes_chat(&self) -> bool {
        self.frames.kind().is_some_and(|kind| [MEMBERS_ADDED, CHAT_UPDATED].contains(&kind))
            || self.membership.as_ref().is_some_and(|change| !change.removed.is_empty())
    }

    /// Returns whether the event is about the membership of a user, and tells nothing of others.
    fn is_about(&self, user: UserId) -> bool {
        self.membership.as_ref().is_some_and(|change| {
            change.closes || change.removed == [user] || change.roles.iter().any(|(other, _)| *other == user)
        })
    }
}
