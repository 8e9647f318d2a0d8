use super::*;

const SETTINGS: SocketSettings = SocketSettings {
    max_connections: 1,
    max_connections_per_user: 4,
    max_connections_per_address: 0,
    messages_per_second: 10,
    heartbeat: Duration::from_secs(30),
    read_timeout: Duration::from_mins(1),
    write_timeout: Duration::from_secs(10),
};

fn taken(limits: &UserLimits, asked: Asked, now: Instant) -> usize {
    (0..10_000).take_while(|_| limits.take(asked, now).is_ok()).count()
}

#[test]
fn sockets_of_one_user_share_their_limits_and_keep_them_over_a_reconnect() {
    let (all, user, start) = (Limits::new(SETTINGS), UserId::new(), Instant::now());
    let (one, other) = (all.of(user, start), all.of(user, start));
    assert_eq!(taken(&one, Asked::Message, start), 20);
    assert_eq!(taken(&other, Asked::Message, start), 0);
    drop((one, other));
    assert_eq!(taken(&all.of(user, start), Asked::Message, start), 0);
    assert_eq!(taken(&all.of(UserId::new(), start), Asked::Message, start), 20);
}

#[test]
fn other_frames_are_counted_by_themselves_and_cost_what_they_ask_for() {
    let (all, start) = (Limits::new(SETTINGS), Instant::now());
    for (asked, expected) in
        [(Asked::Other, 100), (Asked::Auth, 10), (Asked::Sync(0), 100), (Asked::Sync(180), 10), (Asked::Sync(9000), 1)]
    {
        let limits = all.of(UserId::new(), start);
        assert_eq!(taken(&limits, asked, start), expected, "{asked:?}");
        assert_eq!(taken(&limits, Asked::Message, start), 20);
    }
    let limits = all.of(UserId::new(), start);
    assert_eq!((0..100).filter(|_| limits.take_missed(1000, start)).count(), 2);
    assert_eq!((0..100).filter(|_| limits.take_handshake(start).is_ok()).count(), 8);
    let refused = limits.take_handshake(start).expect_err("too many");
    assert!(refused.retry_after.is_some_and(|after| !after.is_zero()));
}

#[test]
fn zero_switches_them_off() {
    let settings = SocketSettings { messages_per_second: 0, max_connections_per_user: 0, ..SETTINGS };
    let (all, start) = (Limits::new(settings), Instant::now());
    let limits = all.of(UserId::new(), start);
    assert_eq!(taken(&limits, Asked::Message, start), 10_000);
    assert_eq!(taken(&limits, Asked::Sync(1000), start), 10_000);
    assert!((0..10_000).all(|_| limits.take_handshake(start).is_ok() && limits.take_missed(1000, start)));
}

#[test]
fn users_are_forgotten_once_their_limits_are_as_new_ones() {
    let (all, start) = (Limits::new(SETTINGS), Instant::now());
    let known = |all: &Limits| all.users.lock().expect("no panic").limits.len();
    let connected = all.of(UserId::new(), start);
    for _ in 0..1000 {
        all.of(UserId::new(), start);
    }
    assert_eq!(known(&all), 1001);
    for _ in 0..500 {
        all.of(UserId::new(), start + LOOK_INTERVAL);
    }
    assert_eq!(known(&all), 501);
    assert!(Arc::ptr_eq(
        &connected,
        all.users
            .lock()
            .expect("no panic")
            .limits
            .values()
            .find(|limits| Arc::ptr_eq(limits, &connected))
            .expect("a user who is connected")
    ));
}
