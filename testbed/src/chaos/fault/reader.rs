//! A client that does not read, while its chat is written to as fast as it goes.

use tokio::time::sleep;

use super::{Happened, Scene};

/// So many devices write to the chat.
const WRITERS: usize = 4;

pub(super) async fn freeze(scene: &mut Scene<'_>) -> anyhow::Result<Happened> {
    let devices = scene.traffic.devices();
    let reader = &devices[scene.rng.usize(0..devices.len())];
    let connections = reader.log().connections.len();
    let before = scene.traffic.acks();
    reader.freeze(true);
    scene.traffic.flood(reader, WRITERS, scene.rng)?;
    sleep(scene.pace.reader).await;
    scene.traffic.end_flood();
    let written = scene.traffic.acks() - before;
    reader.freeze(false);
    let closed = reader.log().connections.len() - connections;
    Ok(Happened::detail(format!("{written} messages meanwhile, {closed} new connections")))
}
