//! The last messages are lost on their way, and nothing comes after them by which anybody would notice.

use std::time::Duration;

use neonchat_testbed::proxy::Disturbance;
use tokio::time::sleep;

use super::{Happened, Scene};
use crate::cluster::Link;

/// As promised (guarantee G6).
const LIMIT: Duration = Duration::from_secs(10);

/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(10);

/// While Redis is away for one instance, what the others publish is lost to it, and what it publishes itself to them; only the
/// first of the two is noticed by somebody.
pub(super) async fn fall(scene: &mut Scene<'_>) -> anyhow::Result<Happened> {
    let instance = scene.instance();
    scene.cluster.links.disturb(Link::Redis, Some(instance), Disturbance::Reset);
    sleep(scene.pace.hold).await;
    let unanswered = scene.traffic.fall_silent(LIMIT + SLACK).await;
    scene.cluster.links.heal();
    let mut happened = if let Some(after) = scene.traffic.catch_up(scene.cluster, LIMIT + SLACK).await? {
        scene.traffic.talk();
        let after = after.as_secs_f64();
        Happened::detail(format!("instance {instance}: everybody had the last messages after {after:.1} s"))
    } else {
        // It stays silent: the next message would bring what is missing.
        let complaint = format!("not everybody had the last messages within {:?}", LIMIT + SLACK);
        Happened { complaints: vec![complaint], ..Happened::detail(format!("instance {instance}")) }
    };
    happened.complaints.extend(unanswered);
    Ok(happened)
}
