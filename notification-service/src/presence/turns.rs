//! Whose turn it is to be settled.

use std::collections::{HashSet, VecDeque};

use neonchat_common::ids::UserId;

/// Users that have to be settled, the first come first. Each waits at most once, and none is settled twice at once; so a user
/// whose settling takes long, since there are many to be told, takes one turn and no more.
#[derive(Debug, Default)]
pub(super) struct Turns {
    waiting: VecDeque<UserId>,
    /// Those who wait, or are to wait again once they are settled.
    is_due: HashSet<UserId>,
    settling: HashSet<UserId>,
}

impl Turns {
    /// These have to be settled.
    pub(super) fn add(&mut self, users: impl IntoIterator<Item = UserId>) {
        for user in users {
            if self.is_due.insert(user) && !self.settling.contains(&user) {
                self.waiting.push_back(user);
            }
        }
    }

    /// Begins to settle the next one.
    pub(super) fn begin(&mut self) -> Option<UserId> {
        let user = self.waiting.pop_front()?;
        self.is_due.remove(&user);
        self.settling.insert(user);
        Some(user)
    }

    /// A user is settled, or could not be.
    pub(super) fn end(&mut self, user: UserId) {
        self.settling.remove(&user);
        if self.is_due.contains(&user) {
            self.waiting.push_back(user);
        }
    }

    /// Whether somebody waits.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_settled_twice_at_once_and_nothing_is_forgotten() {
        let (slow, other) = (UserId::new(), UserId::new());
        let mut turns = Turns::default();
        turns.add([slow, slow, other]);
        assert_eq!([turns.begin(), turns.begin(), turns.begin()], [Some(slow), Some(other), None]);
        for _ in 0..3 {
            turns.add([slow]);
        }
        assert!(!turns.is_waiting());
        turns.end(other);
        turns.add([other]);
        turns.end(slow);
        assert_eq!([turns.begin(), turns.begin(), turns.begin()], [Some(other), Some(slow), None]);
        turns.end(slow);
        turns.end(other);
        assert!(!turns.is_waiting() && turns.is_due.is_empty() && turns.settling.is_empty());
    }
}
