//! Processes whose clock is wrong, by libfaketime.

use std::path::Path;

use neonchat_testbed::{process::Signal, system::STOP_LIMIT};
use tokio::time::sleep;

use super::{Happened, Scene};

/// Where distributions put the library.
const LIBRARIES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
];

/// Gives Postgres, and then one instance of each service, another hour, and the right one again. A clock changes when its
/// process starts: so it goes forward, and back.
pub(super) async fn change(scene: &mut Scene<'_>, hours: i8) -> anyhow::Result<Happened> {
    let Some(library) = LIBRARIES.into_iter().find(|library| Path::new(library).exists()) else {
        return Ok(Happened::skipped("libfaketime is not installed"));
    };
    let wrong = [
        ("LD_PRELOAD", library.to_owned()),
        ("FAKETIME", format!("{hours:+}h")),
        // Only the time of day: how long something takes is as it was.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    let wrong = wrong.map(|(name, value)| (name.to_owned(), value));
    let (index, hold) = (scene.instance(), scene.pace.hold);
    let cluster = &mut *scene.cluster;
    for environment in [&wrong[..], &[]] {
        cluster.postgres.process().stop(Signal::SIGINT, STOP_LIMIT).await?;
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
    Ok(Happened::detail(format!("Postgres, then instance {index} of both")))
}
