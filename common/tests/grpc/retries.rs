//! What is tried again, what is not, and for how long.

use std::time::{Duration, Instant};

use neonchat_common::{
    error::{ApiError, ErrorCode},
    settings::GrpcSettings,
};
use tokio::{io::AsyncReadExt as _, net::TcpListener};
use tonic::{Code, Status};

use crate::stand_in::{NOWHERE, StandIn, black_hole, call, peer, peer_with, settings};

#[tokio::test]
async fn what_is_unavailable_or_late_is_tried_again() {
    let server = StandIn::start(async |number| match number {
        0 => Err(Status::unavailable("a moment")),
        1 => Err(Status::deadline_exceeded("too slow")),
        _ => Ok(()),
    })
    .await;
    let began = Instant::now();
    call(&peer(&[server.address]), Duration::from_secs(5)).await.expect("an answer");
    assert_eq!(server.calls(), 3);
    assert!(began.elapsed() >= Duration::from_millis(300), "0.1 s and 0.2 s at least: {:?}", began.elapsed());
}

#[tokio::test]
async fn there_are_as_many_attempts_as_the_settings_say() {
    let server = StandIn::start(async |_| Err(Status::unavailable("away"))).await;
    for attempts in [1, 2] {
        let peer = peer_with(&[server.address], &GrpcSettings { attempts, ..settings() });
        let before = server.calls();
        let status = call(&peer, Duration::from_secs(5)).await.expect_err("away");
        assert_eq!((status.code(), server.calls() - before), (Code::Unavailable, attempts));
    }
}

#[tokio::test]
async fn an_answer_is_an_answer_even_if_it_is_no() {
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
    let peer = peer(&[server.address]);
    // Many more in a row than open a circuit.
    for number in 0..4 * codes.len() {
        let status = call(&peer, Duration::from_secs(5)).await.expect_err("no");
        assert_eq!((status.code(), server.calls()), (codes[number % codes.len()], number + 1));
    }
}

#[tokio::test]
async fn the_deadline_is_that_of_all_attempts_and_of_connecting() {
    let (_listener, hanging) = black_hole().await;
    for within in [Duration::from_millis(300), Duration::from_millis(1500)] {
        let began = Instant::now();
        let status = call(&peer(&[hanging]), within).await.expect_err("no answer");
        let elapsed = began.elapsed();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert!(elapsed < within + Duration::from_millis(400), "{elapsed:?}");
        let error = ApiError::from(status);
        assert_eq!((error.code, error.retry_after.is_some()), (ErrorCode::Unavailable, true));
    }
}

#[tokio::test]
async fn a_retry_that_would_come_too_late_is_not_waited_for() {
    let began = Instant::now();
    let status = call(&peer(&[NOWHERE]), Duration::from_millis(90)).await.expect_err("away");
    assert_eq!(status.code(), Code::Unavailable, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_first_attempt_that_is_lost_leaves_time_for_a_second() {
    let server = StandIn::start(async |number| if number == 0 { std::future::pending().await } else { Ok(()) }).await;
    call(&peer(&[server.address]), Duration::from_millis(1800)).await.expect("an answer");
    assert_eq!(server.calls(), 2);
}

#[tokio::test]
async fn a_connection_that_breaks_under_a_call_is_the_service_being_away() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 64]).await;
        }
    });
    let once = peer_with(&[address], &GrpcSettings { attempts: 1, ..settings() });
    assert_eq!(call(&once, Duration::from_secs(5)).await.expect_err("cut off").code(), Code::Unavailable);

    let server = StandIn::start(async |_| Ok(())).await;
    call(&peer(&[address, server.address]), Duration::from_secs(5)).await.expect("an answer");
    assert_eq!(server.calls(), 1);
}
