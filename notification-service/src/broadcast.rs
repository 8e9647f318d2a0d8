//! `notification-service broadcast`: a word from those who run the server to every socket of every instance.

use std::net::IpAddr;

use anyhow::Context as _;
use neonchat_common::{grpc::client::GrpcClient, settings::GrpcSettings};
use neonchat_proto::notification::v1::BroadcastSystemMessageRequest;

use crate::config::Settings;

/// Asks the instance on this machine, by the same settings as its own, to tell everybody.
///
/// # Errors
/// It is not there, or the text is none; or Redis is away, so that other instances were not told.
pub async fn broadcast(settings: &Settings, text: String) -> anyhow::Result<()> {
    let address = own_address(&settings.grpc_host, settings.grpc_port);
    // Not attempted again: everybody would be told twice.
    let grpc = GrpcSettings { attempts: 1, ..settings.common.grpc.clone() };
    let peer = GrpcClient::new(&[address], &grpc)?;
    let answer = peer.call(grpc.timeout, BroadcastSystemMessageRequest { text }).await;
    let answer = answer.map_err(|status| anyhow::anyhow!(status.message().to_owned())).context("not broadcast")?;
    anyhow::ensure!(answer.success, "Redis is away: only the sockets of this instance were told");
    Ok(())
}

/// Where the process that listens at `host` is reached from this machine.
fn own_address(host: &str, port: u16) -> String {
    match host.parse() {
        // It listens at all addresses.
        Ok(address) if IpAddr::is_unspecified(&address) => format!("localhost:{port}"),
        Ok(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_one_that_grpc_listens_on() {
        for (host, address) in [
            ("0.0.0.0", "localhost:81"),
            ("::", "localhost:81"),
            ("::1", "[::1]:81"),
            ("192.0.2.1", "192.0.2.1:81"),
            ("notification", "notification:81"),
        ] {
            assert_eq!(own_address(host, 81), address);
        }
    }
}
