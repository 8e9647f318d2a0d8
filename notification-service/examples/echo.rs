//! An echo over the WebSocket stack: `echo PORT`. It is what Autobahn's test suite is run against (docs/TESTING.md).

use std::env;

use anyhow::Context as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let port = env::args().nth(1).and_then(|port| port.parse().ok()).context("usage: echo PORT")?;
    notification_service::echo::serve(port, || println!("ws://127.0.0.1:{port}")).await
}
