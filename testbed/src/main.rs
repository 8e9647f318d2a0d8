//! The `testbed` binary, which the Makefile calls.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use neonchat_common::lifecycle::exit_code;
use neonchat_testbed::{demo, exec, run, site};

/// Runs `NeonChat` on a private Postgres and Redis.
#[derive(Parser)]
#[command(name = "testbed", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run both services until Ctrl-C; data is kept in .neonchat/
    ///
    /// The data lies in `.neonchat/` of the working directory. The variables of the services work here too. These move ports:
    /// `CHAT_SERVICE_PORT` (REST), `NOTIFICATION_WS_PORT`, `CHAT_GRPC_PORT` and `NOTIFICATION_GRPC_PORT`. `CHAT_SERVICE_ADDR` and
    /// `NOTIFICATION_SERVICE_ADDR`, under which the services find each other, follow from the last two.
    Run,
    /// Play the specification's demo scenario and print a transcript
    Demo,
    /// Drive a deployed system through its public address
    Site(site::Options),
    /// Run a command with a private Postgres and Redis
    Exec {
        /// The program
        program: String,
        /// Its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

// One thread: the kernel ends a child when the thread that spawned it ends.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    exit_code(match Arguments::parse().command {
        Command::Run => run::run().await.map(|()| ExitCode::SUCCESS),
        Command::Demo => demo::demo().await.map(|()| ExitCode::SUCCESS),
        Command::Site(options) => site::site(&options).await.map(|()| ExitCode::SUCCESS),
        Command::Exec { program, arguments } => exec::exec(&program, &arguments).await.map(ExitCode::from),
    })
}
