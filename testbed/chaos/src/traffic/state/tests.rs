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
