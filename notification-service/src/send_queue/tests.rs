use neonchat_common::{
    ids::{ChatId, RequestId, SendId, TokenId, UserId},
    message::MessageText,
    trace,
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{hub::outbox::Next, protocol::Given, shards::Shard, test_log::Log, unreachable};

/// Returns the worker of an instance without dependencies.
fn worker(hub: &Arc<Hub>) -> SendWorker {
    SendWorker {
        hub: Arc::clone(hub),
        chat_service: unreachable::chat_service(),
        delivery: unreachable::delivery(hub),
        tasks: Tasks::new(),
    }
}

fn message(sender_id: UserId) -> NewMessage {
    NewMessage {
        chat_id: ChatId::new(),
        sender_id,
        text: MessageText::try_from("x".to_owned()).expect("valid text"),
        given: Given::default(),
        request_id: SendId::new().to_string().parse::<RequestId>().expect("parse ID"),
        trace: trace::Span::default(),
    }
}

#[tokio::test(start_paused = true)]
async fn logs_once_why_messages_were_refused() {
    let (log, _guard) = Log::start();
    let (hub, user) = (Arc::<Hub>::default(), UserId::new());
    hub.reserve(user);
    let socket = hub.register(user, TokenId::new(), None, &[]);
    let (shard, queued) = Shard::new(2);
    let queue = SendQueue(Shards::of(Box::new([shard])));
    for _ in 0..2 {
        queue.submit(&socket, message(user)).await.expect("queue message");
    }
    for _ in 0..3 {
        let error = queue.submit(&socket, message(user)).await.expect_err("exceed capacity");
        assert_eq!(error.code, ErrorCode::Unavailable);
    }
    drop(queue);
    // The queued messages have waited too long by now.
    queued.run(worker(&hub), CancellationToken::new()).await;
    for (count, cause) in [(3, "the send queue of the shard is full"), (2, "the send waited too long in its shard")] {
        let lines = log.lines(cause);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(&format!("count={count}")), "{lines:?}");
    }
    for _ in 0..2 {
        let Next::Frame(frame) = socket.outbox.next().await else { panic!("socket closed") };
        assert!(frame.as_str().contains("unavailable"), "{}", frame.as_str());
    }
}

#[test]
fn logs_equal_causes_of_a_batch_once() {
    let (log, _guard) = Log::start();
    let mut errors: Vec<_> = (0..500).map(|_| ApiError::unavailable("database", "down")).collect();
    errors.push(ApiError::internal("a bug"));
    errors.push(ApiError::new(ErrorCode::NotFound, "no such chat"));
    log_causes(&errors);
    assert_eq!(log.lines("").len(), 2);
    assert!(log.lines("dependency unavailable")[0].contains("count=500"));
    assert!(log.lines("internal error")[0].contains("count=1"));
}
