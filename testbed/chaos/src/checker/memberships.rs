//! Who was a member of which chat, and when.

use std::collections::HashMap;

use neonchat_common::ids::{ChatId, Seq, UserId};

use super::{
    changes::{Changes, acked},
    evidence::{ChangeKind, ChangeRow, Chat, Evidence, Moment},
    verdict::{Breach, Verdict},
};

/// A time in which a user was a member of a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Membership {
    /// The event by which the user became a member; 0 for a founder.
    joined: Seq,
    /// Events up to this `seq` do not exist for the member.
    from: Seq,
    /// The event by which the membership ended.
    removed: Option<Seq>,
    /// When this event was acked.
    removal_acked: Option<Moment>,
}

impl Membership {
    const fn founder() -> Self {
        Self { joined: 0, from: 0, removed: None, removal_acked: None }
    }

    fn ends_before(&self, seq: Seq) -> bool {
        self.removed.is_some_and(|removed| removed < seq)
    }

    /// Returns whether an event exists for the member.
    fn shows(&self, seq: Seq) -> bool {
        self.from < seq && !self.ends_before(seq)
    }
}

/// The memberships of a user in a chat, in order.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Periods<'a>(&'a [Membership]);

impl Periods<'_> {
    /// Returns whether the user was ever a member.
    pub(super) const fn exist(self) -> bool {
        !self.0.is_empty()
    }

    /// Returns the `seq` up to which nothing exists for the user, if the user is a member at the end.
    pub(super) fn last_from(self) -> Option<Seq> {
        self.0.last().filter(|last| last.removed.is_none()).map(|last| last.from)
    }

    /// Returns whether the user was a member at this event. It may be the one by which the user joined, left or was removed.
    pub(super) fn include(self, seq: Seq) -> bool {
        self.0.iter().any(|period| period.joined <= seq && !period.ends_before(seq))
    }

    /// Returns whether an open socket of the user has to get this event.
    pub(super) fn deliver(self, seq: Seq) -> bool {
        self.0.iter().any(|period| period.joined < seq && !period.ends_before(seq))
    }

    /// Returns whether an event may reach a socket that was told of a removal at `removed` or later.
    pub(super) fn show_after(self, removed: Option<Seq>, seq: Seq) -> bool {
        let is_later = |period: &Membership| removed.is_none_or(|removed| period.joined > removed);
        self.0.iter().any(|period| is_later(period) && period.shows(seq))
    }

    /// Returns whether the event `seq` exists for the user, but not the message `target` that it is about.
    pub(super) fn hide_text_in(self, target: Seq, seq: Seq) -> bool {
        let mut shown = self.0.iter().filter(|period| period.shows(seq)).peekable();
        shown.peek().is_some() && shown.all(|period| period.from >= target)
    }

    /// Returns whether the text of the message `target` may be missing in an event: in a membership, the message does not exist.
    pub(super) fn hide_text(self, target: Seq) -> bool {
        self.0.iter().any(|period| period.from >= target)
    }

    /// Returns whether an answer to a request that began at this time may contain an event.
    pub(super) fn show_at(self, begun: Moment, seq: Seq) -> bool {
        let is_over = |period: &Membership| period.removal_acked.is_some_and(|acked| acked < begun);
        self.0.iter().any(|period| period.shows(seq) && !is_over(period))
    }

    /// Returns the event by which the membership ended that includes `seq`.
    pub(super) fn removal_after(self, seq: Seq) -> Option<Seq> {
        self.0.iter().find(|period| !period.ends_before(seq)).and_then(|period| period.removed)
    }

    /// Returns the `seq` up to which nothing exists for the user, in the membership in which this event does.
    pub(super) fn begin_of(self, seq: Seq) -> Option<Seq> {
        self.0.iter().find(|period| period.shows(seq)).map(|period| period.from)
    }

    /// Returns the event by which the user had joined before `seq`, for the last time.
    pub(super) fn joined_before(self, seq: Seq) -> Option<Seq> {
        self.0.iter().rev().map(|period| period.joined).find(|joined| *joined < seq)
    }
}

/// The memberships of all users in all chats.
#[derive(Debug, Default)]
pub(super) struct Memberships {
    periods: HashMap<(ChatId, UserId), Vec<Membership>>,
    /// The number of members after each event that changed it.
    counts: HashMap<(ChatId, Seq), i64>,
}

impl Memberships {
    /// Applies all additions and removals. Each must change the membership of all its users.
    pub(super) fn of(evidence: &Evidence, changes: &Changes<'_>, verdict: &mut Verdict) -> Self {
        let mut this = Self::default();
        for (id, chat) in &evidence.chats {
            for user in &chat.founders {
                this.periods.insert((*id, *user), vec![Membership::founder()]);
            }
            let mut count = chat.founders.len();
            for row in &chat.changes {
                match row.kind {
                    ChangeKind::Addition => count += row.users.len(),
                    ChangeKind::Removal => count = count.saturating_sub(row.users.len()),
                    _ => continue,
                }
                this.counts.insert((*id, row.seq), i64::try_from(count).unwrap_or(i64::MAX));
                this.apply(*id, chat, row, changes, verdict);
            }
        }
        this
    }

    fn apply(&mut self, id: ChatId, chat: &Chat, row: &ChangeRow, changes: &Changes<'_>, verdict: &mut Verdict) {
        for user in &row.users {
            let periods = self.periods.entry((id, *user)).or_default();
            let current = periods.last_mut().filter(|last| last.removed.is_none());
            match (row.kind, current) {
                (ChangeKind::Removal, Some(current)) => {
                    current.removed = Some(row.seq);
                    current.removal_acked = changes.get(row).and_then(acked).map(|(at, _)| at);
                }
                (ChangeKind::Addition, None) => {
                    let from = if chat.shows_history { 0 } else { row.seq - 1 };
                    periods.push(Membership { joined: row.seq, from, removed: None, removal_acked: None });
                }
                (kind, _) => {
                    verdict.add(Breach::Order, || format!("{id} #{}: the {kind:?} of {user} changes nothing", row.seq));
                }
            }
        }
    }

    /// Returns the memberships of a user in a chat.
    pub(super) fn get(&self, chat: ChatId, user: UserId) -> Periods<'_> {
        Periods(self.periods.get(&(chat, user)).map(Vec::as_slice).unwrap_or_default())
    }

    /// Returns the members of a chat at the end.
    pub(super) fn members(&self, chat: ChatId) -> impl Iterator<Item = UserId> {
        let of_chat = self.periods.iter().filter(move |((of, _), _)| *of == chat);
        of_chat.filter(|(_, periods)| Periods(periods).last_from().is_some()).map(|((_, user), _)| *user)
    }

    /// Returns the number of members after an addition or a removal.
    pub(super) fn count_after(&self, chat: ChatId, seq: Seq) -> Option<i64> {
        self.counts.get(&(chat, seq)).copied()
    }

    /// Everything that is stored was written by a member.
    pub(super) fn check(&self, evidence: &Evidence, verdict: &mut Verdict) {
        for (id, chat) in &evidence.chats {
            let messages = chat.rows.iter().map(|row| (row.message.seq, row.message.sender));
            // An event that gathers reactions names nobody.
            let changes = chat.changes.iter().filter(|row| row.kind != ChangeKind::Gathered);
            for (seq, user) in messages.chain(changes.map(|row| (row.seq, row.actor))) {
                if !self.get(*id, user).include(seq) {
                    verdict.add(Breach::AfterRemoval, || format!("{id} #{seq} is of {user}, who was not a member"));
                }
            }
        }
    }
}
