//! Receipts that wait to be written, merged for each member of a chat.
//!
//! A member's markers in a chat are written at most once in the interval of the chat's class. In a small chat the first receipt is
//! written at once. In a larger one it waits for a random part of the interval, because all members read a message at the same time.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, btree_map::Entry},
    ops::RangeBounds,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use neonchat_common::{
    chat::ChatClass,
    ids::{ChatId, UserId},
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use uuid::Uuid;

use super::Cause;
use crate::hub::{Markers, SocketId};

/// The most members that are remembered, and the most receipts that are ready to be written. Beyond that receipts of further members
/// are ready at once, and those beyond that are dropped: what a client has read is in its next receipt too.
pub(super) const MAX_MEMBERS: usize = 200_000;

/// The pause before receipts that could not be written are tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How often the receipts of a user without sockets here are tried.
const MAX_ATTEMPTS: u8 = 5;

/// Returns the least time between two writes of a member's markers.
const fn interval(class: ChatClass) -> Duration {
    match class {
        ChatClass::Small | ChatClass::Medium => Duration::from_secs(1),
        ChatClass::Large => Duration::from_secs(5),
    }
}

/// The receipts of a member of a chat that are not written yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WaitingReceipt {
    pub(super) markers: Markers,
    /// The socket that knows of it; `None` if there were several.
    pub(super) cause: Cause,
    attempts: u8,
}

impl WaitingReceipt {
    pub(super) const fn new(markers: Markers, cause: SocketId) -> Self {
        Self { markers, cause: Some(cause), attempts: 0 }
    }

    fn merge(&mut self, other: Self) {
        self.markers = self.markers.max(other.markers);
        self.cause = self.cause.filter(|cause| Some(*cause) == other.cause);
        self.attempts = self.attempts.max(other.attempts);
    }
}

/// The receipts of a member that wait.
pub(super) type Waiting = ((ChatId, UserId), WaitingReceipt);

/// The receipts that wait.
#[derive(Debug)]
pub(super) struct GatheredReceipts {
    state: Mutex<State>,
    changed: Notify,
    emptied: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The most members, and the most receipts that are ready.
    capacity: usize,
    members: BTreeMap<(UserId, ChatId), Member>,
    /// When each of the members is due.
    due: BinaryHeap<Reverse<(Instant, UserId, ChatId)>>,
    /// Receipts to write now, in the order of the locks in the database.
    ready: BTreeMap<(ChatId, UserId), WaitingReceipt>,
    /// The number of receipts that were dropped and are not counted yet.
    lost: usize,
    is_writing: bool,
    is_draining: bool,
}

/// A member of a chat whose markers are to be written, or were written within the interval.
#[derive(Debug)]
struct Member {
    waiting: Option<WaitingReceipt>,
    interval: Duration,
}

impl GatheredReceipts {
    /// Returns an empty set with room for this many members: see [`MAX_MEMBERS`].
    pub(super) fn new(capacity: usize) -> Self {
        let state = State { capacity, ..State::default() };
        Self { state: Mutex::new(state), changed: Notify::new(), emptied: Notify::new() }
    }

    /// Adds a receipt. Returns whether it was merged with one that waits.
    pub(super) fn add(
        &self,
        (user, chat): (UserId, ChatId),
        class: ChatClass,
        receipt: WaitingReceipt,
        now: Instant,
    ) -> bool {
        let mut state = self.lock();
        let is_merged = state.add((user, chat), class, receipt, now);
        drop(state);
        self.changed.notify_one();
        is_merged
    }

    /// Waits until receipts are to be written, and returns them, sorted by chat and user. [`GatheredReceipts::written`] has to follow.
    /// Supports one worker.
    pub(super) async fn next(&self) -> Vec<Waiting> {
        loop {
            let next = {
                let mut state = self.lock();
                state.poll(Instant::now());
                if !state.ready.is_empty() {
                    state.is_writing = true;
                    return std::mem::take(&mut state.ready).into_iter().collect();
                }
                state.due.peek().map(|Reverse((at, ..))| *at)
            };
            tokio::select! {
                () = self.changed.notified() => {}
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            }
        }
    }

    /// Records that the receipts of [`GatheredReceipts::next`] are written, or were put back.
    pub(super) fn written(&self) {
        self.lock().is_writing = false;
        self.emptied.notify_waiters();
    }

    /// Takes back receipts that were not written. `may_succeed` returns whether the user has sockets here, or `None` if it is of no use to
    /// try again.
    pub(super) fn put_back(&self, receipts: Vec<Waiting>, may_succeed: impl Fn(UserId) -> Option<bool>, now: Instant) {
        let mut state = self.lock();
        for ((chat, user), mut receipt) in receipts {
            receipt.attempts = receipt.attempts.saturating_add(1);
            let is_kept = may_succeed(user).is_some_and(|has_sockets| has_sockets || receipt.attempts < MAX_ATTEMPTS);
            if !is_kept || !state.put_back((user, chat), receipt, now) {
                state.lost += 1;
            }
        }
    }

