//! A client that does not read, or hardly, while its chat is written to as fast as it goes.

use std::time::Duration;

use neonchat_testbed::poll;
use tokio::time::{sleep, timeout};

use super::{Happened, Scene};

/// So many devices write to the chat.
const WRITERS: usize = 6;

/// How often a client that hardly reads does so, in the whole of its time, and how many frames each time. In a minute it is
/// once a second, some 170 kB: more rarely, and no write would get on within its 10 s.
const LOOKS: (u32, usize) = (60, 100);

/// With so many messages on their way to it, some 5 MB, and so more than all buffers hold, a client that hardly reads misses
/// some.
const ENOUGH: usize = 3000;

/// The longest that it takes until a client that reads again has read what says so.
const LIMIT: Duration = Duration::from_secs(20);

/// Not at all for a while: the server gives the connection up, and the client catches up on another one. Then hardly, for as
/// long: the connection stays, what finds no room in the queue of the socket is left out, and the client is told so.
pub(super) async fn freeze(scene: &mut Scene<'_>) -> anyhow::Result<Happened> {
    let devices = scene.traffic.devices();
    let reader = &devices[scene.rng.usize(0..devices.len())];
    let (connections, acks) = (reader.connections(), scene.traffic.acks());
    scene.traffic.flood(reader, WRITERS, scene.rng)?;
    reader.read(Some(0));
    sleep(scene.pace.reader).await;
    reader.read(None);
    let frozen = scene.traffic.acks() - acks;
    let given_up = frozen <= ENOUGH || until(|| reader.connections() > connections).await;

    let (before, acks) = (reader.gaps().len(), scene.traffic.acks());
    let (looks, frames) = LOOKS;
    for _ in 0..looks {
        reader.read(Some(frames));
        sleep(scene.pace.reader / looks).await;
    }
    reader.read(None);
    let slow = scene.traffic.acks() - acks;
    let told = slow <= ENOUGH || until(|| reader.gaps().len() > before).await;
    scene.traffic.end_flood();

    let gaps = &reader.gaps()[before..];
    let (lagged, left_out) = (gaps.len(), gaps.iter().sum::<i64>());
    let mut happened = Happened::detail(format!(
        "{frozen} messages while it read nothing: {} new connections; {slow} while it hardly read: {lagged} `lagged`, \
         {left_out} messages left out",
        reader.connections() - connections,
    ));
    if !given_up {
        happened.complaints.push("the connection of a client that read nothing was never given up".to_owned());
    }
    if !told {
        happened.complaints.push("a client that hardly read was never told that something was left out".to_owned());
    }
    Ok(happened)
}

/// Whether it becomes true within a while.
async fn until(is_true: impl Fn() -> bool) -> bool {
    timeout(LIMIT, poll::until(async || is_true())).await.is_ok()
}
