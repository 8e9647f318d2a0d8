//! A full disk, on a small file system in memory.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use neonchat_testbed::{
    poll::until,
    process::Signal,
    system::{START_TIMEOUT, STOP_TIMEOUT},
};
use nix::unistd::Uid;
use tokio::{
    process::Command,
    time::{sleep, timeout},
};

use super::{FaultContext, FaultOutcome};

/// The free space beside the existing data, in MiB. A WAL segment has 16 MiB.
const ROOM_MIB: u64 = 64;

/// Moves the data of Postgres to a small disk, fills the disk, and frees the space again.
pub(super) async fn fill(context: &mut FaultContext<'_>) -> anyhow::Result<FaultOutcome> {
    if !Uid::effective().is_root() {
        return Ok(FaultOutcome::skipped("only root can mount a small disk"));
    }
    let data = context.cluster.folder().join("postgres/data");
    if data.is_symlink() {
        return Ok(FaultOutcome::skipped("the data of Postgres is not in the directory of the cluster"));
    }
    stop(context).await?;
    let Some(disk) = SmallDisk::take_in(&data).await? else {
        context.cluster.start_postgres(&[]).await?;
        return Ok(FaultOutcome::skipped("this machine does not let root mount"));
    };
    context.cluster.start_postgres(&[]).await?;
    sleep(context.profile.hold / 2).await;

    disk.fill()?;
    sleep(context.profile.hold).await;
    // There is no space for a new WAL segment: Postgres shuts down, and cannot start until there is some.
    if let Ok(sql) = context.cluster.sql().await {
        let _ = sql.batch_execute("SELECT pg_switch_wal(); CREATE TABLE room AS SELECT 1").await;
    }
    sleep(context.profile.hold / 2).await;
    disk.free_space()?;

    let shut_down = context.cluster.postgres.process().has_ended()?;
    if shut_down {
        context.cluster.start_postgres(&[]).await?;
    }
    recover(context).await?;
    stop(context).await?;
    disk.give_back(&data).await?;
    context.cluster.start_postgres(&[]).await?;
    Ok(FaultOutcome::detail(if shut_down { "Postgres shut down" } else { "Postgres kept running" }))
}

async fn stop(context: &mut FaultContext<'_>) -> anyhow::Result<()> {
    context.cluster.postgres.process().stop(Signal::SIGINT, STOP_TIMEOUT).await.map(drop)
}

/// Waits until Postgres accepts connections after its recovery.
async fn recover(context: &mut FaultContext<'_>) -> anyhow::Result<()> {
    timeout(START_TIMEOUT, until(async || context.cluster.sql().await.is_ok()))
        .await
        .context("Postgres did not recover from a full disk")
}

/// A file system in memory. It is unmounted on drop.
#[derive(Debug)]
struct SmallDisk {
    mount: PathBuf,
}

impl SmallDisk {
    /// Moves a directory to a new small disk and leaves a symbolic link. Returns `None` if mounting is not permitted.
    async fn take_in(folder: &Path) -> anyhow::Result<Option<Self>> {
        let mount = folder.with_file_name("small-disk");
        fs::create_dir_all(&mount)?;
        let size = kib_of(folder).await? / 1024 + ROOM_MIB;
        let options = format!("size={size}m,mode=0755");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&mount).output().await?;
        if !mounted.status.success() {
            return Ok(None);
        }
        let this = Self { mount };
        run(Command::new("cp").arg("-a").arg(folder).arg(this.data())).await?;
        fs::remove_dir_all(folder)?;
        std::os::unix::fs::symlink(this.data(), folder)?;
        Ok(Some(this))
    }

    /// Moves the directory back.
    async fn give_back(&self, folder: &Path) -> anyhow::Result<()> {
        fs::remove_file(folder)?;
        run(Command::new("cp").arg("-a").arg(self.data()).arg(folder)).await
    }

    fn data(&self) -> PathBuf {
        self.mount.join("data")
    }

    fn filler(&self) -> PathBuf {
        self.mount.join("filler")
    }

    /// Fills the free space.
    fn fill(&self) -> anyhow::Result<()> {
        let mut filler = fs::File::create(self.filler())?;
        for size in [1024 * 1024, 4096] {
            let block = vec![0; size];
            while filler.write_all(&block).is_ok() {}
        }
        Ok(())
    }

    fn free_space(&self) -> anyhow::Result<()> {
        Ok(fs::remove_file(self.filler())?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazy, because Postgres may still use it after an early end.
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.mount).status();
    }
}

async fn kib_of(folder: &Path) -> anyhow::Result<u64> {
    let output = Command::new("du").arg("-sk").arg(folder).output().await?;
    let text = String::from_utf8(output.stdout)?;
    text.split_whitespace().next().and_then(|kib| kib.parse().ok()).context("du printed no number")
}

async fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
