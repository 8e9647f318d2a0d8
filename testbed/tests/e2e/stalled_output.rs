//! Services whose standard output and standard error are not read.

use std::{io::PipeReader, path::Path, time::Duration};

use neonchat_testbed::{
    client::Api,
    harness::until,
    port,
    process::{Process, Signal},
    system::binary,
};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

/// Requests that are answered after the pipe is full.
const REQUESTS: usize = 200;

/// The timeout for a service without clients to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// A service with both outputs on a pipe that is never read.
struct Stalled {
    child: Child,
    api: Api,
    _unread: PipeReader,
}

impl Stalled {
    async fn start(folder: &Path, service: &str, http_port: &str, settings: &[(&str, &str)]) -> Self {
        let (unread, output) = std::io::pipe().expect("create pipe");
        let port = port::reserve().expect("reserve port");
        let mut command = Process::command(&binary(service).expect("find binary"), Signal::SIGKILL);
        command.current_dir(folder).env("LOG_LEVEL", "trace").envs(settings.iter().copied());
        for name in ["CHAT_SERVICE_PORT", "CHAT_GRPC_PORT", "NOTIFICATION_WS_PORT", "NOTIFICATION_GRPC_PORT"] {
            command.env(name, "0");
        }
        command.env(http_port, port.to_string());
        command.stdout(output.try_clone().expect("clone pipe")).stderr(output);
        let child = command.kill_on_drop(true).spawn().expect("start service");
        let api = Api::new(format!("http://127.0.0.1:{port}"));
        let stalled = Self { child, api, _unread: unread };
        let answers = async || stalled.live().await.is_ok_and(|status| status == 200);
        until("the service is live", answers).await;
        stalled
    }

    async fn live(&self) -> anyhow::Result<u16> {
        Ok(self.api.call("GET", "/live", None, None).await?.status)
    }

    async fn lost_lines(&self) -> u64 {
        let metric = self.api.metric("log_lines_lost_total").await.expect("find metric");
        metric.rsplit(' ').next().expect("find value").parse().expect("parse number")
    }

    /// Sends requests until the pipe and the queue are full.
    async fn fill(&self) {
        while self.lost_lines().await == 0 {
            self.requests().await;
        }
    }

    async fn requests(&self) {
        for _ in 0..REQUESTS {
            assert_eq!(self.live().await.expect("receive answer"), 200);
        }
    }

    async fn stop(mut self) {
        let id = self.child.id().expect("get process ID");
        let status = Command::new("kill").arg(id.to_string()).status().await.expect("kill process");
        assert!(status.success());
        let ended = timeout(STOP_TIMEOUT, self.child.wait()).await.expect("exit in time").expect("read status");
        assert!(ended.success(), "{ended}");
    }
}

async fn serves_and_stops(service: &str, http_port: &str) {
    let folder = tempfile::tempdir().expect("create directory");
    let settings = [("DATABASE_URL", "postgres://neon@127.0.0.1:1/neondb"), ("REDIS_URL", "redis://127.0.0.1:1")];
    let stalled = Stalled::start(folder.path(), service, http_port, &settings).await;
    assert_eq!(stalled.lost_lines().await, 0);
    timeout(Duration::from_mins(2), stalled.fill()).await.expect("fill queue in time");
    let before = stalled.lost_lines().await;
    stalled.requests().await;
    assert!(stalled.lost_lines().await > before);
    stalled.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_service_works_while_its_output_is_not_read() {
    serves_and_stops("chat-service", "CHAT_SERVICE_PORT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notification_service_works_while_its_output_is_not_read() {
    serves_and_stops("notification-service", "NOTIFICATION_WS_PORT").await;
}
