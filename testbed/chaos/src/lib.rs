//! `make chaos`: injects faults into a cluster under load, and checks the guarantees from what clients observed.

#![expect(clippy::disallowed_methods, reason = "the rules are for the services")]

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
    fault::{Fault, Profile},
    round::{RoundOutcome, round},
    summary::Summary,
};

/// The options of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The faults to inject. Empty for all.
    pub faults: Vec<Fault>,
    /// The seed of all random choices.
    pub seed: u64,
    /// How long random faults are injected. `None` injects each fault once, in order.
    pub random_for: Option<Duration>,
    /// Whether each fault is as short as possible.
    pub quick: bool,
    /// The directory in which the logs of the services are kept.
    pub logs: Option<PathBuf>,
    /// Whether a fault that this machine cannot cause fails the run. Otherwise it is only counted as skipped.
    pub require_all: bool,
}

impl Plan {
    const fn profile(&self) -> Profile {
        if self.quick { Profile::QUICK } else { Profile::FULL }
    }

    /// Returns the faults of each round with the seed that repeats it. The clients of a round are the same for all its faults.
    fn rounds(&self) -> impl Iterator<Item = (Vec<Fault>, u64)> {
        let faults = if self.faults.is_empty() { Fault::all() } else { self.faults.clone() };
        let mut rng = fastrand::Rng::with_seed(self.seed);
        let chain = self.profile().chain;
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

/// Runs a plan and prints the results. Returns whether every guarantee held and no required fault was skipped.
///
/// # Errors
/// The harness failed.
pub async fn run(plan: &Plan) -> anyhow::Result<bool> {
    println!("seed {}", plan.seed);
    let profile = plan.profile();
    let settings = [
        ("WS_HEARTBEAT_INTERVAL", format!("{}s", profile.heartbeat)),
        ("WS_READ_TIMEOUT", format!("{}s", profile.read_timeout)),
    ];
    let mut cluster = Cluster::start(&settings, plan.logs.as_deref()).await?;
    println!("{}", table::head());
    let mut summary = Summary::new(plan.require_all);
    for (faults, seed) in plan.rounds() {
        let outcome = round(&mut cluster, &faults, profile, seed).await?;
        println!("{}", table::row(&outcome));
        for step in &outcome.steps {
            if let Some(reason) = &step.outcome.skipped {
                summary.add_skipped(step.fault, reason);
            }
        }
        if !outcome.passed() {
            for line in failure_lines(&outcome) {
                println!("    {line}");
            }
            summary.add_failed(repeat_command(&faults, seed, plan.quick));
        }
    }
    println!("\n{}", table::LEGEND);
    if let Some(logs) = &plan.logs {
        std::fs::copy(cluster.postgres_log(), logs.join("postgres.log"))?;
    }
    cluster.stop().await?;
    println!("\n{summary}");
    Ok(summary.passed())
}

/// Returns the command that repeats a round.
fn repeat_command(faults: &[Fault], seed: u64, quick: bool) -> String {
    let faults: Vec<String> = faults.iter().map(|fault| format!("--fault {fault}")).collect();
    let quick = if quick { " --quick" } else { "" };
    format!("chaos {} --seed {seed}{quick}", faults.join(" "))
}

fn failure_lines(outcome: &RoundOutcome) -> Vec<String> {
    let verdict = outcome.verdict.to_string();
    let steps = outcome.steps.iter().flat_map(|step| &step.outcome.failures);
    verdict.lines().map(str::to_owned).chain(outcome.unsettled.clone()).chain(steps.cloned()).collect()
}
