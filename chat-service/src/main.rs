//! The command line, and the life of the process: settings, telemetry, build, run, drain.

use std::{process::ExitCode, time::Duration};

use chat_service::{app::App, config::Settings, db::Connector, deployment, migrate};
use clap::{Parser, Subcommand};
use neonchat_common::{
    http::probe::healthcheck,
    lifecycle::{self, shutdown_signal},
    settings::SettingsSource,
    telemetry,
    trace::Traces,
};
use tikv_jemallocator::Jemalloc;

/// NeonChat's users, chats and history: REST for clients, gRPC for the other services.
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
    /// Applies pending migrations of the database: exits with 0, or with 1 and the reason
    ///
    /// Every instance also does this at its start. If a job does it before an upgrade, a failed migration stops the upgrade
    /// before any instance is replaced.
    Migrate {
        /// How long to wait for a database that does not answer
        #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = humantime::parse_duration)]
        wait: Duration,
    },
    /// Prints the `OpenAPI` document that /openapi.json serves; reads no settings
    Openapi,
    /// Manages the deployment id of the database
    Deployment {
        #[command(subcommand)]
        command: DeploymentCommand,
    },
}

#[derive(Subcommand)]
enum DeploymentCommand {
    /// Gives the database a new deployment id
    ///
    /// Needed for a physical copy that will run beside the original. No service may use the copy meanwhile.
    Renew,
}

// Reduces the CPU time per message by a fifth compared with the system's allocator (docs/PERFORMANCE.md).
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    lifecycle::run(run(command))
}

async fn run(command: Option<Command>) -> anyhow::Result<()> {
    if let Some(Command::Openapi) = command {
        println!("{}", chat_service::openapi().to_pretty_json()?);
        return Ok(());
    }
    let settings = Settings::read(SettingsSource::load()?)?;
    if let Some(Command::Healthcheck { ready }) = command {
        return healthcheck(settings.operations.as_ref(), &settings.host, settings.common.chat_port, ready).await;
    }
    telemetry::init_logs(&settings.common)?;
    if let Some(Command::Migrate { wait }) = command {
        return migrate::wait_and_migrate(wait, &Connector::new(&settings.database.connection)?).await;
    }
    if let Some(Command::Deployment { command: DeploymentCommand::Renew }) = command {
        return deployment::renew(&Connector::new(&settings.database.connection)?).await;
    }
    let traces = Traces::start(&settings.common.traces, env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))?;
    let app = App::build(settings).await?;
    let operations = app.operations_addr()?.map(tracing::field::display);
    tracing::info!(http.addr = %app.http_addr()?, operations.addr = operations, grpc.addr = %app.grpc_addr(), "listening");
    let ended = app.run(shutdown_signal()).await;
    traces.finish().await;
    ended
}
