//! A disk without room, on a small file system in memory.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use neonchat_testbed::{
    poll::until,
    process::Signal,
    system::{START_LIMIT, STOP_LIMIT},
};
use nix::unistd::Uid;
use tokio::{
    process::Command,
    time::{sleep, timeout},
};

use super::{Happened, Scene};

/// The room beside what there is already. A file of WAL takes 16 MiB.
const ROOM_MIB: u64 = 64;

/// Moves the data of Postgres to a small disk, fills that, and makes room again.
pub(super) async fn fill(scene: &mut Scene<'_>) -> anyhow::Result<Happened> {
    if !Uid::effective().is_root() {
        return Ok(Happened::skipped("only root can mount a small disk"));
    }
    let data = scene.cluster.folder().join("postgres/data");
    if data.is_symlink() {
        return Ok(Happened::skipped("the data of Postgres is not in the folder of the cluster"));
    }
    stop(scene).await?;
    let Some(disk) = SmallDisk::take_in(&data).await? else {
        scene.cluster.start_postgres(&[]).await?;
        return Ok(Happened::skipped("this machine does not let root mount"));
    };
    scene.cluster.start_postgres(&[]).await?;
    sleep(scene.pace.hold / 2).await;

    disk.fill()?;
    sleep(scene.pace.hold).await;
    // A new file of WAL finds no room: Postgres gives up, and does not come back until there is some.
    if let Ok(sql) = scene.cluster.sql().await {
        let _ = sql.batch_execute("SELECT pg_switch_wal(); CREATE TABLE room AS SELECT 1").await;
    }
    sleep(scene.pace.hold / 2).await;
    disk.make_room()?;

    let gave_up = scene.cluster.postgres.process().has_ended()?;
    if gave_up {
        scene.cluster.start_postgres(&[]).await?;
    }
    recover(scene).await?;
    stop(scene).await?;
    disk.give_back(&data).await?;
    scene.cluster.start_postgres(&[]).await?;
    Ok(Happened::detail(if gave_up { "Postgres gave up" } else { "Postgres stayed" }))
}

async fn stop(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    scene.cluster.postgres.process().stop(Signal::SIGINT, STOP_LIMIT).await.map(drop)
}

/// Waits until Postgres takes connections: it may be recovering.
async fn recover(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    timeout(START_LIMIT, until(async || scene.cluster.sql().await.is_ok()))
        .await
        .context("Postgres did not recover from a full disk")
}

/// A file system in memory. It goes when it is dropped.
#[derive(Debug)]
struct SmallDisk {
    mount: PathBuf,
}

impl SmallDisk {
    /// Moves a folder to a new one; a link stays where the folder was. `None` where nothing can be mounted.
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

    /// Moves it back.
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

    /// Takes all the room that is left.
    fn fill(&self) -> anyhow::Result<()> {
        let mut filler = fs::File::create(self.filler())?;
        for size in [1024 * 1024, 4096] {
            let block = vec![0; size];
            while filler.write_all(&block).is_ok() {}
        }
        Ok(())
    }

    fn make_room(&self) -> anyhow::Result<()> {
        Ok(fs::remove_file(self.filler())?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: where this is an early end, Postgres may be there still.
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.mount).status();
    }
}

async fn kib_of(folder: &Path) -> anyhow::Result<u64> {
    let output = Command::new("du").arg("-sk").arg(folder).output().await?;
    let text = String::from_utf8(output.stdout)?;
    text.split_whitespace().next().and_then(|kib| kib.parse().ok()).context("du says no number")
}

async fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
