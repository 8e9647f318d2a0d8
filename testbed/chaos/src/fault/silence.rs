//! The publications of the last messages are lost, and no later message reveals the gap.

use std::time::Duration;

use neonchat_testbed::proxy::Disturbance;
use tokio::time::sleep;

use super::{FaultContext, FaultOutcome};
use crate::cluster::Link;

/// The longest time until a lost last event is found.
const RESYNC_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest time until all is stored that was scheduled or is gathered.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// The allowance for a busy machine.
const SLACK: Duration = Duration::from_secs(10);

/// While one instance cannot reach Redis, it misses the publications of the others, and they miss its own. Only the first of
/// these losses is visible to an instance, by its lost connection.
pub(super) async fn lose_last_messages(context: &mut FaultContext<'_>) -> anyhow::Result<FaultOutcome> {
    let instance = context.instance();
    context.cluster.links.disturb(Link::Redis, Some(instance), Disturbance::Reset);
    sleep(context.profile.hold).await;
    let unanswered = context.traffic.stop_sending(RESYNC_TIMEOUT + SLACK).await;
    // Nor does a scheduled message or a gathered reaction follow.
    let pending = context.traffic.drain(context.cluster, DRAIN_TIMEOUT).await?;
    context.cluster.links.heal();
    let mut outcome = if let Some(after) = context.traffic.catch_up(context.cluster, RESYNC_TIMEOUT + SLACK).await? {
        context.traffic.resume_sending();
        let after = after.as_secs_f64();
        FaultOutcome::detail(format!("instance {instance}: every client had the last messages after {after:.1} s"))
    } else {
        // The clients stay silent: the next message would reveal the gap.
        let failure = format!("not every client had the last messages within {:?}", RESYNC_TIMEOUT + SLACK);
        FaultOutcome { failures: vec![failure], ..FaultOutcome::detail(format!("instance {instance}")) }
    };
    outcome.failures.extend(unanswered.into_iter().chain(pending));
    Ok(outcome)
}
