//! Processes that are killed, frozen, added and removed.

use std::time::Duration;

use neonchat_testbed::{process::Signal, system::STOP_LIMIT};
use tokio::time::{Instant, sleep};

use super::{Happened, Scene, Target};
use crate::cluster::{INSTANCES, Service};

/// The instance of a service that is meant.
fn service<'a>(scene: &'a mut Scene<'_>, target: Target, index: usize) -> &'a mut Service {
    match target {
        Target::Chat => &mut scene.cluster.chat[index],
        _ => &mut scene.cluster.notification[index],
    }
}

pub(super) async fn kill(scene: &mut Scene<'_>, target: Target) -> anyhow::Result<Happened> {
    let hold = scene.pace.hold;
    match target {
        Target::Postgres => {
            scene.cluster.postgres.process().signal(Signal::SIGKILL)?;
            // Its parent waits for it, or the restart finds its process id still taken.
            scene.cluster.postgres.process().wait().await?;
            sleep(hold).await;
            scene.cluster.start_postgres(&[]).await?;
        }
        Target::Redis => {
            scene.cluster.redis.process().signal(Signal::SIGKILL)?;
            scene.cluster.redis.process().wait().await?;
            sleep(hold).await;
            scene.cluster.start_redis().await?;
        }
        Target::Chat | Target::Notification => {
            let index = scene.instance();
            let service = service(scene, target, index);
            service.kill().await?;
            sleep(hold).await;
            service.spawn(&[])?;
            return Ok(Happened::detail(service.name()));
        }
    }
    Ok(Happened::default())
}

pub(super) async fn freeze(scene: &mut Scene<'_>, target: Target) -> anyhow::Result<Happened> {
    let freeze = scene.pace.freeze;
    match target {
        Target::Postgres => {
            scene.cluster.postgres.signal_all(Signal::SIGSTOP)?;
            sleep(freeze).await;
            scene.cluster.postgres.signal_all(Signal::SIGCONT)?;
        }
        Target::Redis => {
            scene.cluster.redis.process().signal(Signal::SIGSTOP)?;
            sleep(freeze).await;
            scene.cluster.redis.process().signal(Signal::SIGCONT)?;
        }
        Target::Chat | Target::Notification => {
            let index = scene.instance();
            let service = service(scene, target, index);
            service.signal(Signal::SIGSTOP)?;
            sleep(freeze).await;
            service.signal(Signal::SIGCONT)?;
            return Ok(Happened::detail(service.name()));
        }
    }
    Ok(Happened::default())
}

pub(super) async fn add(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    let (cluster, hold) = (&mut *scene.cluster, scene.pace.hold);
    cluster.chat[INSTANCES].start(&[]).await?;
    cluster.notification[INSTANCES].start(&[]).await?;
    cluster.add_endpoints(INSTANCES);
    // Nobody goes there unless somebody has to go anywhere.
    cluster.notification[0].stop().await?;
    cluster.notification[0].spawn(&[])?;
    sleep(hold).await;
    cluster.remove_endpoints(INSTANCES);
    cluster.notification[INSTANCES].stop().await?;
    cluster.chat[INSTANCES].stop().await
}

pub(super) async fn remove(scene: &mut Scene<'_>) -> anyhow::Result<Happened> {
    let index = scene.instance();
    let (cluster, hold) = (&mut *scene.cluster, scene.pace.hold);
    cluster.remove_endpoints(index);
    cluster.notification[index].stop().await?;
    cluster.chat[index].stop().await?;
    sleep(hold).await;
    cluster.chat[index].spawn(&[])?;
    cluster.notification[index].spawn(&[])?;
    cluster.reset_endpoints();
    Ok(Happened::detail(format!("instance {index} of both")))
}

/// As a deployment does: one process after another, each ready before the next one ends. Then Redis and Postgres, of
/// which there is but one.
pub(super) async fn restart_everything(scene: &mut Scene<'_>) -> anyhow::Result<Happened> {
    let begun = Instant::now();
    let cluster = &mut *scene.cluster;
    let mut longest = Duration::ZERO;
    for service in cluster.notification[..INSTANCES].iter_mut().chain(&mut cluster.chat[..INSTANCES]) {
        let told = Instant::now();
        service.stop().await?;
        longest = longest.max(told.elapsed());
        service.start(&[]).await?;
    }
    cluster.redis.process().stop(Signal::SIGTERM, STOP_LIMIT).await?;
    cluster.start_redis().await?;
    cluster.postgres.process().stop(Signal::SIGINT, STOP_LIMIT).await?;
    cluster.start_postgres(&[]).await?;
    let seconds = (begun.elapsed().as_secs_f64(), longest.as_secs_f64());
    Ok(Happened::detail(format!("took {:.1} s, the longest drain {:.1} s", seconds.0, seconds.1)))
}
