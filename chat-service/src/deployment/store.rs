//! The row of the deployment in Postgres.

use std::sync::Once;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension as _, QueryResult, QueryableByName,
    sql_types::{BigInt, Bool, Nullable, Oid, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::{deployment::Deployment, ids::DeploymentId};
use uuid::Uuid;

use crate::db::prepared;

/// Finds the OID of the database. Managed services may forbid `pg_control_system`.
const DATABASE: &str = "SELECT oid, has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') AS may_ask
      FROM pg_database WHERE datname = current_database()";

const CLUSTER: &str = "SELECT system_identifier FROM pg_control_system()";

const READ: &str = "SELECT id, created_at FROM deployment
     WHERE database_oid = $1 AND (system_identifier = $2) IS NOT FALSE";

/// Inserts the row, or replaces the existing one.
macro_rules! replace {
    ($condition:literal) => {
        concat!(
            "INSERT INTO deployment (id, created_at, database_oid, system_identifier)
             VALUES ($3, clock_timestamp(), $1, $2)
             ON CONFLICT (is_only) DO UPDATE SET (id, created_at, database_oid, system_identifier)
                 = (EXCLUDED.id, EXCLUDED.created_at, EXCLUDED.database_oid, EXCLUDED.system_identifier)",
            $condition
        )
    };
}

/// Replaces the row of a copied database. If several processes do it at once, the first one succeeds.
const REPLACE: &str = replace!(
    " WHERE deployment.database_oid <> EXCLUDED.database_oid
         OR deployment.system_identifier <> EXCLUDED.system_identifier"
);

/// Replaces the row in any case.
const RENEW: &str = replace!("");

/// The missing permission is logged once for each process.
static WARN_ONCE: Once = Once::new();

#[derive(QueryableByName)]
struct Database {
    #[diesel(sql_type = Oid)]
    oid: u32,
    #[diesel(sql_type = Bool)]
    may_ask: bool,
}

#[derive(QueryableByName)]
struct Cluster {
    #[diesel(sql_type = BigInt)]
    system_identifier: i64,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
}

impl From<Row> for Deployment {
    fn from(row: Row) -> Self {
        Self { created_at_micros: row.created_at.timestamp_micros(), id: DeploymentId(row.id) }
    }
}

/// Returns the deployment of the database. Creates one if the database is new or a copy.
pub(super) async fn identify(connection: &mut AsyncPgConnection) -> QueryResult<Deployment> {
    let (oid, cluster) = locate(connection).await?;
    if let Some(known) = read(connection, oid, cluster).await.optional()? {
        return Ok(known);
    }
    replace(connection, REPLACE, oid, cluster).await?;
    read(connection, oid, cluster).await
}

/// Returns the OID of the database, and the identifier of its Postgres cluster if that may be read.
async fn locate(connection: &mut AsyncPgConnection) -> QueryResult<(u32, Option<i64>)> {
    let Database { oid, may_ask } = prepared(DATABASE).get_result(connection).await?;
    if !may_ask {
        WARN_ONCE.call_once(|| {
            tracing::warn!(
                "pg_control_system is not permitted: a copy of the database in another cluster may not be recognized"
            );
        });
        return Ok((oid, None));
    }
    let Cluster { system_identifier } = prepared(CLUSTER).get_result(connection).await?;
    Ok((oid, Some(system_identifier)))
}

/// Gives the database a new deployment id, and returns the new deployment.
///
/// # Errors
/// Postgres does not answer, or the database was not migrated.
pub(super) async fn renew(connection: &mut AsyncPgConnection) -> anyhow::Result<Deployment> {
    let (oid, cluster) = locate(connection).await.context("identifying the database")?;
    replace(connection, RENEW, oid, cluster).await.context("storing the new deployment id")?;
    read(connection, oid, cluster).await.context("reading the new deployment id")
}

async fn replace(connection: &mut AsyncPgConnection, sql: &str, oid: u32, cluster: Option<i64>) -> QueryResult<()> {
    let replace = prepared(sql).bind::<Oid, _>(oid).bind::<Nullable<BigInt>, _>(cluster);
    replace.bind::<SqlUuid, _>(DeploymentId::new().0).execute(connection).await?;
    Ok(())
}

async fn read(connection: &mut AsyncPgConnection, oid: u32, cluster: Option<i64>) -> QueryResult<Deployment> {
    let read = prepared(READ).bind::<Oid, _>(oid).bind::<Nullable<BigInt>, _>(cluster);
    read.get_result::<Row>(connection).await.map(Deployment::from)
}
