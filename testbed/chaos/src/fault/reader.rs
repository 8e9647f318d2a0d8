//! A client that reads nothing, then little, while its chat is flooded.

use std::time::Duration;

use neonchat_testbed::poll;
use tokio::time::{sleep, timeout};

use super::{FaultContext, FaultOutcome};

/// The number of devices that flood the chat.
const WRITERS: usize = 6;

/// The slow phase: how many times the client reads, and how many frames each time. In a minute this is once a second, about
/// 170 kB. With longer pauses no write would progress within its 10 s timeout.
const READS: (u32, usize) = (60, 100);

/// This many messages, about 5 MB, are more than all buffers hold, so that a slow client must miss some.
const ENOUGH: usize = 3000;

/// The longest until a client that reads again has received the news.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// First the client reads nothing: the server closes the connection, and the client catches up on a new one. Then it reads
/// slowly for as long: the connection stays, frames that do not fit into the outbox are left out, and the client gets `lagged`.
pub(super) async fn freeze(context: &mut FaultContext<'_>) -> anyhow::Result<FaultOutcome> {
    let devices = context.traffic.devices();
    let reader = &devices[context.rng.usize(0..devices.len())];
    let (connections, acks) = (reader.connections(), context.traffic.acks());
    context.traffic.flood(reader, WRITERS, context.rng)?;
    reader.read(Some(0));
    sleep(context.profile.reader).await;
    reader.read(None);
    let frozen = context.traffic.acks() - acks;
    let was_closed = frozen <= ENOUGH || until(|| reader.connections() > connections).await;

    let (before, acks) = (reader.gaps().len(), context.traffic.acks());
    let (reads, frames) = READS;
    for _ in 0..reads {
        reader.read(Some(frames));
        sleep(context.profile.reader / reads).await;
    }
    reader.read(None);
    let slow = context.traffic.acks() - acks;
    let was_notified = slow <= ENOUGH || until(|| reader.gaps().len() > before).await;
    context.traffic.end_flood();

    let gaps = &reader.gaps()[before..];
    let (lagged, left_out) = (gaps.len(), gaps.iter().sum::<i64>());
    let mut outcome = FaultOutcome::detail(format!(
        "{frozen} messages while it read nothing: {} new connections; {slow} while it read slowly: {lagged} `lagged`, \
         {left_out} messages left out",
        reader.connections() - connections,
    ));
    if !was_closed {
        outcome.failures.push("the connection of a client that read nothing was never closed".to_owned());
    }
    if !was_notified {
        outcome.failures.push("a slow client never got `lagged`".to_owned());
    }
    Ok(outcome)
}

/// Returns whether the condition becomes true in time.
async fn until(is_true: impl Fn() -> bool) -> bool {
    timeout(READ_TIMEOUT, poll::until(async || is_true())).await.is_ok()
}
