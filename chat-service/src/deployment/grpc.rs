//! The gRPC call `GetDeployment`.

use neonchat_common::{
    deployment::{Deployment, OwnDeployment},
    error::ApiError,
};
use neonchat_proto::chat::v1::GetDeploymentResponse;

use super::load;
use crate::db::Db;

/// Returns the deployment of the database.
pub(crate) async fn get(db: &Db, own: &OwnDeployment) -> Result<GetDeploymentResponse, ApiError> {
    let Deployment { id, created_at_micros } = db.query(async |connection| load(connection, own).await).await?;
    Ok(GetDeploymentResponse { id: id.to_string(), created_at_micros })
}
