//! The changes that a device asks for.

use neonchat_common::ids::{ChatId, MessageId, SendId};
use tokio::time::Instant;

use super::{State, now};
use crate::checker::{Action, Change, ChangeAnswer, Fetched, Moment};

/// Half of the changes are of the newest messages: this many of them.
const NEWEST: usize = 10;

impl State {
    /// Returns one of the user's stored messages. Other devices may have deleted it.
    pub(in crate::traffic) fn own_message(&self, rng: &mut fastrand::Rng) -> Option<(ChatId, MessageId)> {
        let inner = self.lock();
        let first = if rng.bool() { inner.own.len().saturating_sub(NEWEST) } else { 0 };
        rng.choice(&inner.own[first..]).copied()
    }

    /// Adds a new change.
    pub(in crate::traffic) fn add_change(&self, chat: ChatId, request: SendId, action: Action) {
        self.add_change_since(now(), chat, request, action);
    }

    /// Adds a change that was begun before its `request` was known.
    pub(in crate::traffic) fn add_change_since(&self, begun: Moment, chat: ChatId, request: SendId, action: Action) {
        let mut inner = self.lock();
        let change = Change { chat, action, begun, attempts: 0, answers: Vec::new() };
        inner.log.changes.insert(request, change);
        inner.unanswered.insert(request, Instant::now());
    }

    /// Counts an attempt to make a change. Returns its chat and what it changes.
    pub(in crate::traffic) fn attempt_change(&self, request: SendId) -> Option<(ChatId, Action)> {
        let mut inner = self.lock();
        let change = inner.log.changes.get_mut(&request)?;
        change.attempts += 1;
        Some((change.chat, change.action.clone()))
    }

    /// Records an answer to a change.
    pub(in crate::traffic) fn change_answered(&self, request: SendId, answer: ChangeAnswer) {
        if let Some(change) = self.lock().log.changes.get_mut(&request) {
            change.answers.push((now(), answer));
        }
    }

    /// Records what the device read after a change.
    pub(in crate::traffic) fn has_looked(&self, events: Vec<Fetched>) {
        self.lock().log.reads.extend(events);
    }

    /// Records that a change is not tried again.
    pub(in crate::traffic) fn end_change(&self, request: SendId) {
        self.lock().unanswered.remove(&request);
    }
}
