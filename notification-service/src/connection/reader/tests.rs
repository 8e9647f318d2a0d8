use futures_util::{FutureExt as _, stream};
use proptest::prelude::*;

use super::*;

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const TEXT_BEGINS: u8 = 0x01;
const GOES_ON: u8 = 0x00;
const ENDS: u8 = 0x80;

/// The second byte of a frame that is masked: its length is in the next 2 bytes, or the next 8.
const LENGTH_IN_2: u8 = 0xfe;
const LENGTH_IN_8: u8 = 0xff;

/// A frame of a client.
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

/// What is read of bytes that come in these pieces, and how it ends; `None` where more is waited for.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Message>, Option<CloseReason>) {
    let pieces: Vec<_> = pieces.into_iter().map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let mut reader = Reader::new(stream::iter(pieces).chain(stream::pending()));
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
fn what_comes_before_a_bad_frame_counts_and_what_comes_after_it_does_not() {
    let bytes = [frame(TEXT, b"a"), frame(PING, b"b"), frame(0xf1, b"c"), frame(TEXT, b"d")].concat();
    let read = read([bytes.as_slice()]);
    assert_eq!(read, (vec![text("a"), Message::Ping("b".into())], Some(CloseReason::ProtocolError)));
}

#[test]
fn a_frame_is_refused_by_its_first_bytes() {
    let header = |first: u8, length: &[u8]| [&[first], length].concat();
    let extended = |length: u64| [&[LENGTH_IN_8], length.to_be_bytes().as_slice()].concat();
    for (bytes, reason) in [
        (header(TEXT, &extended(MAX_FRAME_BYTES as u64 + 1)), CloseReason::TooBig),
        (header(TEXT, &extended(1 << 62)), CloseReason::TooBig),
        (header(TEXT, &extended(1 << 63)), CloseReason::ProtocolError),
        (header(TEXT | 0x40, &[0x80]), CloseReason::ProtocolError),
        (header(PING, &[LENGTH_IN_2]), CloseReason::ProtocolError),
        (header(PING & !FIN, &[0x80]), CloseReason::ProtocolError),
        (header(0x83, &[0x80]), CloseReason::ProtocolError),
        // Not masked.
        (header(TEXT, &[1]), CloseReason::ProtocolError),
    ] {
        assert_eq!(read([bytes.as_slice()]), (vec![], Some(reason)), "{bytes:x?}");
    }
    let largest = header(TEXT, &extended(MAX_FRAME_BYTES as u64));
    assert_eq!(read([largest.as_slice()]), (vec![], None));
}

#[test]
fn fragments_are_put_together_and_have_a_limit_as_a_whole() {
    let half = vec![b'x'; MAX_FRAME_BYTES / 2];
    let largest = [frame(TEXT_BEGINS, &half), frame(ENDS, &half)].concat();
    assert_eq!(read([largest.as_slice()]), (vec![text(&"x".repeat(MAX_FRAME_BYTES))], None));
    let too_large = [frame(TEXT_BEGINS, &half), frame(GOES_ON, &half), frame(GOES_ON, b"x")].concat();
    assert_eq!(read([too_large.as_slice()]), (vec![], Some(CloseReason::TooBig)));

    for out_of_order in [
        frame(ENDS, b"x"),
        [frame(TEXT_BEGINS, b"x"), frame(TEXT, b"x")].concat(),
        [frame(TEXT_BEGINS, b"x"), frame(BINARY, b"x")].concat(),
    ] {
        assert_eq!(read([out_of_order.as_slice()]), (vec![], Some(CloseReason::ProtocolError)));
    }
}

#[test]
fn closes_after_too_many_fragments_even_if_they_are_empty() {
    let begins = frame(TEXT_BEGINS, b"x");
    let fragments = |count: usize, payload| [begins.clone(), frame(GOES_ON, payload).repeat(count - 2)].concat();
    for payload in [b"".as_slice(), b"x"] {
        let most = [fragments(MAX_FRAGMENTS, payload), frame(ENDS, b"x")].concat();
        let expected = text(&"x".repeat(2 + payload.len() * (MAX_FRAGMENTS - 2)));
        assert_eq!(read([most.as_slice()]), (vec![expected], None));
        let too_many = fragments(MAX_FRAGMENTS + 1, payload);
        assert_eq!(read([too_many.as_slice()]), (vec![], None), "the limit is reached");
        let too_many = [too_many, frame(GOES_ON, payload)].concat();
        assert_eq!(read([too_many.as_slice()]), (vec![], Some(CloseReason::TooBig)));
    }
}

