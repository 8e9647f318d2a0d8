//! `notification-service broadcast`: sends an operator's message to every socket of every instance.

use std::net::IpAddr;

use anyhow::Context as _;
use neonchat_common::{grpc::client::GrpcClient, settings::GrpcSettings};
use neonchat_proto::notification::v1::BroadcastSystemMessageRequest;

use crate::config::Settings;

/// Asks the local instance to broadcast a system message. `settings` are those of that instance.
///
/// # Errors
/// Fails if the instance does not answer, if the text is invalid, or if Redis is unavailable, so that only the sockets of
/// the local instance got the message.
pub async fn broadcast(settings: &Settings, text: String) -> anyhow::Result<()> {
    let address = own_address(&settings.grpc_host, settings.grpc_port);
    // One attempt: a retry could send the message twice.
    let grpc = GrpcSettings { attempts: 1, ..settings.common.grpc.clone() };
    let client = GrpcClient::new(&[address], &grpc)?;
    let answer = client.call(grpc.timeout, BroadcastSystemMessageRequest { text }).await;
    let answer = answer.map_err(|status| anyhow::anyhow!(status.message().to_owned())).context("broadcast failed")?;
    anyhow::ensure!(answer.success, "Redis is unavailable: only the sockets of this instance got the message");
    Ok(())
}

/// Returns the address at which the local process that listens at `host` can be reached.
fn own_address(host: &str, port: u16) -> String {
    match host.parse() {
        // The process listens at all addresses.
        Ok(address) if IpAddr::is_unspecified(&address) => format!("localhost:{port}"),
        Ok(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_matches_grpc_listener() {
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
