//! Kills, freezes, adds and removes processes.

use std::time::Duration;

use neonchat_testbed::{process::Signal, system::STOP_TIMEOUT};
use tokio::time::{Instant, sleep};

use super::{FaultContext, FaultOutcome, Target};
use crate::cluster::{INSTANCES, Service};

/// Returns an instance of the target service.
fn service<'a>(context: &'a mut FaultContext<'_>, target: Target, index: usize) -> &'a mut Service {
    match target {
        Target::Chat => &mut context.cluster.chat[index],
        _ => &mut context.cluster.notification[index],
    }
}

pub(super) async fn kill(context: &mut FaultContext<'_>, target: Target) -> anyhow::Result<FaultOutcome> {
    let hold = context.profile.hold;
    match target {
        Target::Postgres => {
            context.cluster.postgres.process().signal(Signal::SIGKILL)?;
            // Reap the process first. Otherwise the restart finds its process ID in use.
            context.cluster.postgres.process().wait().await?;
            sleep(hold).await;
            context.cluster.start_postgres(&[]).await?;
        }
        Target::Redis => {
            context.cluster.redis.process().signal(Signal::SIGKILL)?;
            context.cluster.redis.process().wait().await?;
            sleep(hold).await;
            context.cluster.start_redis().await?;
        }
        Target::Chat | Target::Notification => {
            let index = context.instance();
            let service = service(context, target, index);
            service.kill().await?;
            sleep(hold).await;
            service.spawn(&[])?;
            return Ok(FaultOutcome::detail(service.name()));
        }
    }
    Ok(FaultOutcome::default())
}

pub(super) async fn freeze(context: &mut FaultContext<'_>, target: Target) -> anyhow::Result<FaultOutcome> {
    let freeze = context.profile.freeze;
    match target {
        Target::Postgres => {
            context.cluster.postgres.signal_all(Signal::SIGSTOP)?;
            sleep(freeze).await;
            context.cluster.postgres.signal_all(Signal::SIGCONT)?;
        }
        Target::Redis => {
            context.cluster.redis.process().signal(Signal::SIGSTOP)?;
            sleep(freeze).await;
            context.cluster.redis.process().signal(Signal::SIGCONT)?;
        }
        Target::Chat | Target::Notification => {
            let index = context.instance();
            let service = service(context, target, index);
            service.signal(Signal::SIGSTOP)?;
            sleep(freeze).await;
            service.signal(Signal::SIGCONT)?;
            return Ok(FaultOutcome::detail(service.name()));
        }
    }
    Ok(FaultOutcome::default())
}

pub(super) async fn add(context: &mut FaultContext<'_>) -> anyhow::Result<()> {
    let (cluster, hold) = (&mut *context.cluster, context.profile.hold);
    cluster.chat[INSTANCES].start(&[]).await?;
    cluster.notification[INSTANCES].start(&[]).await?;
    cluster.add_endpoints(INSTANCES);
    // Restart an instance, so that its clients reconnect and some of them reach the new one.
    cluster.notification[0].stop().await?;
    cluster.notification[0].spawn(&[])?;
    sleep(hold).await;
    cluster.remove_endpoints(INSTANCES);
    cluster.notification[INSTANCES].stop().await?;
    cluster.chat[INSTANCES].stop().await
}

pub(super) async fn remove(context: &mut FaultContext<'_>) -> anyhow::Result<FaultOutcome> {
    let index = context.instance();
    let (cluster, hold) = (&mut *context.cluster, context.profile.hold);
    cluster.remove_endpoints(index);
    cluster.notification[index].stop().await?;
    cluster.chat[index].stop().await?;
    sleep(hold).await;
    cluster.chat[index].spawn(&[])?;
    cluster.notification[index].spawn(&[])?;
    cluster.reset_endpoints();
    Ok(FaultOutcome::detail(format!("instance {index} of both")))
}

/// Restarts everything like a rolling deployment: each process is ready before the next one stops. Redis and Postgres, of
/// which there is only one, come last.
pub(super) async fn restart_everything(context: &mut FaultContext<'_>) -> anyhow::Result<FaultOutcome> {
    let begun = Instant::now();
    let cluster = &mut *context.cluster;
    let mut longest = Duration::ZERO;
    for service in cluster.notification[..INSTANCES].iter_mut().chain(&mut cluster.chat[..INSTANCES]) {
        let told = Instant::now();
        service.stop().await?;
        longest = longest.max(told.elapsed());
        service.start(&[]).await?;
    }
    cluster.redis.process().stop(Signal::SIGTERM, STOP_TIMEOUT).await?;
    cluster.start_redis().await?;
    cluster.postgres.process().stop(Signal::SIGINT, STOP_TIMEOUT).await?;
    cluster.start_postgres(&[]).await?;
    let seconds = (begun.elapsed().as_secs_f64(), longest.as_secs_f64());
    Ok(FaultOutcome::detail(format!("took {:.1} s, the longest drain {:.1} s", seconds.0, seconds.1)))
}
