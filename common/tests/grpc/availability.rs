//! Addresses that go away and come back.

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
    stand_in::{NOWHERE, StandIn, black_hole, call, peer, peer_with, settings},
};

/// As long as the sender of a message waits.
const SEND: Duration = Duration::from_millis(1800);

/// Failures in a row that open a circuit.
const FAILURES_TO_OPEN: usize = 5;

fn once() -> GrpcSettings {
    GrpcSettings { attempts: 1, ..settings() }
}

/// Whether the call was refused without asking.
fn is_refused_at_once(status: &Status) -> bool {
    status.code() == Code::Unavailable && status.message().ends_with("not asked")
}

/// Calls until nobody is asked any more.
async fn until_open(peer: &GrpcClient) {
    let limit = Instant::now() + Duration::from_secs(20);
    while !call(peer, SEND).await.is_err_and(|status| is_refused_at_once(&status)) {
        assert!(Instant::now() < limit, "the circuit does not open");
    }
}

#[tokio::test]
async fn addresses_are_called_in_turn() {
    let servers = [StandIn::start(async |_| Ok(())).await, StandIn::start(async |_| Ok(())).await];
    let peer = peer(&servers.each_ref().map(|server| server.address));
    for _ in 0..10 {
        call(&peer, SEND).await.expect("an answer");
    }
    assert_eq!(servers.map(|server| server.calls()), [5, 5]);
}

#[tokio::test]
async fn a_connection_is_replaced_when_it_is_old_and_no_call_fails() {
    let server = StandIn::start_aging(Duration::from_millis(20), async |_| {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok(())
    });
    let server = server.await;
    // A call that meets the end of its connection is tried again.
    let peer = peer(&[server.address]);
    let limit = Instant::now() + Duration::from_secs(20);
    while server.connections() < 5 {
        assert!(Instant::now() < limit, "{} connections", server.connections());
        for answer in join_all((0..8).map(|_| call(&peer, SEND))).await {
            answer.expect("an answer");
        }
    }
}

#[tokio::test]
async fn an_address_that_fails_is_soon_left_alone() {
    let failing = StandIn::start(async |_| Err(Status::unavailable("away"))).await;
    let server = StandIn::start(async |_| Ok(())).await;
    let peer = peer(&[failing.address, server.address]);
    let began = Instant::now();
    for _ in 0..100 {
        call(&peer, SEND).await.expect("an answer");
    }
    // Beside the first failures there is a probe each half second.
    let probes = began.elapsed().as_millis() / 500;
    assert!(failing.calls() as u128 <= FAILURES_TO_OPEN as u128 + 1 + probes, "{} calls", failing.calls());
    assert_eq!(server.calls(), 100);
}

#[tokio::test]
async fn one_of_two_addresses_is_dead_and_no_call_fails() {
    let server = StandIn::start(async |_| Ok(())).await;
    let peer = peer(&[NOWHERE.to_owned(), server.address.to_string()]);
    for answer in join_all((0..50).map(|_| call(&peer, SEND))).await {
        answer.expect("an answer");
    }
}

#[tokio::test]
async fn one_of_two_addresses_hangs_and_no_call_fails() {
    let server = StandIn::start(async |_| Ok(())).await;
    let (_listener, hanging) = black_hole().await;
    let peer = peer(&[hanging, server.address]);
    for answer in join_all((0..2 * FAILURES_TO_OPEN).map(|_| call(&peer, SEND))).await {
        answer.expect("an answer");
    }
    // Its circuit is open now: of further calls one at a time finds out whether it still hangs.
    let timed = async || {
        let began = Instant::now();
        call(&peer, SEND).await.expect("an answer");
        began.elapsed()
    };
    let slow = join_all((0..20).map(|_| timed())).await.into_iter().filter(|took| *took > SEND / 2).count();
    assert!(slow <= 1, "{slow} calls waited for the address that hangs");
}

