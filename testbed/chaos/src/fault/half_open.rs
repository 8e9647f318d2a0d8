//! Clients that vanish while the server side of their connections stays open.

use std::time::Duration;

use neonchat_testbed::{
    client::{Socket, retry},
    proxy::{Disturbance, Proxy},
};
use tokio::time::{Instant, timeout};

use super::{FaultContext, FaultOutcome};

/// The number of sockets of the user that vanish.
const DEVICES: usize = 5;

/// The allowance for a busy machine.
const SLACK: Duration = Duration::from_secs(10);

/// A friend must learn that the user is offline after the read timeout of the sockets.
pub(super) async fn disconnect(context: &mut FaultContext<'_>) -> anyhow::Result<FaultOutcome> {
    let instance = context.instance();
    let proxy = Proxy::start(context.cluster.notification[instance].http_port)?;
    let api = context.cluster.endpoints.api(context.rng);
    let (user, friend) = (retry(async || api.any_user().await).await?, retry(async || api.any_user().await).await?);
    retry(async || api.chat(&user, &friend).await).await?;
    let base = context.cluster.endpoints.socket(context.rng);
    let mut friends = retry(async || Socket::open(&base, &friend, None).await).await?;
    let base = format!("ws://127.0.0.1:{}", proxy.port());
    let mut sockets = Vec::new();
    for _ in 0..DEVICES {
        sockets.push(retry(async || Socket::open(&base, &user, None).await).await?);
    }
    proxy.disturb(Disturbance::Cut);
    drop(sockets);
    let begun = Instant::now();
    let limit = Duration::from_secs(context.profile.read_timeout + context.profile.heartbeat) + SLACK;
    let told = async {
        loop {
            let frame = friends.receive().await?.into_text()?;
            if frame.contains("user_offline") && frame.contains(&user.id) {
                return anyhow::Ok(());
            }
        }
    };
    let mut outcome = FaultOutcome::default();
    match timeout(limit, told).await {
        Ok(told) => {
            told?;
            outcome.detail = format!("offline after {:.1} s", begun.elapsed().as_secs_f64());
        }
        Err(_) => {
            outcome.failures.push(format!("the user of {DEVICES} half-open sockets was still online after {limit:?}"));
        }
    }
    Ok(outcome)
}
