//! The `chaos` binary: injects faults into a cluster under load and checks the guarantees.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use neonchat_chaos::{Plan, fault::Fault, summary::is_ci};
use neonchat_common::lifecycle::{exit_code, shutdown_signal};

/// Injects faults into two instances of each service under load, and checks that every guarantee holds.
#[derive(Parser)]
#[command(name = "chaos", version)]
struct Arguments {
    /// The seed of all random choices; by default a random one
    #[arg(long)]
    seed: Option<u64>,
    /// Inject only this fault; may be given several times
    #[arg(long = "fault", value_name = "NAME")]
    faults: Vec<Fault>,
    /// Inject random faults for this many minutes, instead of each fault once
    #[arg(long)]
    minutes: Option<u64>,
    /// Make each fault as short as possible
    #[arg(long)]
    quick: bool,
    /// A directory in which the logs of the services are kept; by default they are deleted
    #[arg(long)]
    logs: Option<PathBuf>,
    /// Fail if this machine cannot cause a fault; CI=true does the same
    #[arg(long)]
    require_all: bool,
}

impl From<Arguments> for Plan {
    fn from(arguments: Arguments) -> Self {
        let Arguments { seed, faults, minutes, quick, logs, require_all } = arguments;
        Self {
            faults,
            seed: seed.unwrap_or_else(|| fastrand::u64(..1_000_000)),
            random_for: minutes.map(Duration::from_mins),
            quick,
            logs,
            require_all: require_all || is_ci(),
        }
    }
}

// One thread: the kernel ends a child when the thread that spawned it ends.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let plan = Arguments::parse().into();
    let passed = tokio::select! {
        passed = neonchat_chaos::run(&plan) => passed,
        // Dropping the run ends the processes that it started.
        () = shutdown_signal() => Err(anyhow::anyhow!("interrupted")),
    };
    exit_code(passed.map(|passed| if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }))
}
