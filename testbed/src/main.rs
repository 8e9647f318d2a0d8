//! The testbed binary: what the Makefile calls.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use neonchat_common::lifecycle::exit_code;
use neonchat_testbed::{demo, exec, run, site};

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
        Command::Site(options) => site::site(&options).await.map(|()| ExitCode::SUCCESS),
        Command::Exec { program, arguments } => exec::exec(&program, &arguments).await.map(ExitCode::from),
    })
}
