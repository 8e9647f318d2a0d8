//! The order in which users are reconciled.

use std::collections::{HashSet, VecDeque};

use neonchat_common::ids::UserId;

/// A FIFO queue of users to reconcile. A user is in it at most once and is never reconciled twice at the same time. So a user
/// with a large presence audience, whose reconciliation takes long, occupies one place only.
#[derive(Debug, Default)]
pub(super) struct ReconcileQueue {
    waiting: VecDeque<UserId>,
    /// Users who wait, or have to wait again after the reconciliation under way.
    due: HashSet<UserId>,
    in_progress: HashSet<UserId>,
}

impl ReconcileQueue {
    /// Adds users.
    pub(super) fn add(&mut self, users: impl IntoIterator<Item = UserId>) {
        for user in users {
            if self.due.insert(user) && !self.in_progress.contains(&user) {
                self.waiting.push_back(user);
            }
        }
    }

    /// Takes the next user, whose reconciliation begins.
    pub(super) fn begin(&mut self) -> Option<UserId> {
        let user = self.waiting.pop_front()?;
        self.due.remove(&user);
        self.in_progress.insert(user);
        Some(user)
    }

    /// Records that the reconciliation of a user ended or failed.
    pub(super) fn end(&mut self, user: UserId) {
        self.in_progress.remove(&user);
        if self.due.contains(&user) {
            self.waiting.push_back(user);
        }
    }

    /// Returns whether a user waits.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_each_user_once_at_a_time_and_forgets_none() {
        let (slow, other) = (UserId::new(), UserId::new());
        let mut queue = ReconcileQueue::default();
        queue.add([slow, slow, other]);
        assert_eq!([queue.begin(), queue.begin(), queue.begin()], [Some(slow), Some(other), None]);
        for _ in 0..3 {
            queue.add([slow]);
        }
        assert!(!queue.is_waiting());
        queue.end(other);
        queue.add([other]);
        queue.end(slow);
        assert_eq!([queue.begin(), queue.begin(), queue.begin()], [Some(other), Some(slow), None]);
        queue.end(slow);
        queue.end(other);
        assert!(!queue.is_waiting() && queue.due.is_empty() && queue.in_progress.is_empty());
    }
}
