//! Processes that are killed, frozen, added and removed.

use tokio::time::sleep;

use super::{Scene, Target};
use crate::{
    chaos::cluster::{INSTANCES, Service},
    process::Signal,
};

/// The instance of a service that is meant.
fn service<'a>(scene: &'a mut Scene<'_>, target: Target, index: usize) -> &'a mut Service {
    match target {
        Target::Chat => &mut scene.cluster.chat[index],
        _ => &mut scene.cluster.notification[index],
    }
}

pub(super) async fn kill(scene: &mut Scene<'_>, target: Target) -> anyhow::Result<String> {
    let hold = scene.pace.hold;
    match target {
        Target::Postgres => {
            scene.cluster.postgres.process().signal(Signal::SIGKILL)?;
            // Its parent waits for it, or the restart finds its process id still taken.
            scene.cluster.postgres.process().wait().await?;
            sleep(hold).await;
            scene.cluster.start_postgres(&[]).await?;
            Ok(String::new())
        }
        Target::Redis => {
            scene.cluster.redis.process().signal(Signal::SIGKILL)?;
            scene.cluster.redis.process().wait().await?;
            sleep(hold).await;
            scene.cluster.start_redis().await?;
            Ok(String::new())
        }
        Target::Chat | Target::Notification => {
            let index = scene.instance();
            let service = service(scene, target, index);
            service.kill().await?;
            sleep(hold).await;
            service.spawn(&[])?;
            Ok(service.name().to_owned())
        }
    }
}

pub(super) async fn freeze(scene: &mut Scene<'_>, target: Target) -> anyhow::Result<String> {
    let freeze = scene.pace.freeze;
    match target {
        Target::Postgres => {
            scene.cluster.postgres.signal_all(Signal::SIGSTOP)?;
            sleep(freeze).await;
            scene.cluster.postgres.signal_all(Signal::SIGCONT)?;
            Ok(String::new())
        }
        Target::Redis => {
            scene.cluster.redis.process().signal(Signal::SIGSTOP)?;
            sleep(freeze).await;
            scene.cluster.redis.process().signal(Signal::SIGCONT)?;
            Ok(String::new())
        }
        Target::Chat | Target::Notification => {
            let index = scene.instance();
            let service = service(scene, target, index);
            service.signal(Signal::SIGSTOP)?;
            sleep(freeze).await;
            service.signal(Signal::SIGCONT)?;
            Ok(service.name().to_owned())
        }
    }
}

pub(super) async fn add(scene: &mut Scene<'_>) -> anyhow::Result<String> {
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
    cluster.chat[INSTANCES].stop().await?;
    Ok(String::new())
}

pub(super) async fn remove(scene: &mut Scene<'_>) -> anyhow::Result<String> {
    let index = scene.instance();
    let (cluster, hold) = (&mut *scene.cluster, scene.pace.hold);
    cluster.remove_endpoints(index);
    cluster.notification[index].stop().await?;
    cluster.chat[index].stop().await?;
    sleep(hold).await;
    cluster.chat[index].spawn(&[])?;
    cluster.notification[index].spawn(&[])?;
    cluster.reset_endpoints();
    Ok(format!("instances {index}"))
}
