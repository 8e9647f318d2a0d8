//! Addresses that become unavailable and available again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use neonchat_common::{
    error::{ApiError, ErrorCode},
    grpc::client::GrpcClient,
    settings::GrpcSettings,
};
use tokio::{io::AsyncReadExt as _, net::TcpListener, sync::mpsc};
use tonic::{Code, Status};

use crate::{
    log::Log,
    stand_in::{StandIn, UNUSED_ADDRESS, black_hole, call, client, client_with, settings},
};

/// The timeout of a message send.
const SEND_TIMEOUT: Duration = Duration::from_millis(1800);

/// The number of consecutive failures that open a circuit.
const FAILURES_TO_OPEN: usize = 5;

fn one_attempt() -> GrpcSettings {
    GrpcSettings { attempts: 1, ..settings() }
}

/// Returns whether an open circuit breaker refused the call.
fn is_circuit_open(status: &Status) -> bool {
    status.code() == Code::Unavailable && status.message().ends_with("addresses are open")
}

/// Makes calls until all circuit breakers are open.
async fn until_open(client: &GrpcClient) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !call(client, SEND_TIMEOUT).await.is_err_and(|status| is_circuit_open(&status)) {
        assert!(Instant::now() < deadline, "the circuit does not open");
    }
}

#[tokio::test]
async fn calls_addresses_in_turn() {
    let servers = [StandIn::start(async |_| Ok(())).await, StandIn::start(async |_| Ok(())).await];
    let client = client(&servers.each_ref().map(|server| server.address));
    for _ in 0..10 {
        call(&client, SEND_TIMEOUT).await.expect("call succeeds");
    }
    assert_eq!(servers.map(|server| server.calls()), [5, 5]);
}

