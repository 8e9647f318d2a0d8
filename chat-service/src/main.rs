//! The process: settings, telemetry, build, run, drain.

use std::process::ExitCode;

use chat_service::{app::App, config::Settings};
use clap::Parser;
use neonchat_common::{
    lifecycle::{self, shutdown_signal},
    settings::Reader,
    telemetry,
};
use tikv_jemallocator::Jemalloc;

/// NeonChat's users, chats and history: REST for clients, gRPC for the other services.
///
/// Settings come from config.yaml, .env and the environment; the last one wins.
#[derive(Parser)]
#[command(version)]
struct Arguments {}

// A fifth less work for each message than with the system's (docs/PERFORMANCE.md).
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let Arguments {} = Arguments::parse();
    lifecycle::run(async { run().await.map(|()| ExitCode::SUCCESS) })
}

async fn run() -> anyhow::Result<()> {
    let settings = Settings::read(Reader::load()?)?;
    telemetry::init_logs(&settings.common)?;
    let app = App::build(settings).await?;
    tracing::info!(http.addr = %app.http_addr()?, grpc.addr = %app.grpc_addr(), "listening");
    app.run(shutdown_signal()).await
}
