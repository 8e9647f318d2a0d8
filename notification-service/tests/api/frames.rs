//! The bytes on the wire (RFC 6455) that a client library hides. Autobahn's test suite covers the whole protocol:
//! docs/TESTING.md.

use std::time::{Duration, Instant};

use crate::helpers::TestApp;

const MASK: [u8; 4] = [0; 4];

/// Encodes a frame of a client with a payload of at most 125 bytes.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("fit length");
    [&[first, 0x80 | length], MASK.as_slice(), payload].concat()
}

/// Returns the code of the close frame at the end of the received bytes.
fn close_code(received: &[u8]) -> Option<u16> {
    let start = received.windows(2).rposition(|bytes| bytes[0] == 0x88 && bytes[1] < 126)?;
    let [_, length, high, low, ..] = received[start..] else { return None };
    (received.len() == start + 2 + usize::from(length)).then(|| u16::from_be_bytes([high, low]))
}

#[tokio::test(flavor = "multi_thread")]
async fn closes_by_header_of_bad_frame_without_waiting_for_payload() {
    let app = TestApp::start().await;
    let user = app.api.any_user().await.expect("register user");
    let huge = [&[0x81, 0xff], (1u64 << 40).to_be_bytes().as_slice(), &MASK].concat();
    for (case, bytes, code) in [
        ("frame of a terabyte", huge, 1009),
        ("reserved bit", frame(0xc1, b"{}"), 1002),
        ("unknown opcode", frame(0x83, b"{}"), 1002),
        ("fragmented ping", frame(0x09, b""), 1002),
        ("unmasked frame", vec![0x81, 0], 1002),
        ("invalid close code", frame(0x88, &[0, 0]), 1002),
        ("fragment with invalid UTF-8", frame(0x01, b"\xff"), 1007),
    ] {
        let received = app.raw(&user, &bytes).await;
        assert_eq!(close_code(&received), Some(code), "{case}: {received:x?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_frames_before_a_bad_frame() {
    let app = TestApp::start().await;
    let user = app.api.any_user().await.expect("register user");
    let bytes = [frame(0x81, br#"{"type":"ping"}"#), frame(0xf1, b"bad")].concat();
    let received = app.raw(&user, &bytes).await;
    assert_eq!(close_code(&received), Some(1002), "{received:x?}");
    assert!(String::from_utf8_lossy(&received).contains(r#"{"type":"pong""#), "{received:x?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_close_frame_and_closes_tcp_without_delay() {
    let app = TestApp::start().await;
    let user = app.api.any_user().await.expect("register user");
    let started = Instant::now();
    for _ in 0..20 {
        let received = app.raw(&user, &frame(0x88, &1000u16.to_be_bytes())).await;
        assert_eq!(close_code(&received), Some(1000), "{received:x?}");
    }
    // The default of actix takes up to a second for each connection.
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn client_that_is_still_sending_gets_close_code() {
    let app = TestApp::start().await;
    let user = app.api.any_user().await.expect("register user");
    let header = [&[0x81, 0xff], (1u64 << 23).to_be_bytes().as_slice(), &MASK].concat();
    let received = app.raw(&user, &[header, vec![b'x'; 1 << 23]].concat()).await;
    assert_eq!(close_code(&received), Some(1009), "{received:x?}");
}