    /// Returns how many receipts were dropped since the last call.
    pub(super) fn take_lost(&self) -> usize {
        std::mem::take(&mut self.lock().lost)
    }

    /// Makes the receipts of a user ready.
    pub(super) fn flush(&self, user: UserId) {
        let range = (user, ChatId(Uuid::nil()))..=(user, ChatId(Uuid::max()));
        let mut state = self.lock();
        state.make_ready(range);
        drop(state);
        self.changed.notify_one();
    }

    /// Makes all receipts ready, and waits until they are written.
    pub(super) async fn drain(&self) {
        self.begin_draining();
        loop {
            let emptied = self.emptied.notified();
            if self.len() == 0 && !self.lock().is_writing {
                return;
            }
            emptied.await;
        }
    }

    fn begin_draining(&self) {
        let mut state = self.lock();
        state.is_draining = true;
        state.make_ready(..);
        drop(state);
        self.changed.notify_one();
    }

    /// Returns the number of receipts that are not written, without those that are being written.
    pub(super) fn len(&self) -> usize {
        let state = self.lock();
        state.ready.len() + state.members.values().filter(|member| member.waiting.is_some()).count()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No critical section can panic between two changes, so a poisoned lock guards a consistent state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, key: (UserId, ChatId), class: ChatClass, receipt: WaitingReceipt, now: Instant) -> bool {
        let (user, chat) = key;
        let is_full = self.members.len() >= self.capacity;
        let interval = interval(class);
        match self.members.entry(key) {
            Entry::Occupied(mut member) => {
                let waiting = &mut member.get_mut().waiting;
                let is_merged = waiting.is_some();
                waiting.get_or_insert(receipt).merge(receipt);
                return is_merged;
            }
            Entry::Vacant(_) if is_full || self.is_draining => {}
            Entry::Vacant(unknown) => {
                let is_first_at_once = class == ChatClass::Small;
                unknown.insert(Member { waiting: (!is_first_at_once).then_some(receipt), interval });
                let wait = if is_first_at_once { interval } else { interval.mul_f64(fastrand::f64()) };
                self.due.push(Reverse((now + wait, user, chat)));
                if !is_first_at_once {
                    return false;
                }
            }
        }
        let is_merged = self.ready.contains_key(&(chat, user));
        if !move_ready(&mut self.ready, self.capacity, (chat, user), receipt) {
            self.lost += 1;
        }
        is_merged
    }

    /// Makes the receipts of these members ready, as far as there is room.
    fn make_ready(&mut self, members: impl RangeBounds<(UserId, ChatId)>) {
        let Self { members: all, ready, capacity, .. } = self;
        for (&(user, chat), member) in all.range_mut(members) {
            member.waiting.take_if(|receipt| move_ready(ready, *capacity, (chat, user), *receipt));
        }
    }

    /// Returns whether it is kept.
    fn put_back(&mut self, key: (UserId, ChatId), receipt: WaitingReceipt, now: Instant) -> bool {
        let (user, chat) = key;
        let is_full = self.members.len() >= self.capacity;
        let is_known = match self.members.entry(key) {
            Entry::Occupied(mut member) => {
                member.get_mut().waiting.get_or_insert(receipt).merge(receipt);
                true
            }
            Entry::Vacant(_) if is_full => return false,
            Entry::Vacant(unknown) => {
                unknown.insert(Member { waiting: Some(receipt), interval: RETRY_PAUSE });
                false
            }
        };
        // At the end of the process there is no time to wait for the interval of a known member.
        if !is_known || self.is_draining {
            self.due.push(Reverse((now + RETRY_PAUSE, user, chat)));
        }
        true
    }

    /// Makes the receipts ready that are due, and forgets members whose interval has passed.
    fn poll(&mut self, now: Instant) {
        while let Some(Reverse((at, user, chat))) = self.due.peek().copied()
            && at <= now
        {
            self.due.pop();
            let Entry::Occupied(mut member) = self.members.entry((user, chat)) else { continue };
            let Member { waiting, interval } = member.get_mut();
            if waiting.is_none() {
                member.remove();
                continue;
            }
            self.due.push(Reverse((now + *interval, user, chat)));
            waiting.take_if(|receipt| move_ready(&mut self.ready, self.capacity, (chat, user), *receipt));
        }
    }
}

/// Adds a receipt to those that are ready. Returns whether there was room for it.
fn move_ready(
    ready: &mut BTreeMap<(ChatId, UserId), WaitingReceipt>,
    capacity: usize,
    key: (ChatId, UserId),
    receipt: WaitingReceipt,
) -> bool {
    let is_full = ready.len() >= capacity;
    match ready.entry(key) {
        Entry::Occupied(mut waiting) => waiting.get_mut().merge(receipt),
        Entry::Vacant(_) if is_full => return false,
        Entry::Vacant(unknown) => drop(unknown.insert(receipt)),
    }
    true
}

#[cfg(test)]
mod tests;
