//! By what an instance holds what it has entered in Redis, and how it is noticed that an instance is gone.
//!
//! All leases stand in one hash, each with a number that its instance raises every second. An instance whose number stood
//! still in so many looks in a row is gone. No clock is compared with another one, and nothing expires: where Redis hangs,
//! or all of it was lost, nobody looks or there is nothing to see, and no instance that lives is taken for one that is gone.

use std::{collections::HashMap, sync::Arc, time::Duration};

use neonchat_common::ids::InstanceId;
use tokio::time::Instant;

use crate::hub::SocketId;

/// How often a lease is renewed, and all others are looked at.
pub(super) const BEAT: Duration = Duration::from_secs(1);

/// So many looks in a row that find a lease unchanged, and its instance is gone. Of the 15 s within which all of its users are
/// offline this leaves some 6 to withdraw them.
const MISSED_BEATS: u32 = 8;

/// Within this time of its last renewal, nobody can have taken an instance for gone: the looks take longer. A lease
/// that is lost so soon was lost with all of Redis.
const TRUSTED: Duration = Duration::from_secs(5);

/// An instance's hold on what it has entered. Never used twice: an instance that has lost its lease takes a new one, so
/// that those who still clear up after the old one do not touch what is entered under the new one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lease(Arc<str>);

impl Lease {
    fn new(instance: InstanceId, epoch: u32) -> Self {
        Self(format!("{instance}.{epoch}").into())
    }

    /// The one of this name.
    pub(super) fn named(name: &str) -> Self {
        Self(name.into())
    }

    /// Its name in Redis.
    pub(super) fn name(&self) -> &str {
        &self.0
    }

    /// The name of a connection in Redis.
    pub(super) fn connection(&self, socket: SocketId) -> String {
        format!("{}:{socket}", self.0)
    }

    /// Whether a connection was entered under it.
    pub(super) fn holds(&self, connection: &str) -> bool {
        connection.strip_prefix(&*self.0).is_some_and(|rest| rest.starts_with(':'))
    }

    /// Whether a connection was entered by the instance that has it, under whichever of its leases.
    pub(super) fn is_of_the_instance_of(&self, connection: &str) -> bool {
        let instance = |name: &str| name.split_once('.').map(|(instance, _)| instance.to_owned());
        instance(&self.0) == instance(connection)
    }
}

/// This instance's lease.
#[derive(Debug)]
pub(super) struct Holding {
    instance: InstanceId,
    epoch: u32,
    beats: i64,
    renewed: Option<Instant>,
}

/// What came of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewed {
    /// It is held.
    Held,
    /// Redis did not know it any more. There is a new one, which has to be entered.
    Lost {
        /// Whether others may have taken this instance for gone. Otherwise Redis has lost everything.
        perhaps_reaped: bool,
    },
}

impl Holding {
    /// The first lease of an instance. It is not entered yet.
    pub(super) const fn new(instance: InstanceId) -> Self {
        Self { instance, epoch: 1, beats: 0, renewed: None }
    }

    pub(super) fn lease(&self) -> Lease {
        Lease::new(self.instance, self.epoch)
    }

    /// It was renewed, and its number then was `beats`.
    pub(super) fn renewed(&mut self, beats: i64, now: Instant) -> Renewed {
        // A renewal whose answer was lost has counted too: the number may rise by more than one.
        if beats > self.beats {
            self.beats = beats;
            self.renewed = Some(now);
            return Renewed::Held;
        }
        let is_trusted = self.renewed.is_some_and(|renewed| now - renewed < TRUSTED);
        *self = Self { epoch: self.epoch + 1, ..Self::new(self.instance) };
        Renewed::Lost { perhaps_reaped: !is_trusted }
    }
}

/// What this instance has seen of the others.
#[derive(Debug)]
pub(super) struct Watch {
    patience: u32,
    seen: HashMap<Lease, Seen>,
}

#[derive(Debug)]
struct Seen {
    beats: i64,
    unchanged: u32,
}

impl Seen {
    fn again(&mut self, beats: i64) {
        let unchanged = if self.beats == beats { self.unchanged + 1 } else { 0 };
        *self = Self { beats, unchanged };
    }
}

