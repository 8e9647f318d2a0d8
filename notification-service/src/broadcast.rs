//! `notification-service broadcast`: a word from those who run the server to every socket of every instance.

use anyhow::Context as _;
use neonchat_common::{grpc::client::Peer, settings::GrpcSettings};
use neonchat_proto::notification::v1::BroadcastSystemMessageRequest;

use crate::config::Settings;

/// Asks the instance on this machine, by the same settings as its own, to tell everybody.
///
/// # Errors
/// It is not there, or the text is none; or Redis is away, so that other instances were not told.
pub async fn broadcast(settings: &Settings, text: String) -> anyhow::Result<()> {
    let address = format!("localhost:{}", settings.grpc_port);
    // Not attempted again: everybody would be told twice.
    let grpc = GrpcSettings { attempts: 1, ..settings.common.grpc.clone() };
    let peer = Peer::new(&[address], &grpc)?;
    let answer = peer.call(grpc.timeout, BroadcastSystemMessageRequest { text }).await;
    let answer = answer.map_err(|status| anyhow::anyhow!(status.message().to_owned())).context("not broadcast")?;
    anyhow::ensure!(answer.success, "Redis is away: only the sockets of this instance were told");
    Ok(())
}
