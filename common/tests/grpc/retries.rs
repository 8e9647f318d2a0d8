//! Retries and timeouts of calls.

use std::time::{Duration, Instant};

use neonchat_common::{
    error::{ApiError, ErrorCode},
    settings::GrpcSettings,
};
use tokio::{io::AsyncReadExt as _, net::TcpListener};
use tonic::{Code, Status};

use crate::stand_in::{StandIn, UNUSED_ADDRESS, black_hole, call, client, client_with, settings};

#[tokio::test]
async fn retries_unavailable_and_late_calls() {
    let server = StandIn::start(async |number| match number {
        0 => Err(Status::unavailable("a moment")),
        1 => Err(Status::deadline_exceeded("too slow")),
        _ => Ok(()),
    })
    .await;
    let started = Instant::now();
    call(&client(&[server.address]), Duration::from_secs(5)).await.expect("call succeeds");
    assert_eq!(server.calls(), 3);
    assert!(
        started.elapsed() >= Duration::from_millis(300),
        "backoff of at least 0.1 s and 0.2 s: {:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn settings_limit_attempts() {
    let server = StandIn::start(async |_| Err(Status::unavailable("away"))).await;
    for attempts in [1, 2] {
        let client = client_with(&[server.address], &GrpcSettings { attempts, ..settings() });
        let before = server.calls();
        let status = call(&client, Duration::from_secs(5)).await.expect_err("call fails");
        assert_eq!((status.code(), server.calls() - before), (Code::Unavailable, attempts));
    }
}

#[tokio::test]
async fn refusal_is_not_retried_and_keeps_circuit_closed() {
    let codes = [
        Code::InvalidArgument,
        Code::NotFound,
        Code::AlreadyExists,
        Code::PermissionDenied,
        Code::ResourceExhausted,
        Code::Internal,
    ];
    let server = StandIn::start(move |number| async move {
        codes.get(number % codes.len()).map_or(Ok(()), |code| Err(Status::new(*code, "no")))
    })
    .await;
    let client = client(&[server.address]);
    // More consecutive errors than a circuit needs to open.
    for number in 0..4 * codes.len() {
        let status = call(&client, Duration::from_secs(5)).await.expect_err("call is refused");
        assert_eq!((status.code(), server.calls()), (codes[number % codes.len()], number + 1));
    }
}

#[tokio::test]
async fn timeout_includes_connecting_and_all_attempts() {
    let (_listener, hanging) = black_hole().await;
    for timeout in [Duration::from_millis(300), Duration::from_millis(1500)] {
        let started = Instant::now();
        let status = call(&client(&[hanging]), timeout).await.expect_err("call times out");
        let elapsed = started.elapsed();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert!(elapsed < timeout + Duration::from_millis(400), "{elapsed:?}");
        let error = ApiError::from(status);
        assert_eq!((error.code, error.retry_after.is_some()), (ErrorCode::Unavailable, true));
    }
}

#[tokio::test]
async fn does_not_wait_for_retry_after_deadline() {
    let started = Instant::now();
    let status = call(&client(&[UNUSED_ADDRESS]), Duration::from_millis(90)).await.expect_err("call fails");
    assert_eq!(status.code(), Code::Unavailable, "{:?}", started.elapsed());
}

#[tokio::test]
async fn lost_first_attempt_leaves_time_for_second() {
    let server = StandIn::start(async |number| if number == 0 { std::future::pending().await } else { Ok(()) }).await;
    call(&client(&[server.address]), Duration::from_millis(1800)).await.expect("call succeeds");
    assert_eq!(server.calls(), 2);
}

#[tokio::test]
async fn broken_connection_is_unavailable_and_retried() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind port");
    let address = listener.local_addr().expect("read address");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 64]).await;
        }
    });
    let once = client_with(&[address], &GrpcSettings { attempts: 1, ..settings() });
    assert_eq!(call(&once, Duration::from_secs(5)).await.expect_err("connection breaks").code(), Code::Unavailable);

    let server = StandIn::start(async |_| Ok(())).await;
    call(&client(&[address, server.address]), Duration::from_secs(5)).await.expect("call succeeds");
    assert_eq!(server.calls(), 1);
}