/// The number of a lease of which somebody has found that it is gone.
pub(super) const GONE: i64 = -1_000_000_000;

impl Watch {
    /// An instance is given at least as much time as a user who has closed the last socket.
    pub(super) fn new(grace: Duration) -> Self {
        let grace = u32::try_from(grace.as_secs()).unwrap_or(u32::MAX);
        Self { patience: MISSED_BEATS.max(grace), seen: HashMap::new() }
    }

    /// Looks at all leases but `own`. Returns those that are gone, and how many live.
    pub(super) fn look(&mut self, leases: &HashMap<Lease, i64>, own: &Lease) -> (Vec<Lease>, u32) {
        self.seen.retain(|lease, _| leases.contains_key(lease));
        let mut gone = Vec::new();
        let mut living = 1;
        for (lease, &beats) in leases.iter().filter(|(lease, _)| *lease != own) {
            let seen = self.seen.entry(lease.clone());
            let seen = seen.and_modify(|seen| seen.again(beats)).or_insert(Seen { beats, unchanged: 0 });
            if beats < 0 || seen.unchanged >= self.patience {
                gone.push(lease.clone());
            } else {
                living += 1;
            }
        }
        (gone, living)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(name: &str) -> Lease {
        Lease::named(name)
    }

    fn look(watch: &mut Watch, leases: &[(&str, i64)]) -> Vec<Lease> {
        let leases = leases.iter().map(|(name, beats)| (lease(name), *beats)).collect();
        watch.look(&leases, &lease("me.1")).0
    }

    #[test]
    fn a_lease_that_is_not_renewed_is_gone_and_no_other() {
        let mut watch = Watch::new(Duration::ZERO);
        let beats = i64::from(MISSED_BEATS);
        for beat in 0..beats {
            assert_eq!(look(&mut watch, &[("me.1", 7), ("alive.1", beat), ("dead.1", 3)]), []);
        }
        assert_eq!(look(&mut watch, &[("me.1", 7), ("alive.1", beats), ("dead.1", 3)]), [lease("dead.1")]);
        // It was only slow.
        assert_eq!(look(&mut watch, &[("dead.1", 4)]), []);
    }

    #[test]
    fn one_that_somebody_has_found_gone_is_gone_for_all() {
        let mut watch = Watch::new(Duration::ZERO);
        assert_eq!(look(&mut watch, &[("dead.1", GONE)]), [lease("dead.1")]);
    }

    #[test]
    fn a_longer_grace_of_users_is_one_of_instances_too() {
        let mut watch = Watch::new(Duration::from_secs(30));
        for _ in 0..30 {
            assert_eq!(look(&mut watch, &[("dead.1", 3)]), []);
        }
        assert_eq!(look(&mut watch, &[("dead.1", 3)]), [lease("dead.1")]);
    }

    #[test]
    fn a_number_that_falls_is_a_lease_that_was_lost() {
        let (mut holding, start) = (Holding::new(InstanceId::new()), Instant::now());
        let first = holding.lease();
        assert_eq!(holding.renewed(1, start), Renewed::Held);
        assert_eq!(holding.renewed(3, start + BEAT), Renewed::Held);
        // All was lost a moment ago.
        assert_eq!(holding.renewed(1, start + 2 * BEAT), Renewed::Lost { perhaps_reaped: false });
        assert_ne!(holding.lease(), first);
        assert_eq!(holding.renewed(1, start + 2 * BEAT), Renewed::Held);
        // This process stood still.
        let later = start + Duration::from_secs(20);
        assert_eq!(holding.renewed(GONE + 1, later), Renewed::Lost { perhaps_reaped: true });
    }

    #[test]
    fn a_connection_is_of_one_lease_and_of_one_instance() {
        let mut holding = Holding::new(InstanceId::new());
        let first = holding.lease();
        let connection = first.connection(SocketId::for_test());
        holding.renewed(0, Instant::now());
        let second = holding.lease();
        assert!(first.holds(&connection) && !second.holds(&connection));
        assert!(second.is_of_the_instance_of(&connection));
        let other = Holding::new(InstanceId::new()).lease();
        assert!(!other.is_of_the_instance_of(&connection));
        assert!(!lease("x.1").holds("x.12:3"));
    }
}
