//! Batching: a worker takes all items that were queued while it was busy.
//!
//! No item waits for others. An idle worker takes an item immediately, as a batch of one. Under load, batches grow with the
//! queue, and the cost of each item falls.

use std::ops::Add;

use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

/// The size of an item or of a batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct BatchSize {
    /// The number of messages.
    pub messages: usize,
    /// The number of bytes of their texts.
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

/// Waits for an item, and returns it with all further items that are queued, in order. Stops adding items once the batch
/// reaches `limit`, which the last item may exceed. Returns `None` once the queue is closed and empty. `stopped` closes it.
pub async fn recv_batch<T>(
    queue: &mut Receiver<T>,
    stopped: &CancellationToken,
    limit: BatchSize,
    size: impl Fn(&T) -> BatchSize,
) -> Option<Vec<T>> {
    let first = loop {
        tokio::select! {
            first = queue.recv() => break first?,
            // Queued items are still returned.
            () = stopped.cancelled(), if !queue.is_closed() => queue.close(),
        }
    };
    let mut batch = vec![first];
    fill_batch(queue, &mut batch, limit, size);
    Some(batch)
}

/// Adds all items that are queued to a batch, in order. Stops once the batch reaches `limit`, which the last item may exceed.
pub fn fill_batch<T>(queue: &mut Receiver<T>, batch: &mut Vec<T>, limit: BatchSize, size: impl Fn(&T) -> BatchSize) {
    let mut batch_size = batch.iter().map(&size).fold(BatchSize::default(), BatchSize::add);
    while !batch_size.reaches(limit)
        && let Ok(next) = queue.try_recv()
    {
        batch_size = batch_size + size(&next);
        batch.push(next);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    const FULL: BatchSize = BatchSize { messages: 3, bytes: 100 };

    /// One message with this number of bytes.
    const SIZE: fn(&usize) -> BatchSize = |bytes| BatchSize { messages: 1, bytes: *bytes };

    #[tokio::test]
    async fn returns_queued_items_up_to_limit() {
        let (sender, mut queue) = mpsc::channel(10);
        let stopped = CancellationToken::new();
        for bytes in [1, 2, 3, 60, 40, 5] {
            sender.send(bytes).await.expect("queue item");
        }
        assert_eq!(recv_batch(&mut queue, &stopped, FULL, SIZE).await, Some(vec![1, 2, 3]));
        assert_eq!(recv_batch(&mut queue, &stopped, FULL, SIZE).await, Some(vec![60, 40]));
        assert_eq!(recv_batch(&mut queue, &stopped, FULL, SIZE).await, Some(vec![5]));
    }

    #[tokio::test]
    async fn fills_batch_up_to_limit() {
        let (sender, mut queue) = mpsc::channel(10);
        for bytes in [1, 2, 3] {
            sender.send(bytes).await.expect("queue item");
        }
        let mut batch = vec![7];
        fill_batch(&mut queue, &mut batch, FULL, SIZE);
        assert_eq!(batch, [7, 1, 2]);
        fill_batch(&mut queue, &mut batch, FULL, SIZE);
        assert_eq!(batch, [7, 1, 2], "full");
        let mut batch = Vec::new();
        fill_batch(&mut queue, &mut batch, FULL, SIZE);
        assert_eq!(batch, [3]);
    }

    #[tokio::test]
    async fn ends_after_last_item_when_stopped() {
        let (sender, mut queue) = mpsc::channel(10);
        let stopped = CancellationToken::new();
        sender.send(1).await.expect("queue item");
        stopped.cancel();
        assert_eq!(recv_batch(&mut queue, &stopped, FULL, SIZE).await, Some(vec![1]));
        assert_eq!(recv_batch(&mut queue, &stopped, FULL, SIZE).await, None);
        assert!(sender.send(2).await.is_err());
    }
}
