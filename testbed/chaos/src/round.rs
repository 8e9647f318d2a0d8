//! One round: faults under load with the same clients, and the checks afterwards.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::sleep;

use super::{
    checker::{Verdict, check},
    cluster::Cluster,
    fault::{Fault, FaultContext, FaultOutcome, Profile},
    traffic::{Load, Traffic},
};

/// The longest allowed recovery. A system that takes longer counts as not recovering.
const RECOVERY_TIMEOUT: Duration = Duration::from_mins(1);

/// The result of one fault.
#[derive(Debug)]
pub struct Step {
    /// The fault.
    pub fault: Fault,
    /// What the fault did.
    pub outcome: FaultOutcome,
    /// The time from the end of the fault to the first ack.
    pub first_ack: Option<Duration>,
    /// The time from the end of the fault until every client had every message stored by then.
    pub caught_up: Option<Duration>,
}

impl Step {
    fn passed(&self) -> bool {
        self.outcome.failures.is_empty() && self.first_ack.is_some() && self.caught_up.is_some()
    }
}

/// The result of a round.
#[derive(Debug)]
pub struct RoundOutcome {
    /// The faults.
    pub steps: Vec<Step>,
    /// The verdict of the checker.
    pub verdict: Verdict,
    /// What was unfinished at the end, if anything.
    pub unsettled: Option<String>,
    /// The peak memory of a service instance, in KiB.
    pub peak_memory: u64,
}

impl RoundOutcome {
    /// Returns whether every guarantee held.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.verdict.passed() && self.unsettled.is_none() && self.steps.iter().all(Step::passed)
    }
}

/// Runs a round.
///
/// # Errors
/// The harness failed.
pub async fn round(
    cluster: &mut Cluster,
    faults: &[Fault],
    profile: Profile,
    seed: u64,
) -> anyhow::Result<RoundOutcome> {
    // The random numbers depend on the seed and on the faults of the round.
    let names = faults.iter().map(ToString::to_string).collect::<String>();
    let seed = names.bytes().fold(seed, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut traffic_rng = rng.fork();
    let memory = cluster.watch_memory();
    let traffic = Traffic::start(cluster, Load::STEADY, &mut traffic_rng).await.context("start the traffic")?;
    let mut steps = Vec::new();
    for fault in faults {
        sleep(profile.hold / 2).await;
        let mut context = FaultContext { cluster, traffic: &traffic, profile, rng: &mut rng };
        let outcome = fault.inject(&mut context).await.with_context(|| fault.to_string())?;
        let (first_ack, caught_up) =
            tokio::join!(traffic.first_ack(RECOVERY_TIMEOUT), traffic.catch_up(cluster, RECOVERY_TIMEOUT));
        steps.push(Step { fault: *fault, outcome, first_ack, caught_up: caught_up? });
        cluster.ready().await?;
    }
    sleep(profile.hold / 2).await;

    let unsettled = traffic.settle(cluster, RECOVERY_TIMEOUT).await?;
    // Late duplicates would arrive now.
    sleep(profile.hold / 4).await;
    let evidence = traffic.evidence(cluster, &mut traffic_rng).await?;
    let peak_memory = memory.peak();
    traffic.stop();
    Ok(RoundOutcome { steps, verdict: check(&evidence), unsettled, peak_memory })
}
