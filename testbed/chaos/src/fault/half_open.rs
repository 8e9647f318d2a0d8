//! Clients that are gone, while the server's side of their connections is open.

use std::time::Duration;

use neonchat_testbed::{
    client::{Socket, insist},
    proxy::{Disturbance, Proxy},
};
use tokio::time::{Instant, timeout};

use super::{Happened, Scene};

/// So many devices of a user vanish at once.
const DEVICES: usize = 5;

/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(10);

/// A friend is told that they are gone, as soon as nothing was heard of them for long enough.
pub(super) async fn vanish(scene: &mut Scene<'_>) -> anyhow::Result<Happened> {
    let instance = scene.instance();
    let proxy = Proxy::start(scene.cluster.notification[instance].http_port)?;
    let api = scene.cluster.endpoints.api(scene.rng);
    let (user, friend) = (insist(async || api.any_user().await).await?, insist(async || api.any_user().await).await?);
    insist(async || api.chat(&user, &friend).await).await?;
    let base = scene.cluster.endpoints.socket(scene.rng);
    let mut friends = insist(async || Socket::open(&base, &friend, None).await).await?;
    let base = format!("ws://127.0.0.1:{}", proxy.port());
    let mut sockets = Vec::new();
    for _ in 0..DEVICES {
        sockets.push(insist(async || Socket::open(&base, &user, None).await).await?);
    }
    proxy.disturb(Disturbance::Cut);
    drop(sockets);
    let begun = Instant::now();
    let limit = Duration::from_secs(scene.pace.read_timeout + scene.pace.heartbeat) + SLACK;
    let told = async {
        loop {
            let frame = friends.receive().await?.into_text()?;
            if frame.contains("user_offline") && frame.contains(&user.id) {
                return anyhow::Ok(());
            }
        }
    };
    let mut happened = Happened::default();
    match timeout(limit, told).await {
        Ok(told) => {
            told?;
            happened.detail = format!("offline after {:.1} s", begun.elapsed().as_secs_f64());
        }
        Err(_) => happened.complaints.push(format!("{DEVICES} half-open sockets were online still after {limit:?}")),
    }
    Ok(happened)
}
