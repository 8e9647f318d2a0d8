//! `make chaos`: real clients of several instances of each service, faults, and a checker that believes nobody.

pub mod checker;
pub mod cluster;
pub mod fault;
pub mod round;
pub mod summary;
pub mod table;
pub mod traffic;

use std::{path::PathBuf, time::Duration};

use tokio::time::Instant;

use self::{
    cluster::Cluster,
    fault::{Fault, Pace},
    round::{Outcome, round},
    summary::Summary,
};

/// What is to happen.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which faults; all of them where none is named.
    pub faults: Vec<Fault>,
    /// What chance begins with.
    pub seed: u64,
    /// How long faults follow one another at random. Otherwise each happens once, in its order.
    pub random_for: Option<Duration>,
    /// Whether each fault is as short as makes sense.
    pub quick: bool,
    /// Where the logs of the services are to stay.
    pub logs: Option<PathBuf>,
    /// Whether a fault that this machine cannot cause fails the run. Otherwise it is only counted as skipped.
    pub require_all: bool,
}

impl Plan {
    const fn pace(&self) -> Pace {
        if self.quick { Pace::QUICK } else { Pace::FULL }
    }

    /// The faults that happen to the same clients, each time with the seed that makes it happen like that again.
    fn rounds(&self) -> impl Iterator<Item = (Vec<Fault>, u64)> {
        let faults = if self.faults.is_empty() { Fault::all() } else { self.faults.clone() };
        let mut rng = fastrand::Rng::with_seed(self.seed);
        let chain = self.pace().chain;
        let once = if self.random_for.is_none() { faults.clone() } else { Vec::new() };
        let once: Vec<_> = once.chunks(chain).map(|faults| (faults.to_vec(), self.seed)).collect();
        let deadline = self.random_for.map(|duration| Instant::now() + duration);
        let at_random = std::iter::from_fn(move || {
            if deadline.is_none_or(|deadline| Instant::now() >= deadline) {
                return None;
            }
            let some = (0..chain).filter_map(|_| rng.choice(&faults).copied()).collect();
            Some((some, rng.u64(..1_000_000)))
        });
        once.into_iter().chain(at_random)
    }
}

/// Has it happen, and prints what came of it. Returns whether every promise was kept, and no required fault was skipped.
///
/// # Errors
/// The harness itself fails.
pub async fn run(plan: &Plan) -> anyhow::Result<bool> {
    println!("seed {}", plan.seed);
    let pace = plan.pace();
    let settings = [
        ("WS_HEARTBEAT_INTERVAL", format!("{}s", pace.heartbeat)),
        ("WS_READ_TIMEOUT", format!("{}s", pace.read_timeout)),
    ];
    let mut cluster = Cluster::start(&settings, plan.logs.as_deref()).await?;
    println!("{}", table::head());
    let mut summary = Summary::new(plan.require_all);
    for (faults, seed) in plan.rounds() {
        let outcome = round(&mut cluster, &faults, pace, seed).await?;
        println!("{}", table::row(&outcome));
        for step in &outcome.steps {
            if let Some(reason) = &step.happened.skipped {
                summary.add_skipped(step.fault, reason);
            }
        }
        if !outcome.is_green() {
            for line in complaints(&outcome) {
                println!("    {line}");
            }
            summary.add_broken(again(&faults, seed, plan.quick));
        }
    }
    println!("\n{}", table::LEGEND);
    if let Some(logs) = &plan.logs {
        std::fs::copy(cluster.postgres_log(), logs.join("postgres.log"))?;
    }
    cluster.stop().await?;
    println!("\n{summary}");
    Ok(summary.is_green())
}

/// What has the same happen again.
fn again(faults: &[Fault], seed: u64, quick: bool) -> String {
    let faults: Vec<String> = faults.iter().map(|fault| format!("--fault {fault}")).collect();
    let quick = if quick { " --quick" } else { "" };
    format!("chaos {} --seed {seed}{quick}", faults.join(" "))
}

fn complaints(outcome: &Outcome) -> Vec<String> {
    let verdict = outcome.verdict.to_string();
    let steps = outcome.steps.iter().flat_map(|step| &step.happened.complaints);
    verdict.lines().map(str::to_owned).chain(outcome.restless.clone()).chain(steps.cloned()).collect()
}
