//! Instance leases: ownership of presence entries in Redis, and detection of dead instances.
//!
//! All leases are fields of one hash. The value of a lease is a counter that its instance increments every second. An instance
//! whose counter did not change in several observations in a row is dead. No clocks are compared and nothing expires: while Redis
//! hangs nobody observes anything, and after Redis lost its data there is nothing to observe, so no live instance is taken for
//! a dead one.

use std::{collections::HashMap, sync::Arc, time::Duration};

use neonchat_common::ids::InstanceId;
use tokio::time::Instant;

use crate::hub::SocketId;

/// How often a lease is renewed, and all others are observed.
pub(super) const RENEW_INTERVAL: Duration = Duration::from_secs(1);

/// An instance is dead when this many observations in a row find its lease unchanged. All of its users have to be offline within
/// 15 s: that leaves about 6 s to remove them.
const MISSED_RENEWALS: u32 = 8;

/// An instance cannot have been declared dead within this time of its last renewal, since that takes more observations. A lease
/// that is missing so soon was lost together with all data of Redis.
const TRUSTED: Duration = Duration::from_secs(5);

/// An instance's claim on its entries in Redis. A lease is never used twice: an instance that lost its lease takes a new one.
/// Instances that still remove the entries of the old lease do not touch those of the new one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lease(Arc<str>);

impl Lease {
    fn new(instance: InstanceId, epoch: u32) -> Self {
        Self(format!("{instance}.{epoch}").into())
    }

    /// Returns the lease of this name.
    pub(super) fn named(name: &str) -> Self {
        Self(name.into())
    }

    /// Returns its name in Redis.
    pub(super) fn name(&self) -> &str {
        &self.0
    }

    /// Returns the name of a connection in Redis.
    pub(super) fn connection(&self, socket: SocketId) -> String {
        format!("{}:{socket}", self.0)
    }

    /// Returns whether a connection was entered under this lease.
    pub(super) fn owns(&self, connection: &str) -> bool {
        connection.strip_prefix(&*self.0).is_some_and(|rest| rest.starts_with(':'))
    }

    /// Returns whether a connection was entered by the instance of this lease, under any of its leases.
    pub(super) fn is_of_same_instance(&self, connection: &str) -> bool {
        let instance = |name: &str| name.split_once('.').map(|(instance, _)| instance.to_owned());
        instance(&self.0) == instance(connection)
    }
}

/// The lease of this instance.
#[derive(Debug)]
pub(super) struct LeaseState {
    instance: InstanceId,
    epoch: u32,
    counter: i64,
    renewed: Option<Instant>,
}

/// The outcome of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    Held,
    /// Redis did not know the lease any more. There is a new one, which has to be entered.
    Lost {
        /// Other instances may have declared this one dead. Otherwise Redis lost its data.
        maybe_evicted: bool,
    },
}

impl LeaseState {
    /// Returns the first lease of an instance, which is not entered in Redis yet.
    pub(super) const fn new(instance: InstanceId) -> Self {
        Self { instance, epoch: 1, counter: 0, renewed: None }
    }

    pub(super) fn lease(&self) -> Lease {
        Lease::new(self.instance, self.epoch)
    }

    /// Records that the lease was renewed, after which its counter was `counter`.
    pub(super) fn renewed(&mut self, counter: i64, now: Instant) -> Renewal {
        // A renewal whose answer was lost has counted too: the counter may rise by more than one.
        if counter > self.counter {
            self.counter = counter;
            self.renewed = Some(now);
            return Renewal::Held;
        }
        let is_trusted = self.renewed.is_some_and(|renewed| now - renewed < TRUSTED);
        *self = Self { epoch: self.epoch + 1, ..Self::new(self.instance) };
        Renewal::Lost { maybe_evicted: !is_trusted }
    }
}

/// What this instance observed of the leases of others.
#[derive(Debug)]
pub(super) struct FailureDetector {
    threshold: u32,
    observed: HashMap<Lease, Observed>,
}

#[derive(Debug)]
struct Observed {
    counter: i64,
    unchanged: u32,
}

impl Observed {
    fn again(&mut self, counter: i64) {
        let unchanged = if self.counter == counter { self.unchanged + 1 } else { 0 };
        *self = Self { counter, unchanged };
    }
}

