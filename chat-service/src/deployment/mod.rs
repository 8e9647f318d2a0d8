//! The deployment that the database belongs to. It is one row, which the first process that needs it creates.
//!
//! A database that was restored from a dump elsewhere contains the row of the original. It is a separate deployment, so
//! its row is replaced. The copy is recognized by the identifier of the Postgres cluster and the OID of the database.
//! In a physical copy (a base backup) both are the same as in the original, so the operator runs `chat-service
//! deployment renew`.

pub(crate) mod grpc;
mod renew;
mod store;

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use neonchat_common::deployment::{Deployment, OwnDeployment};

pub use self::renew::renew;

/// Identifies the deployment of the database, and makes it the deployment of this process.
pub(crate) async fn load(connection: &mut AsyncPgConnection, own: &OwnDeployment) -> QueryResult<Deployment> {
    let deployment = store::identify(connection).await?;
    own.set(deployment);
    Ok(deployment)
}
