//! Groups: a member is added and removed.

use std::collections::BTreeSet;

use neonchat_common::ids::{ChatId, SendId, Seq};

use super::{Changing, GUEST, Model};
use crate::checker::{Action, Change, ChangeKind, ChangeRow, Event, Moment, What};

impl Model {
    /// Creates a group. The guest is not a member yet.
    pub(in crate::checker::tests) fn group(shows_history: bool) -> Self {
        let mut this = Self::new();
        this.evidence.chats.get_mut(&this.chat).expect("the chat").shows_history = shows_history;
        this
    }

    pub(in crate::checker::tests) const fn has_guest(&self) -> bool {
        self.guest.is_some()
    }

    /// Adds the guest. Returns the `seq` of the event.
    pub(in crate::checker::tests) fn add_guest(&mut self, owner: usize, changing: Changing) -> Seq {
        let users = BTreeSet::from([self.evidence.clients[GUEST].user]);
        self.change_group(owner, ChangeKind::Addition, Action::Add { users }, changing, |this, seq| {
            this.deliver_to_all(seq);
            let from = if this.chat().shows_history { 0 } else { seq - 1 };
            this.guest = Some((from, seq));
            this.log(GUEST, Event::Joined { chat: this.chat, head: seq });
            (from + 1..=seq).for_each(|seq| this.fetch(GUEST, seq));
            this.cursors[GUEST] = seq;
        })
    }

    /// Removes the guest. Returns the `seq` of the event.
    pub(in crate::checker::tests) fn remove_guest(&mut self, owner: usize, changing: Changing) -> Seq {
        let users = BTreeSet::from([self.evidence.clients[GUEST].user]);
        self.change_group(owner, ChangeKind::Removal, Action::Remove { users }, changing, |this, seq| {
            this.deliver_to_all(seq);
            this.log(GUEST, Event::Left { chat: this.chat });
            (this.guest, this.cursors[GUEST]) = (None, 0);
        })
    }

    /// Makes a member an admin. Returns the `seq` of the event.
    pub(in crate::checker::tests) fn set_admin(&mut self, owner: usize, member: usize) -> Seq {
        let action = Action::SetRole { user: self.evidence.clients[member].user, admin: true };
        self.change_group(owner, ChangeKind::Role, action, Changing::Applied, Self::deliver_to_all)
    }

    /// Gives the group another title. Returns the `seq` of the event.
    pub(in crate::checker::tests) fn rename(&mut self, owner: usize) -> Seq {
        let action = Action::Rename { title: SendId::new().to_string() };
        self.change_group(owner, ChangeKind::Title, action, Changing::Done, Self::deliver_to_all)
    }

    fn change_group(
        &mut self,
        owner: usize,
        kind: ChangeKind,
        action: Action,
        changing: Changing,
        apply: impl FnOnce(&mut Self, Seq),
    ) -> Seq {
        let (request, begun) = (SendId::new(), self.now());
        let users = match &action {
            Action::Add { users } | Action::Remove { users } => users.clone(),
            Action::SetRole { user, .. } => [*user].into(),
            _ => BTreeSet::new(),
        };
        let owner_id = self.evidence.clients[owner].user;
        self.evidence.clients[owner].changes.insert(request, change(self.chat, action.clone(), begun));
        if changing != Changing::Refused {
            self.count += 1;
            let seq = self.count;
            let (created_at, messages) = (10 * seq, BTreeSet::new());
            self.store_change(ChangeRow { seq, actor: owner_id, request, created_at, kind, messages, users });
            apply(self, seq);
        }
        self.answer(owner, request, action, begun, changing);
        self.count
    }

    /// Returns the content of an event of the group.
    pub(super) fn group_event(&self, row: &ChangeRow) -> What {
        let change =
            self.evidence.clients.iter().find_map(|client| client.changes.get(&row.request)).expect("a change");
        let users = row.users.clone();
        match change.action.clone() {
            Action::Add { .. } => What::Added { users, members: 3 },
            Action::Remove { .. } => What::Removed { users, members: 2 },
            Action::SetRole { user, admin } => What::RoleSet { user, admin },
            Action::Rename { title } => What::Renamed(title),
            Action::Edit { .. } | Action::Delete { .. } | Action::React { .. } => unreachable!("an event of a message"),
        }
    }
}

/// A change that has no answer yet.
fn change(chat: ChatId, action: Action, begun: Moment) -> Change {
    Change { chat, action, begun, attempts: 0, answers: Vec::new() }
}
