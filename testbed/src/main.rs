//! The testbed binary: what the Makefile calls.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use neonchat_common::lifecycle::{exit_code, shutdown_signal};
use neonchat_testbed::{
    bench,
    chaos::{self, Plan, fault::Fault, summary::is_ci},
    demo, exec, run, site,
};

/// Runs `NeonChat` on a Postgres and a Redis of its own.
#[derive(Parser)]
#[command(name = "testbed", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs both services until Ctrl-C; the data stays in .neonchat/
    Run,
    /// Plays the specification's demo scenario and prints it
    Demo,
    /// Disturbs two instances of each service under traffic, and checks that every promise is kept
    Chaos {
        /// What chance begins with; by default another one each time
        #[arg(long)]
        seed: Option<u64>,
        /// One fault alone; may be given several times
        #[arg(long = "fault", value_name = "NAME")]
        faults: Vec<Fault>,
        /// Faults at random for so long, instead of each one once
        #[arg(long)]
        minutes: Option<u64>,
        /// Each fault as short as makes sense
        #[arg(long)]
        quick: bool,
        /// A folder for the logs of the services, which otherwise go
        #[arg(long)]
        logs: Option<PathBuf>,
        /// Fails if this machine cannot cause a fault; CI=true does the same
        #[arg(long)]
        require_all: bool,
    },
    /// Measures the system under load; build it in release mode
    Bench(bench::Options),
    /// What `bench` starts to hold sockets
    #[command(hide = true)]
    BenchWorker,
    /// Drives a system that runs elsewhere, through its public address
    Site(site::Options),
    /// Runs a command with a Postgres and a Redis that end with it
    Exec {
        /// The program
        program: String,
        /// Its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

// One thread: the kernel ends a child when the thread that spawned it does.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    exit_code(match Arguments::parse().command {
        Command::Run => run::run().await.map(|()| ExitCode::SUCCESS),
        Command::Demo => demo::demo().await.map(|()| ExitCode::SUCCESS),
        Command::Chaos { seed, faults, minutes, quick, logs, require_all } => {
            let seed = seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
            let random_for = minutes.map(Duration::from_mins);
            let plan = Plan { faults, seed, random_for, quick, logs, require_all: require_all || is_ci() };
            let kept = tokio::select! {
                kept = chaos::chaos(&plan) => kept,
                // What was started ends as this is dropped.
                () = shutdown_signal() => Err(anyhow::anyhow!("interrupted")),
            };
            kept.map(|kept| if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Bench(options) => {
            let met = tokio::select! {
                met = bench::bench(&options) => met,
                () = shutdown_signal() => Err(anyhow::anyhow!("interrupted")),
            };
            met.map(|met| if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::BenchWorker => bench::work().map(|()| ExitCode::SUCCESS),
        Command::Site(options) => site::site(&options).await.map(|()| ExitCode::SUCCESS),
        Command::Exec { program, arguments } => exec::exec(&program, &arguments).await.map(ExitCode::from),
    })
}
