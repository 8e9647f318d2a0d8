//! A private Redis Cluster: three masters, each with a replica.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use futures_util::future::try_join_all;
use tokio::sync::Mutex;

use super::{Persistence, Redis, cli, until};
use crate::port;

const MASTERS: usize = 3;

/// The time after which an unresponsive node counts as failed, in milliseconds. Long enough for a busy machine.
const NODE_TIMEOUT_MS: &str = "3000";

/// A running cluster.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

/// The number of subscribed channels.
#[derive(Debug)]
pub struct Subscriptions {
    /// With sharded Pub/Sub, on each master.
    pub sharded: Vec<usize>,
    /// With plain Pub/Sub, on all nodes.
    pub plain: usize,
}

/// A line of `CLUSTER NODES`.
#[derive(PartialEq, Eq)]
struct Node {
    id: String,
    port: u16,
    /// The master, if it is a replica.
    master: Option<String>,
    slots: Vec<(u16, u16)>,
}

impl RedisCluster {
    /// Starts a cluster with its files in `folder` and waits until all replicas can take over.
    ///
    /// # Errors
    /// Redis is not installed, or the cluster does not start.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        let nodes =
            try_join_all((0..2 * MASTERS).map(|index| start_node(folder.join(format!("node-{index}"))))).await?;
        let cluster = Self { nodes };
        let addresses: Vec<_> = cluster.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        let mut arguments = vec!["--cluster", "create"];
        arguments.extend(addresses.iter().map(String::as_str));
        arguments.extend(["--cluster-replicas", "1", "--cluster-yes"]);
        cluster.any()?.cli(&arguments).await?;
        until("each master has a replica", async || {
            let view = cluster.view().await?;
            let masters: HashSet<_> = view.iter().filter_map(|node| node.master.as_ref()).collect();
            Ok(masters.len() == MASTERS)
        })
        .await?;
        for node in &cluster.nodes {
            until("the cluster is complete", async || {
                let state = node.cli(&["cluster", "info"]).await?;
                let replication = node.cli(&["info", "replication"]).await?;
                let is_in_step = replication.contains("role:master") || replication.contains("master_link_status:up");
                Ok(state.contains("cluster_state:ok") && is_in_step)
            })
            .await?;
        }
        Ok(cluster)
    }

    /// Returns the URL, which names two of the nodes.
    #[must_use]
    pub fn url(&self) -> String {
        let port = |index: usize| self.nodes.get(index).map_or(0, Redis::port);
        format!("redis-cluster://127.0.0.1:{}?node=127.0.0.1:{}", port(0), port(1))
    }

    /// Returns the port of the master that has the slot of a key or channel.
    ///
    /// # Errors
    /// The nodes do not agree on one.
    pub async fn master_of(&self, key: &str) -> anyhow::Result<u16> {
        Ok(self.find_master(key).await?.port)
    }

    /// Kills the master of a key with SIGKILL.
    ///
    /// # Errors
    /// The master is unknown.
    pub async fn kill_master_of(&mut self, key: &str) -> anyhow::Result<()> {
        let port = self.master_of(key).await?;
        let node = self.nodes.iter_mut().find(|node| node.port() == port).context("find the node")?;
        node.kill().await
    }

    /// Waits until the master of a key answers on another port than `before`.
    ///
    /// # Errors
    /// It does not happen in time.
    pub async fn until_master_is_not(&self, before: u16, key: &str) -> anyhow::Result<()> {
        until("another master", async || {
            let Ok(now) = self.master_of(key).await else { return Ok(false) };
            Ok(now != before && cli(now, &["exists", key]).await.is_ok())
        })
        .await
    }

    /// Runs a manual failover from the master of a key to its replica.
    ///
    /// # Errors
    /// It does not happen in time.
    pub async fn fail_over(&self, key: &str) -> anyhow::Result<()> {
        let master = self.find_master(key).await?;
        let nodes = self.view().await?;
        let replica = nodes.iter().find(|node| node.master.as_ref() == Some(&master.id)).context("a replica")?;
        cli(replica.port, &["cluster", "failover"]).await?;
        self.until_master_is_not(master.port, key).await
    }

    /// Moves the slot of a key to another master, like resharding.
    ///
    /// # Errors
    /// It does not happen in time.
    pub async fn move_slot_of(&self, key: &str) -> anyhow::Result<()> {
        let slot = self.slot_of(key).await?.to_string();
        let from = self.find_master(key).await?;
        let nodes = self.view().await?;
        let mut others = nodes.iter().filter(|node| node.master.is_none() && node.id != from.id);
        let to = others.next().context("another master")?;
        cli(to.port, &["cluster", "setslot", &slot, "importing", &from.id]).await?;
        cli(from.port, &["cluster", "setslot", &slot, "migrating", &to.id]).await?;
        let target = to.port.to_string();
        for key in cli(from.port, &["cluster", "getkeysinslot", &slot, "1000"]).await?.lines() {
            cli(from.port, &["migrate", "127.0.0.1", &target, key, "0", "5000"]).await?;
        }
        for node in [to, &from] {
            cli(node.port, &["cluster", "setslot", &slot, "node", &to.id]).await?;
        }
        self.until_master_is_not(from.port, key).await
    }

    /// The number of subscribed channels.
    ///
    /// # Errors
    /// A node does not answer.
    pub async fn subscriptions(&self) -> anyhow::Result<Subscriptions> {
        let mut counts = Subscriptions { sharded: Vec::new(), plain: 0 };
        for node in self.view().await?.iter().filter(|node| node.master.is_none()) {
            counts.sharded.push(cli(node.port, &["pubsub", "shardchannels"]).await?.lines().count());
        }
        for node in self.running() {
            counts.plain += node.cli(&["pubsub", "channels"]).await?.lines().count();
        }
        Ok(counts)
    }

    fn running(&self) -> impl Iterator<Item = &Redis> {
        self.nodes.iter().filter(|node| node.id().is_some())
    }

    fn any(&self) -> anyhow::Result<&Redis> {
        self.running().next().context("no node is running")
    }

    async fn slot_of(&self, key: &str) -> anyhow::Result<u16> {
        Ok(self.any()?.cli(&["cluster", "keyslot", key]).await?.parse()?)
    }

    async fn find_master(&self, key: &str) -> anyhow::Result<Node> {
        let slot = self.slot_of(key).await?;
        let has_it = |node: &Node| node.slots.iter().any(|(first, last)| (*first..=*last).contains(&slot));
        self.view().await?.into_iter().find(has_it).with_context(|| format!("no master has slot {slot}"))
    }

    /// Returns the nodes as soon as all running nodes agree.
    async fn view(&self) -> anyhow::Result<Vec<Node>> {
        let view = Mutex::default();
        until("the nodes agree", async || {
            let mut views = Vec::new();
            for node in self.running() {
                let text = node.cli(&["cluster", "nodes"]).await?;
                let mut nodes: Vec<Node> = text.lines().filter_map(parse).collect();
                nodes.sort_by(|one, other| one.id.cmp(&other.id));
                views.push(nodes);
            }
            let first = views.pop().context("no node is running")?;
            let agreed = views.iter().all(|other| *other == first);
            *view.lock().await = first;
            Ok(agreed)
        })
        .await?;
        Ok(view.into_inner())
    }
}

async fn start_node(folder: PathBuf) -> anyhow::Result<Redis> {
    let bus = port::reserve()?.to_string();
    let arguments = [
        ["--cluster-enabled", "yes"],
        ["--cluster-node-timeout", NODE_TIMEOUT_MS],
        ["--cluster-port", &bus],
        // Replicas start without a delay.
        ["--repl-diskless-sync-delay", "0"],
    ];
    Redis::start_with(&folder, Some(port::reserve()?), Persistence::None, arguments.as_flattened()).await
}

/// Parses `id host:port@bus flags master ping pong epoch link slots…`. Returns `None` for a failed node.
fn parse(line: &str) -> Option<Node> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [id, address, flags, master, _, _, _, _, slots @ ..] = fields.as_slice() else { return None };
    let port = address.split_once('@')?.0.rsplit_once(':')?.1.parse().ok()?;
    let slots = slots.iter().filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some((first.parse().ok()?, last.parse().ok()?))
    });
    let is_gone = flags.split(',').any(|flag| flag == "fail");
    let slots = if is_gone { Vec::new() } else { slots.collect() };
    Some(Node { id: (*id).to_owned(), port, master: (*master != "-").then(|| (*master).to_owned()), slots })
}
