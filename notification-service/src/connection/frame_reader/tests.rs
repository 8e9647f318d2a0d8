use futures_util::{FutureExt as _, stream};
use proptest::prelude::*;

use super::*;

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const TEXT_START: u8 = 0x01;
const CONTINUATION: u8 = 0x00;
const LAST: u8 = 0x80;

/// The second byte of a masked frame whose length is in the next 2 bytes, or in the next 8.
const LENGTH_IN_2: u8 = 0xfe;
const LENGTH_IN_8: u8 = 0xff;

/// Encodes a frame of a client.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let mut frame = vec![first];
    match u16::try_from(payload.len()) {
        Ok(length @ ..126) => frame.push(0x80 | length.to_be_bytes()[1]),
        Ok(length) => frame.extend([&[LENGTH_IN_2], length.to_be_bytes().as_slice()].concat()),
        Err(_) => frame.extend([&[LENGTH_IN_8], (payload.len() as u64).to_be_bytes().as_slice()].concat()),
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// Reads bytes that arrive in these pieces. Returns the messages and the end; `None` if the reader waits for more.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Message>, Option<CloseReason>) {
    let pieces: Vec<_> = pieces.into_iter().map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let mut reader = FrameReader::new(stream::iter(pieces).chain(stream::pending()));
    let mut messages = Vec::new();
    loop {
        match reader.next().now_or_never() {
            Some(Ok(message)) => messages.push(message),
            Some(Err(reason)) => return (messages, Some(reason)),
            None => return (messages, None),
        }
    }
}

fn text(text: &str) -> Message {
    Message::Text(text.into())
}

#[test]
fn reads_messages_before_invalid_frame_and_none_after() {
    let bytes = [frame(TEXT, b"a"), frame(PING, b"b"), frame(0xf1, b"c"), frame(TEXT, b"d")].concat();
    let read = read([bytes.as_slice()]);
    assert_eq!(read, (vec![text("a"), Message::Ping("b".into())], Some(CloseReason::ProtocolError)));
}

#[test]
fn end_without_close_frame_is_a_lost_connection() {
    for end in [None, Some(Err(PayloadError::Incomplete(None)))] {
        let mut reader = FrameReader::new(stream::iter([Ok(frame(TEXT, b"a").into())].into_iter().chain(end)));
        assert_eq!(reader.next().now_or_never().expect("read message"), Ok(text("a")));
        assert_eq!(reader.next().now_or_never().expect("read end"), Err(CloseReason::ConnectionLost));
    }
}

#[test]
fn refuses_frames_by_their_header() {
    let header = |first: u8, length: &[u8]| [&[first], length].concat();
    let extended = |length: u64| [&[LENGTH_IN_8], length.to_be_bytes().as_slice()].concat();
    for (bytes, reason) in [
        (header(TEXT, &extended(MAX_FRAME_BYTES as u64 + 1)), CloseReason::TooBig),
        (header(TEXT, &extended(1 << 62)), CloseReason::TooBig),
        (header(TEXT, &extended(1 << 63)), CloseReason::ProtocolError),
        (header(TEXT | 0x40, &[0x80]), CloseReason::ProtocolError),
        (header(PING, &[LENGTH_IN_2]), CloseReason::ProtocolError),
        (header(PING & !FIN_BIT, &[0x80]), CloseReason::ProtocolError),
        (header(0x83, &[0x80]), CloseReason::ProtocolError),
        // Without a mask.
        (header(TEXT, &[1]), CloseReason::ProtocolError),
    ] {
        assert_eq!(read([bytes.as_slice()]), (vec![], Some(reason)), "{bytes:x?}");
    }
    let largest = header(TEXT, &extended(MAX_FRAME_BYTES as u64));
    assert_eq!(read([largest.as_slice()]), (vec![], None));
}

#[test]
fn assembles_fragments_within_one_limit() {
    let half = vec![b'x'; MAX_FRAME_BYTES / 2];
    let largest = [frame(TEXT_START, &half), frame(LAST, &half)].concat();
    assert_eq!(read([largest.as_slice()]), (vec![text(&"x".repeat(MAX_FRAME_BYTES))], None));
    let too_large = [frame(TEXT_START, &half), frame(CONTINUATION, &half), frame(CONTINUATION, b"x")].concat();
    assert_eq!(read([too_large.as_slice()]), (vec![], Some(CloseReason::TooBig)));

    for out_of_order in [
        frame(LAST, b"x"),
        [frame(TEXT_START, b"x"), frame(TEXT, b"x")].concat(),
        [frame(TEXT_START, b"x"), frame(BINARY, b"x")].concat(),
    ] {
        assert_eq!(read([out_of_order.as_slice()]), (vec![], Some(CloseReason::ProtocolError)));
    }
}

#[test]
fn closes_after_too_many_fragments_even_if_they_are_empty() {
    let begins = frame(TEXT_START, b"x");
    let fragments = |count: usize, payload| [begins.clone(), frame(CONTINUATION, payload).repeat(count - 2)].concat();
    for payload in [b"".as_slice(), b"x"] {
        let most = [fragments(MAX_FRAGMENTS, payload), frame(LAST, b"x")].concat();
        let expected = text(&"x".repeat(2 + payload.len() * (MAX_FRAGMENTS - 2)));
        assert_eq!(read([most.as_slice()]), (vec![expected], None));
        let too_many = fragments(MAX_FRAGMENTS + 1, payload);
        assert_eq!(read([too_many.as_slice()]), (vec![], None), "the limit is reached");
        let too_many = [too_many, frame(CONTINUATION, payload)].concat();
        assert_eq!(read([too_many.as_slice()]), (vec![], Some(CloseReason::TooBig)));
    }
}

