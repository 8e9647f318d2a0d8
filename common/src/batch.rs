//! Gathering: what comes while a worker is busy waits, and is then taken all at once.
//!
//! Nobody waits for others to come. What comes while the worker is idle is taken at once and alone; under load, the more
//! waits, the more one piece of work takes, and the less each thing costs.

use std::ops::Add;

use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

/// How much something is.
#[derive(Clone, Copy, Debug, Default)]
pub struct BatchSize {
    /// Messages.
    pub messages: usize,
    /// Bytes of their texts.
    pub bytes: usize,
}

impl BatchSize {
    const fn reaches(self, limit: Self) -> bool {
        self.messages >= limit.messages || self.bytes >= limit.bytes
    }
}

impl Add for BatchSize {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { messages: self.messages + other.messages, bytes: self.bytes + other.bytes }
    }
}

/// Waits until something is in the queue, and takes what is there in its order, until it reaches `limit`: the last of them
/// may go beyond. `None` when the queue is closed and empty: `stopped` closes it.
pub async fn recv_batch<T>(
    queue: &mut Receiver<T>,
    stopped: &CancellationToken,
    limit: BatchSize,
    size: impl Fn(&T) -> BatchSize,
) -> Option<Vec<T>> {
    let first = loop {
        tokio::select! {
            first = queue.recv() => break first?,
            // What waits is still taken.
            () = stopped.cancelled(), if !queue.is_closed() => queue.close(),
        }
    };
    let mut batch_size = size(&first);
    let mut batch = vec![first];
    while !batch_size.reaches(limit)
        && let Ok(next) = queue.try_recv()
    {
        batch_size = batch_size + size(&next);
        batch.push(next);
    }
    Some(batch)
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    const FULL: BatchSize = BatchSize { messages: 3, bytes: 100 };

    /// One message with this number of bytes.
    const SIZE: fn(&usize) -> BatchSize = |bytes| BatchSize { messages: 1, bytes: *bytes };

    #[tokio::test]
    async fn takes_what_waits_until_it_is_full() {
        let (sender, mut queue) = mpsc::channel(10);
        let stopped = CancellationToken::new();
        for bytes in [1, 2, 3, 60, 40, 5] {
            sender.send(bytes).await.expect("room");
        }
        assert_eq!(recv_batch(&mut queue, &stopped, FULL, SIZE).await, Some(vec![1, 2, 3]));
        assert_eq!(recv_batch(&mut queue, &stopped, FULL, SIZE).await, Some(vec![60, 40]));
        assert_eq!(recv_batch(&mut queue, &stopped, FULL, SIZE).await, Some(vec![5]));
    }

    #[tokio::test]
    async fn ends_when_it_is_stopped_and_nothing_is_left() {
        let (sender, mut queue) = mpsc::channel(10);
        let stopped = CancellationToken::new();
        sender.send(1).await.expect("room");
        stopped.cancel();
        assert_eq!(recv_batch(&mut queue, &stopped, FULL, SIZE).await, Some(vec![1]));
        assert_eq!(recv_batch(&mut queue, &stopped, FULL, SIZE).await, None);
        assert!(sender.send(2).await.is_err());
    }
}