/// The counter of a lease whose instance was declared dead.
pub(super) const DEAD: i64 = -1_000_000_000;

impl FailureDetector {
    /// An instance gets at least as much time as the grace period of a user.
    pub(super) fn new(grace: Duration) -> Self {
        let grace = u32::try_from(grace.as_secs()).unwrap_or(u32::MAX);
        Self { threshold: MISSED_RENEWALS.max(grace), observed: HashMap::new() }
    }

    /// Observes all leases but `own`. Returns those of dead instances, and the number of live instances.
    pub(super) fn observe(&mut self, leases: &HashMap<Lease, i64>, own: &Lease) -> (Vec<Lease>, u32) {
        self.observed.retain(|lease, _| leases.contains_key(lease));
        let mut dead = Vec::new();
        let mut alive = 1;
        for (lease, &counter) in leases.iter().filter(|(lease, _)| *lease != own) {
            let observed = self.observed.entry(lease.clone());
            let observed =
                observed.and_modify(|observed| observed.again(counter)).or_insert(Observed { counter, unchanged: 0 });
            if counter < 0 || observed.unchanged >= self.threshold {
                dead.push(lease.clone());
            } else {
                alive += 1;
            }
        }
        (dead, alive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(name: &str) -> Lease {
        Lease::named(name)
    }

    fn observe(detector: &mut FailureDetector, leases: &[(&str, i64)]) -> Vec<Lease> {
        let leases = leases.iter().map(|(name, counter)| (lease(name), *counter)).collect();
        detector.observe(&leases, &lease("me.1")).0
    }

    #[test]
    fn declares_only_an_instance_dead_that_does_not_renew() {
        let mut detector = FailureDetector::new(Duration::ZERO);
        let last = i64::from(MISSED_RENEWALS);
        for counter in 0..last {
            assert_eq!(observe(&mut detector, &[("me.1", 7), ("alive.1", counter), ("dead.1", 3)]), []);
        }
        assert_eq!(observe(&mut detector, &[("me.1", 7), ("alive.1", last), ("dead.1", 3)]), [lease("dead.1")]);
        // It was only slow.
        assert_eq!(observe(&mut detector, &[("dead.1", 4)]), []);
    }

    #[test]
    fn adopts_that_another_instance_declared_one_dead() {
        let mut detector = FailureDetector::new(Duration::ZERO);
        assert_eq!(observe(&mut detector, &[("dead.1", DEAD)]), [lease("dead.1")]);
    }

    #[test]
    fn waits_at_least_for_the_grace_period() {
        let mut detector = FailureDetector::new(Duration::from_secs(30));
        for _ in 0..30 {
            assert_eq!(observe(&mut detector, &[("dead.1", 3)]), []);
        }
        assert_eq!(observe(&mut detector, &[("dead.1", 3)]), [lease("dead.1")]);
    }

    #[test]
    fn takes_a_falling_counter_for_a_lost_lease() {
        let (mut state, start) = (LeaseState::new(InstanceId::new()), Instant::now());
        let first = state.lease();
        assert_eq!(state.renewed(1, start), Renewal::Held);
        assert_eq!(state.renewed(3, start + RENEW_INTERVAL), Renewal::Held);
        // Redis lost its data a moment ago.
        assert_eq!(state.renewed(1, start + 2 * RENEW_INTERVAL), Renewal::Lost { maybe_evicted: false });
        assert_ne!(state.lease(), first);
        assert_eq!(state.renewed(1, start + 2 * RENEW_INTERVAL), Renewal::Held);
        // This process was suspended.
        let later = start + Duration::from_secs(20);
        assert_eq!(state.renewed(DEAD + 1, later), Renewal::Lost { maybe_evicted: true });
    }

    #[test]
    fn knows_connections_of_a_lease_and_of_an_instance() {
        let mut state = LeaseState::new(InstanceId::new());
        let first = state.lease();
        let connection = first.connection(SocketId::for_test());
        state.renewed(0, Instant::now());
        let second = state.lease();
        assert!(first.owns(&connection) && !second.owns(&connection));
        assert!(second.is_of_same_instance(&connection));
        let other = LeaseState::new(InstanceId::new()).lease();
        assert!(!other.is_of_same_instance(&connection));
        assert!(!lease("x.1").owns("x.12:3"));
    }
}
