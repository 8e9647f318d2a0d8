//! Wrong clocks, with libfaketime.

use std::path::Path;

use neonchat_testbed::{process::Signal, system::STOP_TIMEOUT};
use tokio::time::sleep;

use super::{FaultContext, FaultOutcome};

/// The paths of the library in common distributions.
const LIBRARIES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
];

/// Shifts the clock of Postgres, then of one instance of each service, and shifts it back. A clock changes when its process
/// starts, so the time of each jumps forward and backward.
pub(super) async fn change(context: &mut FaultContext<'_>, hours: i8) -> anyhow::Result<FaultOutcome> {
    let Some(library) = LIBRARIES.into_iter().find(|library| Path::new(library).exists()) else {
        return Ok(FaultOutcome::skipped("libfaketime is not installed"));
    };
    let wrong = [
        ("LD_PRELOAD", library.to_owned()),
        ("FAKETIME", format!("{hours:+}h")),
        // Shifts wall-clock time only. The monotonic clock stays right.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    let wrong = wrong.map(|(name, value)| (name.to_owned(), value));
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
