//! What is on the wire (RFC 6455), where a library as client does not show it. The whole of it is tested with Autobahn's
//! test suite: docs/TESTING.md.

use std::time::{Duration, Instant};

use crate::helpers::TestApp;

const MASK: [u8; 4] = [0; 4];

/// A frame of a client, with a payload of up to 125 bytes.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short payload");
    [&[first, 0x80 | length], MASK.as_slice(), payload].concat()
}

/// The code of the close frame that is the last of what was received.
fn close_code(received: &[u8]) -> Option<u16> {
    let start = received.windows(2).rposition(|bytes| bytes[0] == 0x88 && bytes[1] < 126)?;
    let [_, length, high, low, ..] = received[start..] else { return None };
    (received.len() == start + 2 + usize::from(length)).then(|| u16::from_be_bytes([high, low]))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_frame_is_told_by_the_close_code_without_waiting_for_the_rest_of_it() {
    let app = TestApp::start().await;
    let user = app.api.any_user().await.expect("a user");
    let huge = [&[0x81, 0xff], (1u64 << 40).to_be_bytes().as_slice(), &MASK].concat();
    for (what, bytes, code) in [
        ("a frame of a terabyte", huge, 1009),
        ("a reserved bit", frame(0xc1, b"{}"), 1002),
        ("an opcode that there is not", frame(0x83, b"{}"), 1002),
        ("a ping in fragments", frame(0x09, b""), 1002),
        ("a frame that is not masked", vec![0x81, 0], 1002),
        ("a close code that there is not", frame(0x88, &[0, 0]), 1002),
        ("a fragment that is not UTF-8, and goes on", frame(0x01, b"\xff"), 1007),
    ] {
        let received = app.raw(&user, &bytes).await;
        assert_eq!(close_code(&received), Some(code), "{what}: {received:x?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_before_a_bad_frame_is_still_answered() {
    let app = TestApp::start().await;
    let user = app.api.any_user().await.expect("a user");
    let bytes = [frame(0x81, br#"{"type":"ping"}"#), frame(0xf1, b"bad")].concat();
    let received = app.raw(&user, &bytes).await;
    assert_eq!(close_code(&received), Some(1002), "{received:x?}");
    assert!(String::from_utf8_lossy(&received).contains(r#"{"type":"pong""#), "{received:x?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_frame_is_answered_and_tcp_closed_at_once() {
    let app = TestApp::start().await;
    let user = app.api.any_user().await.expect("a user");
    let started = Instant::now();
    for _ in 0..20 {
        let received = app.raw(&user, &frame(0x88, &1000u16.to_be_bytes())).await;
        assert_eq!(close_code(&received), Some(1000), "{received:x?}");
    }
    // actix by itself takes up to a second for each.
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_still_sending_learns_why_it_is_closed() {
    let app = TestApp::start().await;
    let user = app.api.any_user().await.expect("a user");
    let header = [&[0x81, 0xff], (1u64 << 23).to_be_bytes().as_slice(), &MASK].concat();
    let received = app.raw(&user, &[header, vec![b'x'; 1 << 23]].concat()).await;
    assert_eq!(close_code(&received), Some(1009), "{received:x?}");
}
