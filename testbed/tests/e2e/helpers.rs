//! Both services as processes, with a separate database.

use std::{fs, os::unix::fs::PermissionsExt as _};

use neonchat_testbed::{
    client::{Socket, User},
    harness,
    system::{Ports, System},
};
use tempfile::TempDir;

/// Settings that make tests fast and let them run in parallel.
pub(crate) const QUICK: [(&str, &str); 4] = [
    ("BCRYPT_COST", "4"),
    ("PRESENCE_OFFLINE_GRACE", "100ms"),
    ("DB_MAX_CONNS", "5"),
    // All tests use one client address.
    ("RATE_LIMIT_PER_MINUTE", "0"),
];

/// Creates a folder that other users can enter: if root runs the tests, Postgres and nginx run as another user.
pub(crate) fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("create directory");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("set permissions");
    folder
}

pub(crate) struct Running {
    pub(crate) system: System,
    /// The prefix of channels and keys.
    pub(crate) namespace: String,
    pub(crate) folder: TempDir,
}

impl Running {
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_on(&harness::test_database().await, settings).await
    }

    /// Starts both services on a database that may contain data.
    pub(crate) async fn start_on(database: &str, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("create directory");
        let (redis, namespace) = (harness::redis_url(), harness::redis_namespace());
        let mut all = vec![("DATABASE_URL", database), ("REDIS_URL", &*redis), ("REDIS_NAMESPACE", &*namespace)];
        all.extend(QUICK);
        all.extend(settings);
        let ports = Ports::reserve().expect("reserve ports");
        let system = System::start(folder.path(), ports, &all).await.expect("start both services");
        Self { system, namespace, folder }
    }

    /// Opens a socket on one of the instances.
    pub(crate) async fn open(&self, instance: usize, user: &User) -> Socket {
        let address = self.system.websocket_addresses()[instance];
        Socket::open(&format!("ws://{address}"), user, None).await.expect("open socket")
    }

    pub(crate) fn log(&self, service: &str) -> String {
        let log = self.folder.path().join(format!("{service}.log"));
        fs::read_to_string(log).expect("read log")
    }
}

/// Returns the value of a metric of notification-service.
pub(crate) async fn metric(system: &System, name: &str) -> f64 {
    let line = system.notification().metric(name).await.expect("find metric");
    line.split(' ').next_back().and_then(|value| value.parse().ok()).expect("parse number")
}
