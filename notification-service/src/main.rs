//! The notification-service binary.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use neonchat_common::{
    lifecycle::{exit_code, shutdown_signal},
    settings::Reader,
    telemetry,
};
use notification_service::{app::App, broadcast::broadcast, config::Settings};

/// Holds the WebSocket connections of `NeonChat` and delivers messages to them.
///
/// It is configured by environment variables, `.env` and `config.yaml`: see `.env.example`.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serves until SIGTERM; what happens without a command
    Serve,
    /// Has the instance on this machine tell every socket of every instance
    Broadcast {
        /// What is told, 1 to 4096 characters
        text: String,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    exit_code(run(Arguments::parse().command).await.map(|()| ExitCode::SUCCESS))
}

async fn run(command: Option<Command>) -> anyhow::Result<()> {
    let settings = Settings::read(Reader::load()?)?;
    if let Some(Command::Broadcast { text }) = command {
        return broadcast(&settings, text).await;
    }
    telemetry::init_logs(&settings.common)?;
    App::build(settings).await?.run(shutdown_signal()).await
}
