//! `notification-service broadcast`: a word from those who run the server to every socket of every instance.

use anyhow::Context as _;
use neonchat_common::grpc::client::Peer;
use neonchat_proto::notification::v1::{
    BroadcastSystemMessageRequest, notification_service_client::NotificationServiceClient,
};

use crate::config::Settings;

/// Asks the instance on this machine, by the same settings as its own, to tell everybody.
///
/// # Errors
/// It is not there, or the text is none; or Redis is away, so that other instances were not told.
pub async fn broadcast(settings: &Settings, text: String) -> anyhow::Result<()> {
    let address = format!("localhost:{}", settings.grpc_port);
    let peer = Peer::new(&[address], &settings.common.internal_token, settings.common.grpc_timeout)?;
    let request = peer.request(BroadcastSystemMessageRequest { text });
    let answer = NotificationServiceClient::new(peer.channel()).broadcast_system_message(request).await;
    let success = answer.map_err(|status| anyhow::anyhow!(status.message().to_owned()));
    let success = success.context("not broadcast")?.into_inner().success;
    anyhow::ensure!(success, "Redis is away: only the sockets of this instance were told");
    Ok(())
}
