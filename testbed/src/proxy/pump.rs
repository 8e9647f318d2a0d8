//! One direction of a connection.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::tcp::{ReadHalf, WriteHalf},
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

use super::Disturbance;

const CHUNK: usize = 16 * 1024;

/// The number of chunks in flight. A full queue slows down the sender like a full link.
const MAX_CHUNKS: usize = 16;

/// Copies bytes until the sender closes its half, then closes the half of the receiver.
pub(super) async fn pump(
    from: ReadHalf<'_>,
    to: WriteHalf<'_>,
    disturbance: watch::Receiver<Disturbance>,
) -> io::Result<()> {
    let (chunks, queue) = mpsc::channel(MAX_CHUNKS);
    tokio::try_join!(read(from, chunks, disturbance.clone()), write(to, queue, disturbance)).map(drop)
}

/// Bytes, and the time at which they are due.
type Chunk = (Instant, Vec<u8>);

async fn read(
    mut from: ReadHalf<'_>,
    chunks: mpsc::Sender<Chunk>,
    disturbance: watch::Receiver<Disturbance>,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = from.read(&mut buffer).await?;
        let delay = match *disturbance.borrow() {
            Disturbance::Delay(delay) => delay,
            _ => Duration::ZERO,
        };
        // An empty chunk is the end of the stream. It is delayed too.
        let chunk = (Instant::now() + delay, buffer[..read].to_vec());
        if chunks.send(chunk).await.is_err() || read == 0 {
            return Ok(());
        }
    }
}

async fn write(
    mut to: WriteHalf<'_>,
    mut chunks: mpsc::Receiver<Chunk>,
    mut disturbance: watch::Receiver<Disturbance>,
) -> io::Result<()> {
    while let Some((due, bytes)) = chunks.recv().await {
        sleep_until(due).await;
        if disturbance.wait_for(|disturbance| *disturbance != Disturbance::Cut).await.is_err() {
            break;
        }
        if bytes.is_empty() {
            break;
        }
        // Read again for each chunk. A borrow must not be held over an await.
        let limit = match *disturbance.borrow() {
            Disturbance::Throttle(bytes_per_second) => Some(bytes_per_second),
            _ => None,
        };
        match limit {
            None => to.write_all(&bytes).await?,
            Some(limit) => write_slowly(&mut to, &bytes, limit).await?,
        }
    }
    to.shutdown().await
}

/// Writes in ten portions per second.
async fn write_slowly(to: &mut WriteHalf<'_>, bytes: &[u8], bytes_per_second: u32) -> io::Result<()> {
    let portion = usize::try_from(bytes_per_second / 10).unwrap_or(usize::MAX).max(1);
    for portion in bytes.chunks(portion) {
        to.write_all(portion).await?;
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
