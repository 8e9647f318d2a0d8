use neonchat_common::ids::TokenId;
use proptest::prelude::*;

use super::*;
use crate::hub::SocketId;

const SECOND: Duration = Duration::from_secs(1);

fn sockets(user: UserId) -> Vec<Arc<Socket>> {
    vec![Arc::new(Socket::new(SocketId::for_test(), user, TokenId::new(), None))]
}

/// A user who was announced as online, and whose grace period ends at `until`.
fn disconnected(until: Instant) -> (LocalUsers, UserId) {
    let (local, user) = (LocalUsers::default(), UserId::new());
    assert!(matches!(local.presence(user, || sockets(user), until), LocalPresence::Connected(_)));
    local.end_announcement(user, Some(Status::Online));
    local.start_grace(user, until, PresenceAudience::new());
    (local, user)
}

#[test]
fn disconnects_a_user_when_the_grace_period_ends() {
    let start = Instant::now();
    let (local, user) = disconnected(start + SECOND);
    assert!(matches!(local.presence(user, Vec::new, start), LocalPresence::Waiting));
    assert!(matches!(local.presence(user, Vec::new, start + SECOND), LocalPresence::Disconnected(_)));
    // A further socket has closed in the meantime.
    local.start_grace(user, start + 2 * SECOND, PresenceAudience::new());
    local.remove(user, start + SECOND);
    assert!(matches!(local.presence(user, Vec::new, start + SECOND), LocalPresence::Waiting));
    local.remove(user, start + 2 * SECOND);
    assert!(matches!(local.presence(user, Vec::new, start + 2 * SECOND), LocalPresence::Unknown));
}

#[test]
fn announces_the_last_of_several_status_changes_at_a_bounded_rate() {
    let (start, millis) = (Instant::now(), Duration::from_millis);
    let (local, user) = (LocalUsers::default(), UserId::new());
    assert_eq!(local.status_changed(user, start), Some(start));
    assert_eq!(local.status_changed(user, start + millis(10)), Some(start + SECOND));
    for later in [20, 500, 999] {
        assert_eq!(local.status_changed(user, start + millis(later)), None);
    }
    assert_eq!(local.status_changed(user, start + millis(1001)), Some(start + 2 * SECOND));
    assert_eq!(local.status_changed(UserId::new(), start), Some(start));
    assert_eq!(local.status_changed(user, start + 9 * SECOND), Some(start + 9 * SECOND));
}

#[test]
fn confirms_after_a_renewal_that_another_instance_announced_offline() {
    let start = Instant::now();
    let (local, user) = disconnected(start);
    let Confirmation::Later(later) = local.confirm_offline(user, start) else { panic!("confirmed at once") };
    assert!(later >= start + RENEW_INTERVAL);
    assert_eq!(local.confirm_offline(user, later), Confirmation::Announced);
}

#[test]
fn gives_other_instances_time_to_enter_a_user_again_after_redis_lost_its_data() {
    let start = Instant::now();
    let (local, user) = disconnected(start);
    let Confirmation::Later(later) = local.confirm_offline(user, start) else { panic!("confirmed at once") };
    local.lose(start + RENEW_INTERVAL, false);
    let limit = start + RENEW_INTERVAL + REENTRY_TIMEOUT;
    assert_eq!(local.confirm_offline(user, later), Confirmation::Later(limit));
    assert_eq!(local.confirm_offline(user, limit), Confirmation::Unannounced);
    assert_eq!(local.last_announced(user).status, Some(Status::Online));
}

#[test]
fn keeps_a_grace_period_that_began_while_the_user_was_reconciled() {
    let start = Instant::now();
    let (local, user) = disconnected(start);
    local.start_grace(user, start + 9 * SECOND, PresenceAudience::new());
    assert_eq!(local.confirm_offline(user, start), Confirmation::Later(start + 9 * SECOND));
    assert!(matches!(local.presence(user, Vec::new, start + 8 * SECOND), LocalPresence::Waiting));
}

#[test]
fn forgets_a_status_that_others_may_have_changed() {
    let start = Instant::now();
    let user = UserId::new();
    let local = LocalUsers::default();
    local.presence(user, || sockets(user), start);
    local.end_announcement(user, Some(Status::Online));
    local.lose(start, false);
    assert_eq!(local.last_announced(user).status, Some(Status::Online));
    local.lose(start, true);
    assert_eq!(local.last_announced(user).status, None);

    // Also of a user who was disconnected for longer than the grace period.
    let (local, user) = disconnected(start);
    local.presence(user, || sockets(user), start + SECOND);
    assert_eq!(local.last_announced(user).status, None);
}