#[test]
fn bounds_memory_of_fragments_and_unread_bytes() {
    let half = vec![b'x'; MAX_FRAME_BYTES / 2];
    // Refused by the header, before the payload arrives.
    let too_large = [frame(TEXT_START, &half), vec![LAST, LENGTH_IN_2, 0xff, 0xff]].concat();
    assert_eq!(read([too_large.as_slice()]), (vec![], Some(CloseReason::TooBig)));
    // A ping in between has a limit of its own.
    let ping = [frame(TEXT_START, &[&half[..], &half[..]].concat()), frame(PING, b"?")].concat();
    assert_eq!(read([ping.as_slice()]), (vec![Message::Ping("?".into())], None));

    let unfinished = [frame(TEXT_START, &half), frame(CONTINUATION, b"x"), frame(LAST, &half[1..])].concat();
    let unfinished = &unfinished[..unfinished.len() - 1];
    let pieces: Vec<_> = unfinished.chunks(8192).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let mut reader = FrameReader::new(stream::iter(pieces).chain(stream::pending()));
    assert_eq!(reader.message_started_at(), None);
    assert!(reader.next().now_or_never().is_none());
    assert!(reader.message_started_at().is_some());
    let fragments = reader.fragments.as_ref().expect("keep fragments");
    assert_eq!(fragments.bytes.len() + reader.unread.len(), MAX_FRAME_BYTES + 8 - 1);
    assert!(reader.unread.capacity() <= half.len() + MAX_HEADER_BYTES);
}

#[tokio::test(start_paused = true)]
async fn reports_when_unfinished_message_began() {
    let bytes = [frame(TEXT_START, b"x"), frame(PING, b"?"), frame(LAST, b"y"), frame(TEXT, b"z")].concat();
    let (first, rest) = bytes.split_at(3);
    let (second, third) = rest.split_at(rest.len() - 3);
    let pieces = [first, second, third].map(|piece| Ok(Bytes::copy_from_slice(piece)));
    let slowly = stream::iter(pieces).then(async |piece| {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        piece
    });
    let (mut reader, start) = (FrameReader::new(Box::pin(slowly)), Instant::now());
    assert_eq!(reader.next().await, Ok(Message::Ping("?".into())));
    assert_eq!(reader.message_started_at(), Some(start + std::time::Duration::from_secs(1)), "since its first byte");
    assert_eq!(reader.next().await, Ok(text("xy")));
    assert_eq!(reader.message_started_at(), None);
    assert_eq!(reader.next().await, Ok(text("z")));
    assert_eq!(reader.message_started_at(), None);
}

#[test]
fn rejects_invalid_utf8_with_first_bad_fragment() {
    let split = [frame(TEXT_START, &"я".as_bytes()[..1]), frame(LAST, &"я".as_bytes()[1..])].concat();
    assert_eq!(read([split.as_slice()]), (vec![text("я")], None));
    for bad in [
        frame(TEXT, b"\xff"),
        frame(TEXT, &"я".as_bytes()[..1]),
        [frame(TEXT_START, b"x"), frame(CONTINUATION, b"\xed\xa0\x80")].concat(),
        [frame(TEXT_START, &"я".as_bytes()[..1]), frame(CONTINUATION, b"x")].concat(),
    ] {
        assert_eq!(read([bad.as_slice()]), (vec![], Some(CloseReason::InvalidUtf8)), "{bad:x?}");
    }
    assert_eq!(read([frame(BINARY, b"\xff").as_slice()]), (vec![Message::Binary(b"\xff".as_slice().into())], None));
}

#[test]
fn rejects_close_frames_with_invalid_code_or_reason() {
    assert_eq!(read([frame(CLOSE, b"").as_slice()]), (vec![Message::Close(None)], None));
    for bad in [b"\x03".as_slice(), &[0x03, 0xed], b"\x03\xe8\xff"] {
        assert_eq!(read([frame(CLOSE, bad).as_slice()]), (vec![], Some(CloseReason::ProtocolError)), "{bad:x?}");
    }
}

proptest! {
    #[test]
    fn messages_do_not_depend_on_fragments_or_packets(
        texts in prop::collection::vec((".{0,300}", 2usize..50), 1..5),
        piece in 1usize..2000,
    ) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for (message, fragment) in &texts {
            bytes.extend(frame(TEXT_START, b""));
            for payload in message.as_bytes().chunks(*fragment) {
                bytes.extend(frame(CONTINUATION, payload));
                bytes.extend(frame(PING, b"?"));
                expected.push(Message::Ping("?".into()));
            }
            bytes.extend(frame(LAST, b""));
            expected.push(text(message));
        }
        prop_assert_eq!(read(bytes.chunks(piece)), (expected, None));
    }

    #[test]
    fn frames_of_any_kind_do_not_depend_on_packets(
        frames in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..200)), 1..5),
        piece in 1usize..500,
    ) {
        let bytes: Vec<u8> = frames.iter().flat_map(|(first, payload)| frame(*first, payload)).collect();
        prop_assert_eq!(read(bytes.chunks(piece)), read([bytes.as_slice()]));
    }
}