#[tokio::test]
async fn replaces_old_connection_without_failed_call() {
    let server = StandIn::start_aging(Duration::from_millis(20), async |_| {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok(())
    });
    let server = server.await;
    // A call whose connection closes is retried.
    let client = client(&[server.address]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while server.connections() < 5 {
        assert!(Instant::now() < deadline, "{} connections", server.connections());
        for answer in join_all((0..8).map(|_| call(&client, SEND_TIMEOUT))).await {
            answer.expect("call succeeds");
        }
    }
}

#[tokio::test]
async fn stops_calling_failing_address() {
    let failing = StandIn::start(async |_| Err(Status::unavailable("away"))).await;
    let server = StandIn::start(async |_| Ok(())).await;
    let client = client(&[failing.address, server.address]);
    let started = Instant::now();
    for _ in 0..100 {
        call(&client, SEND_TIMEOUT).await.expect("call succeeds");
    }
    // After the first failures there is a trial call each half second.
    let trials = started.elapsed().as_millis() / 500;
    assert!(failing.calls() as u128 <= FAILURES_TO_OPEN as u128 + 1 + trials, "{} calls", failing.calls());
    assert_eq!(server.calls(), 100);
}

#[tokio::test]
async fn calls_succeed_while_one_of_two_addresses_is_dead() {
    let server = StandIn::start(async |_| Ok(())).await;
    let client = client(&[UNUSED_ADDRESS.to_owned(), server.address.to_string()]);
    for answer in join_all((0..50).map(|_| call(&client, SEND_TIMEOUT))).await {
        answer.expect("call succeeds");
    }
}

#[tokio::test]
async fn calls_succeed_while_one_of_two_addresses_hangs() {
    let server = StandIn::start(async |_| Ok(())).await;
    let (_listener, hanging) = black_hole().await;
    let client = client(&[hanging, server.address]);
    for answer in join_all((0..2 * FAILURES_TO_OPEN).map(|_| call(&client, SEND_TIMEOUT))).await {
        answer.expect("call succeeds");
    }
    // Its circuit is open now. One trial call at a time finds out whether it still hangs.
    let timed = async || {
        let started = Instant::now();
        call(&client, SEND_TIMEOUT).await.expect("call succeeds");
        started.elapsed()
    };
    let slow = join_all((0..20).map(|_| timed())).await.into_iter().filter(|took| *took > SEND_TIMEOUT / 2).count();
    assert!(slow <= 1, "{slow} calls waited for the hanging address");
}

#[tokio::test]
async fn circuit_opens_fails_fast_and_closes_after_recovery() {
    let server = StandIn::start(async |_| Ok(())).await;
    let address = server.address;
    let client = client(&[address]);
    call(&client, SEND_TIMEOUT).await.expect("call succeeds");
    let (log, _guard) = Log::start();
    let line_of = |message: &str| log.text().lines().find(|line| line.contains(message)).map(str::to_owned);

    server.stop().await;
    until_open(&client).await;
    let opened = line_of("circuit breaker opened").expect("find log line");
    for part in ["WARN", &format!("grpc.address=\"{address}\""), "Connection refused"] {
        assert!(opened.contains(part), "{part}: {opened}");
    }
    assert_eq!(line_of("circuit breaker closed"), None);
    let error = ApiError::from(call(&client, SEND_TIMEOUT).await.expect_err("call fails"));
    assert_eq!((error.code, error.retry_after.is_some()), (ErrorCode::Unavailable, true));

    let server = StandIn::start_at(address, async |_| Ok(())).await;
    let restarted = Instant::now();
    while let Err(status) = call(&client, SEND_TIMEOUT).await {
        assert!(restarted.elapsed() < Duration::from_secs(10), "calls work again within 10 s: {status}");
        tokio::task::yield_now().await;
    }
    let closed = line_of("circuit breaker closed").expect("find log line");
    for part in ["INFO", &format!("grpc.address=\"{address}\"")] {
        assert!(closed.contains(part), "{part}: {closed}");
    }
    // One line for each, although trial calls failed in between.
    assert_eq!(log.text().matches("circuit breaker").count(), 2, "{}", log.text());
    // All calls succeed again.
    for answer in join_all((0..20).map(|_| call(&client, SEND_TIMEOUT))).await {
        answer.expect("call succeeds");
    }
    assert_eq!(server.calls(), 21);
}

#[tokio::test]
async fn half_open_circuit_allows_one_call() {
    let is_available = Arc::new(AtomicBool::new(false));
    let server = StandIn::start({
        let is_available = Arc::clone(&is_available);
        move |_| {
            let is_available = is_available.load(Ordering::Relaxed);
            async move {
                if is_available {
                    // Longer than the refusal of the other calls takes.
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    Ok(())
                } else {
                    Err(Status::unavailable("away"))
                }
            }
        }
    })
    .await;
    let client = client_with(&[server.address], &one_attempt());
    until_open(&client).await;
    is_available.store(true, Ordering::Relaxed);
    // Until one call is allowed. No other call reaches the server meanwhile.
    let answered = loop {
        let before = server.calls();
        let answers = join_all((0..10).map(|_| call(&client, SEND_TIMEOUT))).await;
        let answered = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(server.calls() - before, answered);
        if answered > 0 {
            break answered;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(answered, 1);
    call(&client, SEND_TIMEOUT).await.expect("call succeeds");
}

#[tokio::test]
async fn unavailable_dependency_does_not_open_circuit() {
    let server = StandIn::start(async |_| Err(ApiError::unavailable("database", "away").into())).await;
    let client = client_with(&[server.address], &one_attempt());
    for number in 1..=3 * FAILURES_TO_OPEN {
        let error = ApiError::from(call(&client, SEND_TIMEOUT).await.expect_err("call fails"));
        assert_eq!((error.code, server.calls()), (ErrorCode::Unavailable, number));
    }
}

#[tokio::test]
async fn broken_connection_does_not_open_circuit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind port");
    let client = client_with(&[listener.local_addr().expect("read address")], &one_attempt());
    let (breaks, mut broken) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            // The first bytes of the call.
            let _ = socket.read(&mut [0; 64]).await;
            let _ = breaks.send(()).await;
        }
    });
    for _ in 0..2 * FAILURES_TO_OPEN {
        let status = call(&client, SEND_TIMEOUT).await.expect_err("connection breaks");
        assert!(status.code() == Code::Unavailable && !is_circuit_open(&status), "{status}");
        broken.recv().await.expect("receive call");
    }
}

#[tokio::test]
async fn cancelled_or_short_call_does_not_open_circuit() {
    let server = StandIn::start(async |_| std::future::pending().await).await;
    let client = client_with(&[server.address], &one_attempt());
    let short = Duration::from_millis(100);
    for _ in 0..2 * FAILURES_TO_OPEN {
        tokio::time::timeout(short, call(&client, SEND_TIMEOUT)).await.expect_err("call times out");
        let status = call(&client, short).await.expect_err("call times out");
        assert_eq!(status.code(), Code::DeadlineExceeded);
    }
    assert_eq!(server.calls(), 4 * FAILURES_TO_OPEN);
}
