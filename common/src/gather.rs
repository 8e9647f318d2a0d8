//! Gathering: what comes while a worker is busy waits, and is then taken all at once.
//!
//! Nobody waits for others to come. What comes while the worker is idle is taken at once and alone; under load, the more
//! waits, the more one piece of work takes, and the less each thing costs.

use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

/// Waits until something is in the queue, and takes what is there in its order, until `is_full` says of one that nothing
/// fits beside it any more. `None` when the queue is closed and empty: `stopped` closes it.
pub async fn gather<T>(
    queue: &mut Receiver<T>,
    stopped: &CancellationToken,
    mut is_full: impl FnMut(&T) -> bool,
) -> Option<Vec<T>> {
    let first = loop {
        tokio::select! {
            first = queue.recv() => break first?,
            // What waits is still taken.
            () = stopped.cancelled(), if !queue.is_closed() => queue.close(),
        }
    };
    let mut full = is_full(&first);
    let mut gathered = vec![first];
    while !full && let Ok(next) = queue.try_recv() {
        full = is_full(&next);
        gathered.push(next);
    }
    Some(gathered)
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn takes_what_waits_until_it_is_full() {
        let (sender, mut queue) = mpsc::channel(10);
        let stopped = CancellationToken::new();
        for n in 1..=5 {
            sender.send(n).await.expect("room");
        }
        assert_eq!(gather(&mut queue, &stopped, |n| *n == 3).await, Some(vec![1, 2, 3]));
        assert_eq!(gather(&mut queue, &stopped, |_| false).await, Some(vec![4, 5]));
    }

    #[tokio::test]
    async fn ends_when_it_is_stopped_and_nothing_is_left() {
        let (sender, mut queue) = mpsc::channel(10);
        let stopped = CancellationToken::new();
        sender.send(1).await.expect("room");
        stopped.cancel();
        assert_eq!(gather(&mut queue, &stopped, |_| false).await, Some(vec![1]));
        assert_eq!(gather(&mut queue, &stopped, |_| false).await, None);
        assert!(sender.send(2).await.is_err());
    }
}