/// What happens to a user.
#[derive(Clone, Copy, Debug)]
enum Event {
    Connect,
    Disconnect {
        grace: u32,
    },
    Pass {
        seconds: u32,
    },
    Lose {
        maybe_evicted: bool,
    },
    /// The user is reconciled; whether Redis then has a status of the user.
    Reconcile {
        is_known: bool,
    },
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        Just(Event::Connect),
        (0_u32..12).prop_map(|grace| Event::Disconnect { grace }),
        (1_u32..6).prop_map(|seconds| Event::Pass { seconds }),
        any::<bool>().prop_map(|maybe_evicted| Event::Lose { maybe_evicted }),
        any::<bool>().prop_map(|is_known| Event::Reconcile { is_known }),
    ];
    prop::collection::vec(event, 1..40)
}

/// A user, as an observer who knows everything would see it.
struct Model {
    local: LocalUsers,
    user: UserId,
    now: Instant,
    is_connected: bool,
    grace_until: Option<Instant>,
    was_lost: bool,
}

impl Model {
    fn new() -> Self {
        let (local, user, now) = (LocalUsers::default(), UserId::new(), Instant::now());
        Self { local, user, now, is_connected: false, grace_until: None, was_lost: false }
    }

    fn apply(&mut self, event: Event) -> Result<(), TestCaseError> {
        match event {
            Event::Connect => self.is_connected = true,
            Event::Disconnect { grace } if self.is_connected => {
                let until = self.now + grace * SECOND;
                self.local.start_grace(self.user, until, PresenceAudience::new());
                (self.is_connected, self.grace_until) = (false, Some(until));
            }
            Event::Disconnect { .. } => {}
            Event::Pass { seconds } => self.now += seconds * SECOND,
            Event::Lose { maybe_evicted } => {
                self.local.lose(self.now, maybe_evicted);
                self.was_lost = true;
            }
            Event::Reconcile { is_known } => self.reconcile(is_known).map(drop)?,
        }
        Ok(())
    }

    /// Does what `Presence::reconcile` does. Returns when to do it again.
    fn reconcile(&mut self, is_known: bool) -> Result<Option<Instant>, TestCaseError> {
        let (now, user) = (self.now, self.user);
        let open = || if self.is_connected { sockets(user) } else { Vec::new() };
        match self.local.presence(user, open, now) {
            LocalPresence::Connected(_) => {
                prop_assert!(self.is_connected);
                self.local.end_announcement(user, Some(Status::Online));
                (self.grace_until, self.was_lost) = (None, false);
            }
            LocalPresence::Unknown => prop_assert!(!self.is_connected && self.grace_until.is_none()),
            LocalPresence::Waiting => {
                prop_assert!(!self.is_connected && self.grace_until.is_some());
                return Ok(Some(now + SECOND));
            }
            LocalPresence::Disconnected(_) => {
                prop_assert!(!self.is_connected && self.grace_until.is_some_and(|until| until <= now));
                if !is_known {
                    match self.local.confirm_offline(user, now) {
                        Confirmation::Later(at) => {
                            prop_assert!(at > now && at - now <= REENTRY_TIMEOUT);
                            return Ok(Some(at));
                        }
                        Confirmation::Unannounced => prop_assert!(self.was_lost),
                        Confirmation::Announced => {}
                    }
                }
                self.local.end_announcement(user, None);
                self.local.remove(user, now);
                (self.grace_until, self.was_lost) = (None, false);
                prop_assert!(matches!(self.local.presence(user, Vec::new, now), LocalPresence::Unknown));
            }
        }
        Ok(None)
    }
}

proptest! {
    #[test]
    fn keeps_connected_users_and_ends_with_every_disconnected_one(events in events()) {
        let mut model = Model::new();
        for event in events {
            model.apply(event)?;
        }
        model.apply(Event::Disconnect { grace: 5 })?;
        let mut rounds = 0;
        while let Some(at) = model.reconcile(false)? {
            model.now = model.now.max(at);
            rounds += 1;
            prop_assert!(rounds < 40, "never ends");
        }
        prop_assert!(model.local.users().is_empty());
    }
}
