//! The `bench` binary: measures the system under load.

use std::process::ExitCode;

use clap::Parser;
use neonchat_bench::Options;
use neonchat_common::lifecycle::{exit_code, shutdown_signal};

/// Measures the system under load; build it in release mode.
#[derive(Parser)]
#[command(name = "bench", version)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    /// Holds sockets for another `bench` process
    #[arg(long, hide = true)]
    worker: bool,
}

// One thread: the kernel ends a child when the thread that spawned it ends.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Arguments { options, worker } = Arguments::parse();
    if worker {
        return exit_code(neonchat_bench::work().map(|()| ExitCode::SUCCESS));
    }
    let met = tokio::select! {
        met = neonchat_bench::run(&options) => met,
        // Dropping the run ends the processes that it started.
        () = shutdown_signal() => Err(anyhow::anyhow!("interrupted")),
    };
    exit_code(met.map(|met| if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }))
}
