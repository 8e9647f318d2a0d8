//! The notification-service binary.

use std::process::ExitCode;

use clap::Parser;
use neonchat_common::{
    lifecycle::{exit_code, shutdown_signal},
    settings::Reader,
    telemetry,
};
use notification_service::{app::App, config::Settings};

/// Holds the WebSocket connections of `NeonChat` and delivers messages to them.
///
/// It is configured by environment variables, `.env` and `config.yaml`: see `.env.example`.
#[derive(Parser)]
#[command(version)]
struct Arguments {}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments {} = Arguments::parse();
    exit_code(run().await.map(|()| ExitCode::SUCCESS))
}

async fn run() -> anyhow::Result<()> {
    let settings = Settings::read(Reader::load()?)?;
    telemetry::init_logs(&settings.common)?;
    App::build(settings).await?.run(shutdown_signal()).await
}
