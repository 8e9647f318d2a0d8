//! `testbed chaos`: real clients of several instances of each service, faults, and a checker that believes nobody.

pub mod checker;
pub mod cluster;
pub mod fault;
pub mod proxy;
pub mod round;
pub mod table;
pub mod traffic;

use std::time::Duration;

use tokio::time::Instant;

use self::{
    cluster::Cluster,
    fault::{Fault, Pace},
    round::round,
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
    /// How long things take.
    pub pace: Pace,
}

impl Plan {
    /// The faults in their order, each with the seed that makes it happen like that again.
    fn rounds(&self) -> impl Iterator<Item = (Fault, u64)> {
        let faults = if self.faults.is_empty() { Fault::all() } else { self.faults.clone() };
        let mut rng = fastrand::Rng::with_seed(self.seed);
        let once = self.random_for.is_none().then(|| faults.clone().into_iter().zip(std::iter::repeat(self.seed)));
        let deadline = self.random_for.map(|duration| Instant::now() + duration);
        let at_random = std::iter::from_fn(move || {
            let is_over = deadline.is_none_or(|deadline| Instant::now() >= deadline);
            if is_over { None } else { rng.choice(&faults).copied().map(|fault| (fault, rng.u64(..))) }
        });
        once.into_iter().flatten().chain(at_random)
    }
}

/// Has it happen, and prints what came of it. Returns whether every promise was kept.
///
/// # Errors
/// The harness itself fails.
pub async fn chaos(plan: &Plan) -> anyhow::Result<bool> {
    println!("seed {}", plan.seed);
    let mut cluster = Cluster::start().await?;
    println!("{}", table::head());
    let mut broken = Vec::new();
    for (fault, seed) in plan.rounds() {
        let outcome = round(&mut cluster, fault, plan.pace, seed).await?;
        println!("{}", table::row(&outcome));
        if !outcome.is_green() {
            for line in outcome.verdict.to_string().lines().chain(outcome.restless.as_deref()) {
                println!("    {line}");
            }
            broken.push(format!("testbed chaos --fault {fault} --seed {seed}"));
        }
    }
    println!("\n{}", table::LEGEND);
    cluster.stop().await?;
    if broken.is_empty() {
        println!("\nEvery promise was kept.");
    } else {
        println!("\nPromises were broken. To see it again:\n    {}", broken.join("\n    "));
    }
    Ok(broken.is_empty())
}
