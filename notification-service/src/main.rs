//! The command line, and the life of the process: settings, telemetry, build, run, drain.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use neonchat_common::{
    http::probe::healthcheck,
    lifecycle::{self, shutdown_signal},
    settings::SettingsSource,
    telemetry,
    trace::Traces,
};
use notification_service::{app::App, broadcast::broadcast, config::Settings};
use tikv_jemallocator::Jemalloc;

/// NeonChat's WebSocket connections: delivery, typing and presence.
///
/// Settings come from config.yaml, .env and the environment; the last one wins.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the service until SIGTERM (the default command)
    Serve,
    /// Checks whether the instance on this machine is alive: exits with 0, or with 1 and the reason
    Healthcheck {
        /// Checks whether it is ready instead
        #[arg(long)]
        ready: bool,
    },
    /// Broadcasts a system message to every socket of every instance, through the instance on this machine
    Broadcast {
        /// The message, 1 to 4096 characters
        text: String,
    },
}

// Reduces the CPU time per message by a fifth compared with the system's allocator (docs/PERFORMANCE.md).
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    lifecycle::run(run(command))
}

async fn run(command: Option<Command>) -> anyhow::Result<()> {
    let settings = Settings::read(SettingsSource::load()?)?;
    match command {
        Some(Command::Broadcast { text }) => return broadcast(&settings, text).await,
        Some(Command::Healthcheck { ready }) => {
            return healthcheck(settings.operations.as_ref(), &settings.host, settings.common.websocket_port, ready)
                .await;
        }
        Some(Command::Serve) | None => {}
    }
    telemetry::init_logs(&settings.common)?;
    let traces = Traces::start(&settings.common.traces, env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))?;
    let ended = App::build(settings).await?.run(shutdown_signal()).await;
    traces.finish().await;
    ended
}
