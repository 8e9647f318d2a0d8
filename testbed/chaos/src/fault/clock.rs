//! Wrong clocks, with libfaketime.

use neonchat_testbed::{clock, process::Signal, system::STOP_TIMEOUT};
use tokio::time::sleep;

use super::{FaultContext, FaultOutcome};

/// Shifts the clock of Postgres, then of one instance of each service, and shifts it back. A clock changes when its process
/// starts, so the time of each jumps forward and backward.
pub(super) async fn change(context: &mut FaultContext<'_>, hours: i8) -> anyhow::Result<FaultOutcome> {
    let Some(wrong) = clock::shifted(&format!("{hours:+}h")) else {
        return Ok(FaultOutcome::skipped("libfaketime is not installed"));
    };
    let (index, hold) = (context.instance(), context.profile.hold);
    let cluster = &mut *context.cluster;
    for environment in [&wrong[..], &[]] {
        cluster.postgres.process().stop(Signal::SIGINT, STOP_TIMEOUT).await?;
        cluster.start_postgres(environment).await?;
        sleep(hold / 2).await;
    }
    for environment in [&wrong[..], &[]] {
        for service in [&mut cluster.chat[index], &mut cluster.notification[index]] {
            service.stop().await?;
            service.start(environment).await?;
        }
        sleep(hold / 2).await;
    }
    Ok(FaultOutcome::detail(format!("Postgres, then instance {index} of both")))
}
