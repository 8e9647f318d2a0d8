//! Some faults under traffic, and what came of them.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::sleep;

use super::{
    checker::{Verdict, check},
    cluster::Cluster,
    fault::{Fault, Happened, Pace, Scene},
    traffic::{Load, Traffic},
};

/// The longest that it takes until all is well again. Whatever takes longer does not come back by itself.
const RECOVERY_LIMIT: Duration = Duration::from_mins(1);

/// What came of one fault.
#[derive(Debug)]
pub struct Step {
    /// The fault.
    pub fault: Fault,
    /// What happened.
    pub happened: Happened,
    /// From the end of the fault to the first ack.
    pub first_ack: Option<Duration>,
    /// From the end of the fault until everybody had everything that was there at its end.
    pub caught_up: Option<Duration>,
}

impl Step {
    fn is_green(&self) -> bool {
        self.happened.complaints.is_empty() && self.first_ack.is_some() && self.caught_up.is_some()
    }
}

/// What came of all of them, which the same clients lived through.
#[derive(Debug)]
pub struct Outcome {
    /// The faults.
    pub steps: Vec<Step>,
    /// What the checker says.
    pub verdict: Verdict,
    /// What did not come to rest.
    pub restless: Option<String>,
    /// The most memory that an instance of a service took, in KiB.
    pub peak_memory: u64,
}

impl Outcome {
    /// Whether every promise was kept.
    #[must_use]
    pub fn is_green(&self) -> bool {
        self.verdict.is_green() && self.restless.is_none() && self.steps.iter().all(Step::is_green)
    }
}

/// Runs one.
///
/// # Errors
/// The harness itself fails.
pub async fn round(cluster: &mut Cluster, faults: &[Fault], pace: Pace, seed: u64) -> anyhow::Result<Outcome> {
    // Another chance for each fault, and always the same for one.
    let names = faults.iter().map(ToString::to_string).collect::<String>();
    let seed = names.bytes().fold(seed, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut traffic_rng = rng.fork();
    let memory = cluster.watch_memory();
    let traffic = Traffic::start(cluster, Load::STEADY, &mut traffic_rng).await.context("the traffic")?;
    let mut steps = Vec::new();
    for fault in faults {
        sleep(pace.hold / 2).await;
        let mut scene = Scene { cluster, traffic: &traffic, pace, rng: &mut rng };
        let happened = fault.happen(&mut scene).await.with_context(|| fault.to_string())?;
        let (first_ack, caught_up) =
            tokio::join!(traffic.first_ack(RECOVERY_LIMIT), traffic.catch_up(cluster, RECOVERY_LIMIT));
        steps.push(Step { fault: *fault, happened, first_ack, caught_up: caught_up? });
        cluster.ready().await?;
    }
    sleep(pace.hold / 2).await;

    let restless = traffic.settle(cluster, RECOVERY_LIMIT).await?;
    // What comes late, and comes twice, would come now.
    sleep(pace.hold / 4).await;
    let evidence = traffic.evidence(cluster, &mut traffic_rng).await?;
    let peak_memory = memory.peak();
    traffic.end();
    Ok(Outcome { steps, verdict: check(&evidence), restless, peak_memory })
}
