//! `testbed site`: drives a deployed system through its public address, for `make containers-check`.

mod ledger;
mod traffic;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use self::traffic::traffic;
use crate::{demo, tunnel::tunnel};

/// The address of the site, and the scenario.
#[derive(Args, Debug)]
pub struct Options {
    /// The public address
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:443")]
    address: String,
    /// The certificate for localhost, PEM
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// The scenario
    scenario: Scenario,
}

/// A scenario for a site.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Scenario {
    /// The specification's demo scenario
    Demo,
    /// Steady traffic until SIGTERM, then a check that no acked message is lost
    Traffic,
}

/// A site behind a local plain-text port.
#[derive(Clone, Debug)]
struct Site {
    rest: String,
    websocket: String,
}

/// Runs the scenario.
///
/// # Errors
/// The site did not behave as expected.
pub async fn site(options: &Options) -> anyhow::Result<()> {
    let (host, port) = options.address.rsplit_once(':').context("--address should be HOST:PORT")?;
    let port = tunnel((host.to_owned(), port.parse()?), &options.certificate).await?;
    let rest = format!("http://127.0.0.1:{port}");
    let site = Site { websocket: format!("ws://127.0.0.1:{port}"), rest };
    match options.scenario {
        Scenario::Demo => {
            // The site may have users of these names.
            let names = ["alice", "bob"].map(|name| format!("{name}-{}", fastrand::u32(..)));
            let alice = demo::play(&site.rest, &site.websocket, [&names[0], &names[1]]).await?;
            alice.client.close().await;
            Ok(())
        }
        Scenario::Traffic => traffic(&site).await,
    }
}
