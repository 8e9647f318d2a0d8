//! A private Redis under Sentinel: a master, a replica, and three sentinels that watch them.

use std::path::Path;

use anyhow::Context as _;

use super::{Persistence, Redis, until};
use crate::port;

/// The name of the master in the configuration of the sentinels.
const NAME: &str = "neonchat";

/// The password of master and replica. The sentinels have none, which is the default.
const PASSWORD: &str = "of-the-servers";

const SENTINELS: usize = 3;

/// A master and a replica with their sentinels.
#[derive(Debug)]
pub struct Watched {
    servers: Vec<Redis>,
    sentinels: Vec<Redis>,
}

impl Watched {
    /// Starts all servers with their files in `folder` and waits until the replica can take over.
    ///
    /// # Errors
    /// Redis is not installed, or a server does not start.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        let secrets = ["--requirepass", PASSWORD, "--masterauth", PASSWORD, "--repl-diskless-sync-delay", "0"];
        let start = async |name: &str, arguments: &[&str]| {
            let arguments = [&secrets, arguments].concat();
            Redis::start_with(&folder.join(name), Some(port::reserve()?), Persistence::None, &arguments).await
        };
        let master = start("master", &[]).await?;
        let port = master.port().to_string();
        let replica = start("replica", &["--replicaof", "127.0.0.1", &port]).await?;
        let settings = [
            format!("sentinel monitor {NAME} 127.0.0.1 {port} 2"),
            format!("sentinel auth-pass {NAME} {PASSWORD}"),
            format!("sentinel down-after-milliseconds {NAME} 2000"),
            format!("sentinel failover-timeout {NAME} 10000"),
        ];
        let mut sentinels = Vec::new();
        for index in 0..SENTINELS {
            sentinels.push(Redis::start_sentinel(&folder.join(format!("sentinel-{index}")), &settings).await?);
        }
        let watched = Self { servers: vec![master, replica], sentinels };
        watched.until_replica().await?;
        Ok(watched)
    }

    /// Returns the URL.
    #[must_use]
    pub fn url(&self) -> String {
        let mut ports = self.sentinels.iter().map(Redis::port);
        let first = ports.next().unwrap_or_default();
        let others: Vec<_> = ports.map(|port| format!("&node=127.0.0.1:{port}")).collect();
        format!("redis-sentinel://:{PASSWORD}@127.0.0.1:{first}/0?sentinelServiceName={NAME}{}", others.concat())
    }

    /// Waits until all sentinels know each other and a replica that can take over.
    ///
    /// # Errors
    /// It does not happen in time.
    pub async fn until_replica(&self) -> anyhow::Result<()> {
        for sentinel in &self.sentinels {
            until("the sentinels know each other and the replica", async || {
                let quorum = sentinel.cli(&["sentinel", "ckquorum", NAME]).await.unwrap_or_default();
                let replicas = sentinel.cli(&["sentinel", "replicas", NAME]).await?;
                Ok(quorum.starts_with("OK 3 usable") && replicas.contains("master-link-status\nok"))
            })
            .await?;
        }
        Ok(())
    }

    /// Kills the master with SIGKILL and waits until the sentinels have promoted the replica.
    ///
    /// # Errors
    /// It does not happen in time.
    pub async fn kill_master(&mut self) -> anyhow::Result<()> {
        let before = self.master().await?;
        let server = self.servers.iter_mut().find(|server| server.port() == before).context("find the server")?;
        server.kill().await?;
        self.until_master_is_not(before).await
    }

    /// Runs a failover to the replica while both servers are running.
    ///
    /// # Errors
    /// It does not happen in time.
    pub async fn fail_over(&self) -> anyhow::Result<()> {
        let before = self.master().await?;
        self.any()?.cli(&["sentinel", "failover", NAME]).await?;
        self.until_master_is_not(before).await
    }

    fn any(&self) -> anyhow::Result<&Redis> {
        self.sentinels.first().context("no sentinel")
    }

    /// Returns the port of the master.
    async fn master(&self) -> anyhow::Result<u16> {
        let address = self.any()?.cli(&["sentinel", "get-master-addr-by-name", NAME]).await?;
        Ok(address.lines().nth(1).context("no port")?.parse()?)
    }

    async fn until_master_is_not(&self, before: u16) -> anyhow::Result<()> {
        until("another master", async || Ok(self.master().await? != before)).await
    }
}
