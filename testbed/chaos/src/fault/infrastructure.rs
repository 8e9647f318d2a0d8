//! Faults of Postgres and Redis.

use anyhow::Context as _;
use neonchat_testbed::process::Signal;
use tokio::time::sleep;

use super::FaultContext;

/// SIGQUIT is what `pg_ctl stop -m immediate` sends: no checkpoint, and connections are dropped.
pub(super) async fn stop_postgres(context: &mut FaultContext<'_>) -> anyhow::Result<()> {
    context.cluster.postgres.process().signal(Signal::SIGQUIT)?;
    context.cluster.postgres.process().wait().await?;
    sleep(context.profile.hold).await;
    context.cluster.start_postgres(&[]).await?;
    Ok(())
}

pub(super) async fn make_read_only(context: &mut FaultContext<'_>) -> anyhow::Result<()> {
    // The session setting of this connection overrides the system setting.
    let sql = context.cluster.sql().await?;
    sql.batch_execute("SET default_transaction_read_only = off").await?;
    for (setting, hold) in [("on", context.profile.hold), ("off", std::time::Duration::ZERO)] {
        let change = format!("ALTER SYSTEM SET default_transaction_read_only = {setting}");
        sql.batch_execute(&change).await.context(change)?;
        sql.batch_execute("SELECT pg_reload_conf()").await?;
        sleep(hold).await;
    }
    Ok(())
}

pub(super) async fn restart_redis(context: &mut FaultContext<'_>) -> anyhow::Result<()> {
    context.cluster.redis.process().signal(Signal::SIGTERM)?;
    context.cluster.redis.process().wait().await?;
    sleep(context.profile.hold).await;
    context.cluster.start_redis().await?;
    Ok(())
}

/// Sends the command several times while traffic continues.
pub(super) async fn command_redis(context: &mut FaultContext<'_>, command: &str) -> anyhow::Result<()> {
    const TIMES: u32 = 4;
    for _ in 0..TIMES {
        context.cluster.redis.command(command).await?;
        sleep(context.profile.hold / TIMES).await;
    }
    Ok(())
}