#[tokio::test]
async fn a_circuit_opens_fails_fast_and_closes_when_the_service_is_back() {
    let server = StandIn::start(async |_| Ok(())).await;
    let address = server.address;
    let peer = peer(&[address]);
    call(&peer, SEND).await.expect("an answer");
    let (log, _guard) = Log::start();
    let line_of = |message: &str| log.text().lines().find(|line| line.contains(message)).map(str::to_owned);

    server.stop().await;
    until_open(&peer).await;
    let opened = line_of("circuit breaker opened").expect("a line in the log");
    for part in ["WARN", &format!("grpc.address=\"{address}\""), "Connection refused"] {
        assert!(opened.contains(part), "{part}: {opened}");
    }
    assert_eq!(line_of("circuit breaker closed"), None);
    let error = ApiError::from(call(&peer, SEND).await.expect_err("away"));
    assert_eq!((error.code, error.retry_after.is_some()), (ErrorCode::Unavailable, true));

    let server = StandIn::start_at(address, async |_| Ok(())).await;
    let back = Instant::now();
    while let Err(status) = call(&peer, SEND).await {
        assert!(back.elapsed() < Duration::from_secs(10), "guarantees.md, G13: {status}");
        tokio::task::yield_now().await;
    }
    let closed = line_of("circuit breaker closed").expect("a line in the log");
    for part in ["INFO", &format!("grpc.address=\"{address}\"")] {
        assert!(closed.contains(part), "{part}: {closed}");
    }
    // One line each, although probes failed in between.
    assert_eq!(log.text().matches("circuit breaker").count(), 2, "{}", log.text());
    // And all is as before.
    for answer in join_all((0..20).map(|_| call(&peer, SEND))).await {
        answer.expect("an answer");
    }
    assert_eq!(server.calls(), 21);
}

#[tokio::test]
async fn while_a_circuit_is_half_open_one_call_asks_and_the_others_are_refused() {
    let is_back = Arc::new(AtomicBool::new(false));
    let server = StandIn::start({
        let is_back = Arc::clone(&is_back);
        move |_| {
            let is_back = is_back.load(Ordering::Relaxed);
            async move {
                if is_back {
                    // Longer than the others take to be refused.
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    Ok(())
                } else {
                    Err(Status::unavailable("away"))
                }
            }
        }
    })
    .await;
    let peer = peer_with(&[server.address], &once());
    until_open(&peer).await;
    is_back.store(true, Ordering::Relaxed);
    // Until one is let through, and meanwhile no other.
    let answered = loop {
        let before = server.calls();
        let answers = join_all((0..10).map(|_| call(&peer, SEND))).await;
        let answered = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(server.calls() - before, answered);
        if answered > 0 {
            break answered;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(answered, 1);
    call(&peer, SEND).await.expect("an answer");
}

#[tokio::test]
async fn a_service_whose_dependency_is_away_is_itself_there() {
    let server = StandIn::start(async |_| Err(ApiError::unavailable("database", "away").into())).await;
    let peer = peer_with(&[server.address], &once());
    for number in 1..=3 * FAILURES_TO_OPEN {
        let error = ApiError::from(call(&peer, SEND).await.expect_err("away"));
        assert_eq!((error.code, server.calls()), (ErrorCode::Unavailable, number));
    }
}

#[tokio::test]
async fn a_connection_that_breaks_says_nothing_of_the_next_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let peer = peer_with(&[listener.local_addr().expect("an address")], &once());
    let (breaks, mut broken) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            // The first of what the calls send.
            let _ = socket.read(&mut [0; 64]).await;
            let _ = breaks.send(()).await;
        }
    });
    for _ in 0..2 * FAILURES_TO_OPEN {
        let status = call(&peer, SEND).await.expect_err("cut off");
        assert!(status.code() == Code::Unavailable && !is_refused_at_once(&status), "{status}");
        broken.recv().await.expect("it was called");
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_or_has_no_patience_says_nothing_of_the_service() {
    let server = StandIn::start(async |_| std::future::pending().await).await;
    let peer = peer_with(&[server.address], &once());
    let moment = Duration::from_millis(100);
    for _ in 0..2 * FAILURES_TO_OPEN {
        tokio::time::timeout(moment, call(&peer, SEND)).await.expect_err("no answer");
        let status = call(&peer, moment).await.expect_err("no answer");
        assert_eq!(status.code(), Code::DeadlineExceeded);
    }
    assert_eq!(server.calls(), 4 * FAILURES_TO_OPEN);
}
