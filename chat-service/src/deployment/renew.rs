//! The command `chat-service deployment renew`.

use super::store;
use crate::db::Connector;

/// Gives the database a new deployment id.
///
/// # Errors
/// Postgres does not answer, or the database was not migrated.
pub async fn renew(connector: &Connector) -> anyhow::Result<()> {
    let deployment = store::renew(&mut connector.connect().await?.connection).await?;
    tracing::info!(deployment.id = %deployment.id, "deployment renewed: restart both services");
    Ok(())
}
