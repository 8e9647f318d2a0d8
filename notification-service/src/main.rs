//! The notification-service binary.

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

/// Holds the WebSocket connections of `NeonChat` and delivers messages to them.
///
/// Environment variables, `.env` and `config.yaml` configure it: see `.env.example`.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serves until SIGTERM (the default command)
    Serve,
    /// Checks that the local instance is alive: exits with 0, or with 1 and prints the reason
    Healthcheck {
        /// Checks that the instance is ready instead
        #[arg(long)]
        ready: bool,
    },
    /// Broadcasts a system message to every socket of every instance, through the local instance
    Broadcast {
        /// The message, 1 to 4096 characters
        text: String,
    },
}

// Each message costs a fifth less CPU than with the system allocator (docs/PERFORMANCE.md).
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
            return healthcheck(settings.operations.as_ref(), &settings.host, settings.ws_port, ready).await;
        }
        Some(Command::Serve) | None => {}
    }
    telemetry::init_logs(&settings.common)?;
    let traces = Traces::start(&settings.common.traces, env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))?;
    let ended = App::build(settings).await?.run(shutdown_signal()).await;
    traces.finish().await;
    ended
}
