use super::*;

const SETTINGS: SocketSettings =
    SocketSettings { max_connections_per_user: 4, messages_per_second: 10, ..SocketSettings::WITHOUT_LIMITS };

fn acquired(limits: &UserLimits, kind: RequestKind, now: Instant) -> usize {
    (0..10_000).take_while(|_| limits.acquire(kind, now).is_ok()).count()
}

#[test]
fn sockets_of_a_user_share_limits_and_reconnect_does_not_refill() {
    let (all, user, start) = (Limits::new(SETTINGS), UserId::new(), Instant::now());
    let (one, other) = (all.of(user, start), all.of(user, start));
    assert_eq!(acquired(&one, RequestKind::Message, start), 20);
    assert_eq!(acquired(&other, RequestKind::Message, start), 0);
    drop((one, other));
    assert_eq!(acquired(&all.of(user, start), RequestKind::Message, start), 0);
    assert_eq!(acquired(&all.of(UserId::new(), start), RequestKind::Message, start), 20);
}

#[test]
fn other_frames_have_their_own_limit_and_costs() {
    let (all, start) = (Limits::new(SETTINGS), Instant::now());
    for (kind, expected) in [
        (RequestKind::Other, 100),
        (RequestKind::Auth, 10),
        (RequestKind::Sync(0), 100),
        (RequestKind::Sync(180), 10),
        (RequestKind::Sync(9000), 1),
    ] {
        let limits = all.of(UserId::new(), start);
        assert_eq!(acquired(&limits, kind, start), expected, "{kind:?}");
        assert_eq!(acquired(&limits, RequestKind::Message, start), 20);
    }
    let limits = all.of(UserId::new(), start);
    assert_eq!((0..100).filter(|_| limits.acquire_backlog(1000, start)).count(), 2);
    assert_eq!((0..100).filter(|_| limits.acquire_handshake(start).is_ok()).count(), 8);
    let refused = limits.acquire_handshake(start).expect_err("exceed limit");
    assert!(refused.retry_after.is_some_and(|after| !after.is_zero()));
}

#[test]
fn zero_disables_limits() {
    let settings = SocketSettings { messages_per_second: 0, max_connections_per_user: 0, ..SETTINGS };
    let (all, start) = (Limits::new(settings), Instant::now());
    let limits = all.of(UserId::new(), start);
    assert_eq!(acquired(&limits, RequestKind::Message, start), 10_000);
    assert_eq!(acquired(&limits, RequestKind::Sync(1000), start), 10_000);
    assert!((0..10_000).all(|_| limits.acquire_handshake(start).is_ok() && limits.acquire_backlog(1000, start)));
}

#[test]
fn removes_users_whose_buckets_are_full() {
    let (all, start) = (Limits::new(SETTINGS), Instant::now());
    let known = |all: &Limits| all.users.lock().expect("lock users").limits.len();
    let connected = all.of(UserId::new(), start);
    for _ in 0..1000 {
        all.of(UserId::new(), start);
    }
    assert_eq!(known(&all), 1001);
    for _ in 0..500 {
        all.of(UserId::new(), start + IDLE_CHECK_INTERVAL);
    }
    assert_eq!(known(&all), 501);
    assert!(Arc::ptr_eq(
        &connected,
        all.users
            .lock()
            .expect("lock users")
            .limits
            .values()
            .find(|limits| Arc::ptr_eq(limits, &connected))
            .expect("keep the connected user")
    ));
}
