//! Tests of the outbox.

use futures_util::FutureExt as _;

use super::*;

fn frame(len: usize) -> Frame {
    Frame::opaque("x".repeat(len))
}

fn drain(outbox: &Outbox) -> Vec<String> {
    let next = || match outbox.next().now_or_never()? {
        Next::Frame(frame) => Some(frame.as_str().to_owned()),
        Next::Close(reason) => Some(format!("close {}", reason.code().0)),
    };
    std::iter::from_fn(next).take(1000).collect()
}

#[test]
fn full_queue_marks_chat_as_lagging_and_reports_gap_once_drained() {
    let outbox = Outbox::default();
    let (slow, other) = (ChatId::new(), ChatId::new());
    for seq in 1..=6 {
        outbox.push_durable(slow, seq, &frame(MAX_QUEUED_BYTES / 4));
    }
    outbox.push_durable(other, 1, &frame(1));
    let got = drain(&outbox);
    assert_eq!(got.len(), 6, "four frames, and a `lagged` for each of the two chats");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&got[4]).expect("parse frame"),
        serde_json::json!({ "type": "lagged", "chat_id": slow, "from_seq": 5, "head_seq": 6 })
    );
    outbox.push_durable(slow, 7, &frame(1));
    assert_eq!(drain(&outbox), ["x"], "events are queued again after `lagged`");
}

#[test]
fn drops_ephemeral_events_first() {
    let outbox = Outbox::default();
    outbox.push_durable(ChatId::new(), 1, &frame(MAX_QUEUED_BYTES_FOR_EPHEMERAL));
    outbox.push_ephemeral(&frame(1));
    assert_eq!(drain(&outbox).len(), 1);
    outbox.push_ephemeral(&frame(1));
    assert_eq!(drain(&outbox).len(), 1);
}

#[test]
fn queues_announcement_up_to_the_full_limit() {
    let outbox = Outbox::default();
    outbox.push_durable(ChatId::new(), 1, &frame(MAX_QUEUED_BYTES - 1));
    assert!(outbox.push_announcement(&frame(1)));
    assert!(!outbox.push_announcement(&frame(1)));
    assert_eq!(drain(&outbox).len(), 2);
}

#[test]
fn bounds_unanswered_sends_and_closes_after_their_answers() {
    let outbox = Outbox::default();
    let sends: Vec<_> = std::iter::from_fn(|| outbox.has_request_capacity().then(|| outbox.begin_request(1))).collect();
    assert_eq!(sends.len(), MAX_UNANSWERED_BYTES / MIN_REQUEST_BYTES);
    outbox.close(CloseReason::Normal);
    assert!(outbox.next().now_or_never().is_none());
    for send in sends {
        outbox.answer(send, frame(1));
        assert!(!outbox.has_request_capacity(), "the answer is not written yet");
        assert_eq!(outbox.next().now_or_never(), Some(Next::Frame(frame(1))));
        assert!(outbox.has_request_capacity());
        outbox.begin_request(1);
    }
    assert!(outbox.next().now_or_never().is_none());

    let outbox = Outbox::default();
    let long = outbox.begin_request(MAX_UNANSWERED_BYTES);
    assert!(!outbox.has_request_capacity());
    outbox.close(CloseReason::Normal);
    outbox.answer(long, frame(1));
    assert_eq!(drain(&outbox)[..2], ["x", "close 1000"]);
}

#[test]
fn closes_after_queued_frames_with_first_reason() {
    let outbox = Outbox::default();
    outbox.push_ephemeral(&frame(1));
    outbox.close(CloseReason::Slow);
    outbox.close(CloseReason::Normal);
    assert_eq!(drain(&outbox)[..2], ["x", "close 4101"]);
}

#[test]
fn writes_frame_that_waits_for_its_wake_up_before_later_ones() {
    let (outbox, large, other) = (Outbox::default(), ChatId::new(), ChatId::new());
    let mut writer = Box::pin(outbox.next());
    assert!((&mut writer).now_or_never().is_none());
    assert!(outbox.push_durable_without_waking(large, 1, &frame(1)));
    assert!(!outbox.push_durable_without_waking(large, 2, &frame(2)), "the socket is in the wake queue");
    assert!((&mut writer).now_or_never().is_none(), "the writer is not woken");
    outbox.push_durable(other, 1, &frame(3));
    assert_eq!((&mut writer).now_or_never(), Some(Next::Frame(frame(1))));
    assert_eq!(drain(&outbox), ["xx", "xxx"]);
}

#[test]
fn wakes_writer_only_for_frames() {
    let outbox = Outbox::default();
    let mut writer = Box::pin(outbox.next());
    assert!((&mut writer).now_or_never().is_none());
    assert!(outbox.push_durable_without_waking(ChatId::new(), 1, &frame(1)));
    outbox.wake();
    assert_eq!((&mut writer).now_or_never(), Some(Next::Frame(frame(1))));
    outbox.wake();
    assert!(outbox.changed.notified().now_or_never().is_none());
}

#[tokio::test]
async fn synced_leaves_out_chats_from_which_the_user_was_removed_meanwhile() {
    let outbox = Outbox::default();
    let (removed, other) = (ChatId::new(), ChatId::new());
    let chats = [removed, other].map(|chat_id| SyncedChat { chat_id, first_seq: 1, head_seq: 5, complete: true });
    let synced = async || {
        outbox.push_synced(None, chats.to_vec()).await;
        let frame = drain(&outbox).pop().expect("a frame");
        let frame: serde_json::Value = serde_json::from_str(&frame).expect("parse frame");
        frame["chats"].as_array().map_or(0, Vec::len)
    };
    outbox.push_removal(removed, &frame(1));
    outbox.begin_sync();
    assert_eq!(synced().await, 2, "the user was removed before");
    outbox.begin_sync();
    outbox.push_removal(removed, &frame(1));
    assert_eq!(synced().await, 1);
    assert_eq!(synced().await, 2);
}
