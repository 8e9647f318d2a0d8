//! Tests of the state.

use super::*;

#[test]
fn cursor_stops_at_a_gap() {
    let chat = ChatId::new();
    let state = State::new(UserId::new(), vec![chat]);
    for (seq, up_to) in [(1, 1), (3, 1), (4, 1), (2, 4), (2, 4), (5, 5)] {
        state.lock().record_seq(chat, seq);
        assert_eq!(state.cursor(chat), up_to);
    }
}

#[tokio::test(start_paused = true)]
async fn returns_retries_when_they_are_due() {
    let state = State::new(UserId::new(), Vec::new());
    let (first, second) = (SendId::new(), SendId::new());
    state.retry_after(first, Duration::from_secs(2));
    state.retry_after(second, Duration::from_secs(1));
    assert_eq!(state.next_retry(), Err(Some(Instant::now() + Duration::from_secs(1))));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(state.next_retry(), Ok(second));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!((state.next_retry(), state.next_retry()), (Ok(first), Err(None)));
}

#[tokio::test(start_paused = true)]
async fn late_answer_of_the_sdk_leaves_an_attempt_without_an_answer() {
    let (chat, state) = (ChatId::new(), State::new(UserId::new(), Vec::new()));
    for (after, attempts) in [(50, 1), (150, 2)] {
        let request = SendId::new();
        state.add_send(chat, request, String::new());
        state.attempt(request);
        tokio::time::advance(Duration::from_millis(after)).await;
        state.sent(request, Answer::Refused);
        let send = state.log().sends.remove(&request).expect("the message");
        assert_eq!((send.attempts, send.answers), (attempts, vec![Answer::Refused]));
        assert_eq!(state.unanswered(), 0);
    }
}
