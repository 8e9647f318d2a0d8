//! The deployment of a database.

use std::process::Output;

use neonchat_proto::chat::v1::{GetDeploymentRequest, GetDeploymentResponse};
use neonchat_testbed::{harness, postgres};
use tokio::process::Command;
use uuid::Uuid;

use crate::support::{TestApp, sql};

async fn deployment(app: &TestApp) -> GetDeploymentResponse {
    let answer = app.chat_service().get_deployment(app.grpc.request(GetDeploymentRequest {})).await;
    answer.expect("get answer").into_inner()
}

async fn started_on(database: &str) -> TestApp {
    let app = TestApp::launch(database, &[]).await;
    app.api.until_ready().await.expect("become ready");
    app
}

async fn stop(app: TestApp) {
    app.stop().await.expect("join task").expect("stop app");
}

/// Runs `deployment renew`. Returns the log.
async fn renew(database: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat-service"));
    command.args(["deployment", "renew"]).env("DATABASE_URL", database).kill_on_drop(true);
    let Output { status, stdout, stderr } = command.output().await.expect("run process");
    let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    assert!(status.success(), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_of_a_database_share_one_permanent_deployment() {
    let first = TestApp::start().await;
    let known = deployment(&first).await;
    assert!(Uuid::parse_str(&known.id).is_ok() && known.created_at_micros > 0, "{known:?}");
    let second = started_on(&first.database).await;
    assert_eq!(deployment(&second).await, known);
    let other = TestApp::start().await;
    assert_ne!(deployment(&other).await.id, known.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn restored_copy_is_a_younger_deployment() {
    let original = TestApp::start().await;
    let (known, database) = (deployment(&original).await, original.database.clone());
    stop(original).await;
    let copy = format!("test_{}", Uuid::new_v4().simple());
    let name = database.rsplit('/').next().expect("URL has a database name");
    let create = format!("CREATE DATABASE {copy} TEMPLATE {name}");
    sql(&postgres::with_database(&database, "postgres")).await.batch_execute(&create).await.expect("copy the database");

    let restored = deployment(&started_on(&postgres::with_database(&database, &copy)).await).await;
    assert_ne!(restored.id, known.id);
    assert!(restored.created_at_micros > known.created_at_micros, "{restored:?} {known:?}");
    assert_eq!(deployment(&started_on(&database).await).await, known);
}

#[tokio::test(flavor = "multi_thread")]
async fn database_in_another_cluster_is_another_deployment() {
    let app = TestApp::start().await;
    let known = deployment(&app).await;
    // Like a dump restored in another cluster, in which the database may have the same OID.
    let moved = "UPDATE deployment SET system_identifier = system_identifier + 1";
    sql(&app.database).await.batch_execute(moved).await.expect("move the database");
    assert_ne!(deployment(&app).await.id, known.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn has_a_deployment_without_permission_to_read_the_cluster() {
    let database = harness::test_database().await;
    let (role, name) =
        (format!("r{}", Uuid::new_v4().simple()), database.rsplit('/').next().expect("URL has a database name"));
    let limit = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'p'; ALTER DATABASE {name} OWNER TO {role}; ALTER SCHEMA public OWNER TO {role};
         REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC"
    );
    sql(&database).await.batch_execute(&limit).await.expect("limit the user");
    let (_, address) = database.rsplit_once('@').expect("URL has a user");
    let app = started_on(&format!("postgres://{role}:p@{address}")).await;
    assert_eq!(deployment(&app).await, deployment(&app).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn running_processes_learn_of_a_renewed_deployment() {
    let app = TestApp::start().await;
    let known = deployment(&app).await;
    let said = renew(&app.database).await;
    let renewed = deployment(&app).await;
    assert!(said.contains(&renewed.id), "{said}");
    assert_ne!(renewed.id, known.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn renews_with_the_privileges_that_readiness_requires() {
    let app = TestApp::start().await;
    let known = deployment(&app).await;
    let role = format!("r{}", Uuid::new_v4().simple());
    let grant = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'p'; GRANT SELECT, INSERT, UPDATE ON deployment TO {role};
         REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC"
    );
    sql(&app.database).await.batch_execute(&grant).await.expect("create a role");
    let (_, address) = app.database.rsplit_once('@').expect("URL has a user");
    let said = renew(&format!("postgres://{role}:p@{address}")).await;
    assert!(said.contains("pg_control_system is not permitted"), "{said}");
    let renewed = deployment(&app).await;
    assert!(said.contains(&renewed.id) && renewed.id != known.id, "{said}");
}
