//! The limits of Postgres and Redis on this machine without other load.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use uuid::Uuid;

use crate::{percentiles::Percentiles, population};

/// The number of connections, each with a statement in flight. More do not increase the rate.
const CONNECTIONS: usize = 4;

/// The number of rows in a statement.
pub(super) const ROWS: usize = 100;

/// Like `messages` with its indexes, without the foreign keys.
const TABLE: &str = "CREATE TABLE bare (LIKE messages INCLUDING ALL)";

const INSERT: &str = "INSERT INTO bare (id, chat_id, seq, sender_id, request_id, text, created_at, updated_at)
    SELECT id, chat_id, $5, $2, request_id, $4, now(), now() FROM unnest($1::uuid[], $3::uuid[], $6::uuid[])
        AS rows (id, chat_id, request_id)";

/// The text of a message.
const TEXT: &str = "As long as a message of the generator's, sixty characters...";

/// Inserts rows for the duration. Returns the rate in rows/s.
///
/// # Errors
/// Postgres refuses.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(super) async fn inserts(url: &str, duration: Duration) -> anyhow::Result<f64> {
    population::connect(url).await?.batch_execute(TABLE).await?;
    let start = Instant::now();
    let rows = try_join_all((0..CONNECTIONS).map(|_| insert_until(url, start + duration))).await?;
    Ok(rows.iter().sum::<usize>() as f64 / start.elapsed().as_secs_f64())
}

async fn insert_until(url: &str, end: Instant) -> anyhow::Result<usize> {
    let client = population::connect(url).await?;
    let insert = client.prepare(INSERT).await?;
    let (sender, chats) = (Uuid::new_v4(), (0..ROWS).map(|_| Uuid::now_v7()).collect::<Vec<_>>());
    let mut seq = 0_i64;
    let mut stored = 0;
    while Instant::now() < end {
        seq += 1;
        let ids: Vec<_> = chats.iter().map(|_| Uuid::now_v7()).collect();
        let requests: Vec<_> = chats.iter().map(|_| Uuid::new_v4()).collect();
        client.execute(&insert, &[&ids, &sender, &chats, &TEXT, &seq, &requests]).await?;
        stored += ROWS;
    }
    Ok(stored)
}

/// The payload size in bytes, about that of a `new_message`.
const PAYLOAD: usize = 400;

/// A publisher and a subscriber.
#[derive(Debug)]
pub(super) struct PubSub {
    publisher: TcpStream,
    subscriber: TcpStream,
    command: Vec<u8>,
    /// The length of the reply to the subscriber, in bytes.
    length: usize,
}

impl PubSub {
    /// Connects both.
    ///
    /// # Errors
    /// Redis does not answer.
    pub(super) async fn connect(port: u16) -> anyhow::Result<Self> {
        let connect = async || {
            let stream = TcpStream::connect(("127.0.0.1", port)).await?;
            stream.set_nodelay(true)?;
            anyhow::Ok(stream)
        };
        let (publisher, mut subscriber) = (connect().await?, connect().await?);
        subscriber.write_all(b"SUBSCRIBE bare\r\n").await?;
        subscriber.read_exact(&mut vec![0; "*3\r\n$9\r\nsubscribe\r\n$4\r\nbare\r\n:1\r\n".len()]).await?;
        let resp = |command: &str| {
            let payload = "x".repeat(PAYLOAD);
            format!("*3\r\n${}\r\n{command}\r\n$4\r\nbare\r\n${PAYLOAD}\r\n{payload}\r\n", command.len())
        };
        Ok(Self { publisher, subscriber, command: resp("PUBLISH").into_bytes(), length: resp("message").len() })
    }

    /// Publishes batches for the duration, each after the previous one was received. Returns the rate in messages/s and the
    /// percentiles of the batch times.
    ///
    /// # Errors
    /// Redis does not answer.
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    pub(super) async fn publish(&mut self, batch: usize, duration: Duration) -> anyhow::Result<(f64, Percentiles)> {
        let commands = self.command.repeat(batch);
        let (mut received, mut answers) = (vec![0; self.length * batch], vec![0; ":1\r\n".len() * batch]);
        let (start, mut times) = (Instant::now(), Vec::new());
        while start.elapsed() < duration {
            let sent = Instant::now();
            self.publisher.write_all(&commands).await?;
            self.subscriber.read_exact(&mut received).await?;
            times.push(sent.elapsed());
            self.publisher.read_exact(&mut answers).await?;
        }
        Ok(((times.len() * batch) as f64 / start.elapsed().as_secs_f64(), Percentiles::of(times)))
    }
}