#[test]
fn fragments_and_what_is_unread_have_one_limit_and_buffers_of_their_own() {
    let half = vec![b'x'; MAX_FRAME_BYTES / 2];
    // Refused by its header: the payload is not waited for.
    let too_large = [frame(TEXT_BEGINS, &half), vec![ENDS, LENGTH_IN_2, 0xff, 0xff]].concat();
    assert_eq!(read([too_large.as_slice()]), (vec![], Some(CloseReason::TooBig)));
    // A ping in between has its own.
    let ping = [frame(TEXT_BEGINS, &[&half[..], &half[..]].concat()), frame(PING, b"?")].concat();
    assert_eq!(read([ping.as_slice()]), (vec![Message::Ping("?".into())], None));

    let unfinished = [frame(TEXT_BEGINS, &half), frame(GOES_ON, b"x"), frame(ENDS, &half[1..])].concat();
    let unfinished = &unfinished[..unfinished.len() - 1];
    let pieces: Vec<_> = unfinished.chunks(8192).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let mut reader = Reader::new(stream::iter(pieces).chain(stream::pending()));
    assert_eq!(reader.message_begun(), None);
    assert!(reader.next().now_or_never().is_none());
    assert!(reader.message_begun().is_some());
    let fragments = reader.fragments.as_ref().expect("fragments");
    assert_eq!(fragments.bytes.len() + reader.unread.len(), MAX_FRAME_BYTES + 8 - 1);
    assert!(reader.unread.capacity() <= half.len() + MAX_HEADER_BYTES);
}

#[tokio::test(start_paused = true)]
async fn knows_since_when_a_message_has_not_ended() {
    let bytes = [frame(TEXT_BEGINS, b"x"), frame(PING, b"?"), frame(ENDS, b"y"), frame(TEXT, b"z")].concat();
    let (first, rest) = bytes.split_at(3);
    let (second, third) = rest.split_at(rest.len() - 3);
    let pieces = [first, second, third].map(|piece| Ok(Bytes::copy_from_slice(piece)));
    let slowly = stream::iter(pieces).then(async |piece| {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        piece
    });
    let (mut reader, start) = (Reader::new(Box::pin(slowly)), Instant::now());
    assert_eq!(reader.next().await, Ok(Message::Ping("?".into())));
    assert_eq!(reader.message_begun(), Some(start + std::time::Duration::from_secs(1)), "since its first byte");
    assert_eq!(reader.next().await, Ok(text("xy")));
    assert_eq!(reader.message_begun(), None);
    assert_eq!(reader.next().await, Ok(text("z")));
    assert_eq!(reader.message_begun(), None);
}

#[test]
fn text_is_utf_8_and_a_fragment_that_is_not_is_refused_at_once() {
    let split = [frame(TEXT_BEGINS, &"я".as_bytes()[..1]), frame(ENDS, &"я".as_bytes()[1..])].concat();
    assert_eq!(read([split.as_slice()]), (vec![text("я")], None));
    for bad in [
        frame(TEXT, b"\xff"),
        frame(TEXT, &"я".as_bytes()[..1]),
        [frame(TEXT_BEGINS, b"x"), frame(GOES_ON, b"\xed\xa0\x80")].concat(),
        [frame(TEXT_BEGINS, &"я".as_bytes()[..1]), frame(GOES_ON, b"x")].concat(),
    ] {
        assert_eq!(read([bad.as_slice()]), (vec![], Some(CloseReason::InvalidUtf8)), "{bad:x?}");
    }
    assert_eq!(read([frame(BINARY, b"\xff").as_slice()]), (vec![Message::Binary(b"\xff".as_slice().into())], None));
}

#[test]
fn a_close_frame_has_a_code_that_there_is_and_a_reason_in_utf_8() {
    assert_eq!(read([frame(CLOSE, b"").as_slice()]), (vec![Message::Close(None)], None));
    for bad in [b"\x03".as_slice(), &[0x03, 0xed], b"\x03\xe8\xff"] {
        assert_eq!(read([frame(CLOSE, bad).as_slice()]), (vec![], Some(CloseReason::ProtocolError)), "{bad:x?}");
    }
}

proptest! {
    #[test]
    fn messages_are_the_same_however_they_are_fragmented_and_wherever_they_are_cut(
        texts in prop::collection::vec((".{0,300}", 2usize..50), 1..5),
        piece in 1usize..2000,
    ) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for (message, fragment) in &texts {
            bytes.extend(frame(TEXT_BEGINS, b""));
            for payload in message.as_bytes().chunks(*fragment) {
                bytes.extend(frame(GOES_ON, payload));
                bytes.extend(frame(PING, b"?"));
                expected.push(Message::Ping("?".into()));
            }
            bytes.extend(frame(ENDS, b""));
            expected.push(text(message));
        }
        prop_assert_eq!(read(bytes.chunks(piece)), (expected, None));
    }

    #[test]
    fn frames_of_any_kind_are_read_the_same_wherever_they_are_cut(
        frames in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..200)), 1..5),
        piece in 1usize..500,
    ) {
        let bytes: Vec<u8> = frames.iter().flat_map(|(first, payload)| frame(*first, payload)).collect();
        prop_assert_eq!(read(bytes.chunks(piece)), read([bytes.as_slice()]));
    }
}
