//! Logs and health while Redis is unavailable or refuses commands.

use std::{fs, path::Path};

use neonchat_testbed::{
    client::Api,
    harness::{self, until},
    redis::{Persistence, Redis},
    system::{Ports, System},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::helpers::QUICK;

const PASSWORD: &str = "not-for-the-log";

/// Both services with a separate Redis.
struct Stage {
    redis: Redis,
    system: System,
    folder: TempDir,
}

impl Stage {
    async fn set(redis: Redis, redis_url: &str) -> Self {
        let (folder, database) = (tempfile::tempdir().expect("create directory"), harness::test_database().await);
        let mut settings = vec![("DATABASE_URL", &*database), ("REDIS_URL", redis_url)];
        settings.extend(QUICK);
        let system = System::start(folder.path(), Ports::reserve().expect("reserve ports"), &settings)
            .await
            .expect("start both services");
        Self { redis, system, folder }
    }

    /// Returns the lines of a service's log with this message. Without a terminal they are JSON.
    fn lines(&self, service: &str, message: &str) -> Vec<Value> {
        let log = fs::read_to_string(self.folder.path().join(format!("{service}.log"))).expect("read log");
        assert!(!log.contains('\u{1b}') && !log.contains(PASSWORD), "{log}");
        // The last line may be half written.
        let (complete, _) = log.rsplit_once('\n').unwrap_or_default();
        let lines = complete.lines().map(|line| serde_json::from_str::<Value>(line).expect("parse log line"));
        lines.filter(|line| line["message"] == message).collect()
    }

    /// Waits until the commands connection of each service has logged this message. The log is written by a thread of its own, and
    /// `/health` may know the error from another connection.
    async fn until_logged(&self, message: &str) {
        for service in ["chat-service", "notification-service"] {
            until(message, async || !self.of_commands(service, message).is_empty()).await;
        }
    }

    /// Returns the lines with this message about the commands connection, which both services have.
    fn of_commands(&self, service: &str, message: &str) -> Vec<Value> {
        self.lines(service, message).into_iter().filter(|line| line["redis.client"] == "commands").collect()
    }

    async fn until_redis_error_is(&self, error: Option<&str>) {
        for api in [self.system.api(), self.system.notification()] {
            let is_so = async || redis_error(&api).await.as_deref() == error;
            until("health shows the error of Redis", is_so).await;
        }
    }
}

async fn redis_error(api: &Api) -> Option<String> {
    let health = api.call("GET", "/health", None, None).await.expect("receive answer");
    health.body["redis_error"].as_str().map(str::to_owned)
}

async fn redis(folder: &Path, port: Option<u16>, arguments: &[&str]) -> Redis {
    Redis::start_with(folder, port, Persistence::None, arguments).await.expect("start Redis")
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_loss_and_return_of_redis_once() {
    let folder = tempfile::tempdir().expect("create directory");
    let redis = redis(folder.path(), None, &[]).await;
    let url = redis.url();
    let mut stage = Stage::set(redis, &url).await;
    stage.until_redis_error_is(None).await;
    let port = stage.redis.port();
    stage.redis.kill().await.expect("kill process");
    stage.until_redis_error_is(Some("unreachable")).await;
    let folder = tempfile::tempdir().expect("create directory");
    stage.redis = self::redis(folder.path(), Some(port), &[]).await;
    stage.until_redis_error_is(None).await;
    for service in ["chat-service", "notification-service"] {
        for message in ["redis connection lost", "redis connection restored"] {
            stage.until_logged(message).await;
            let lines = stage.of_commands(service, message);
            assert_eq!(lines.len(), 1, "{service}: {message}: {lines:?}");
        }
        let restored = stage.of_commands(service, "redis connection restored").remove(0);
        assert!(restored["down_ms"].as_u64().is_some(), "{restored}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_shows_that_redis_refuses_the_password() {
    let folder = tempfile::tempdir().expect("create directory");
    let redis = redis(folder.path(), None, &["--requirepass", "another"]).await;
    let url = format!("redis://:{PASSWORD}@127.0.0.1:{}/0", redis.port());
    let stage = Stage::set(redis, &url).await;
    stage.until_redis_error_is(Some("WRONGPASS")).await;
    stage.until_logged("redis refused a command").await;
    // The password becomes valid. No restart is needed.
    let port = stage.redis.port().to_string();
    let set = ["-p", &*port, "-a", "another", "config", "set", "requirepass", PASSWORD];
    let done = tokio::process::Command::new("redis-cli").args(set).output().await.expect("redis-cli");
    assert!(done.status.success(), "{done:?}");
    stage.until_redis_error_is(None).await;
    stage.until_logged("redis connection restored").await;
    for service in ["chat-service", "notification-service"] {
        let lines = stage.of_commands(service, "redis refused a command");
        assert_eq!(lines.len(), 1, "{service}: {lines:?}");
        assert_eq!((&lines[0]["error.code"], &lines[0]["level"]), (&"WRONGPASS".into(), &"ERROR".into()));
        assert_eq!(stage.of_commands(service, "redis connection restored").len(), 1, "{service}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_shows_that_redis_is_read_only() {
    let folder = tempfile::tempdir().expect("create directory");
    let redis = redis(folder.path(), None, &[]).await;
    let url = redis.url();
    let stage = Stage::set(redis, &url).await;
    stage.until_redis_error_is(None).await;
    // A replica of a primary that does not exist.
    stage.redis.command("REPLICAOF 127.0.0.1 1").await.expect("make Redis a replica");
    stage.until_redis_error_is(Some("READONLY")).await;
    stage.until_logged("redis refused a command").await;
    stage.redis.command("REPLICAOF NO ONE").await.expect("make Redis a primary");
    stage.until_redis_error_is(None).await;
    for service in ["chat-service", "notification-service"] {
        assert_eq!(stage.of_commands(service, "redis refused a command").len(), 1, "{service}");
    }
}
