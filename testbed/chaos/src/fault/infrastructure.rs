//! What happens to Postgres and Redis.

use anyhow::Context as _;
use neonchat_testbed::process::Signal;
use tokio::time::sleep;

use super::Scene;

/// SIGQUIT is what `pg_ctl stop -m immediate` sends: no checkpoint, no goodbye.
pub(super) async fn stop_postgres(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    scene.cluster.postgres.process().signal(Signal::SIGQUIT)?;
    scene.cluster.postgres.process().wait().await?;
    sleep(scene.pace.hold).await;
    scene.cluster.start_postgres(&[]).await?;
    Ok(())
}

pub(super) async fn make_read_only(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    // This connection was opened before, and goes on as it was told to by itself.
    let sql = scene.cluster.sql().await?;
    sql.batch_execute("SET default_transaction_read_only = off").await?;
    for (setting, hold) in [("on", scene.pace.hold), ("off", std::time::Duration::ZERO)] {
        let change = format!("ALTER SYSTEM SET default_transaction_read_only = {setting}");
        sql.batch_execute(&change).await.context(change)?;
        sql.batch_execute("SELECT pg_reload_conf()").await?;
        sleep(hold).await;
    }
    Ok(())
}

pub(super) async fn restart_redis(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    scene.cluster.redis.process().signal(Signal::SIGTERM)?;
    scene.cluster.redis.process().wait().await?;
    sleep(scene.pace.hold).await;
    scene.cluster.start_redis().await?;
    Ok(())
}

/// Gives it a few times, since traffic goes on in between.
pub(super) async fn command_redis(scene: &mut Scene<'_>, command: &str) -> anyhow::Result<()> {
    const TIMES: u32 = 4;
    for _ in 0..TIMES {
        scene.cluster.redis.command(command).await?;
        sleep(scene.pace.hold / TIMES).await;
    }
    Ok(())
}
