//! The command lines of the binaries.

use std::{net::TcpListener, process::Stdio, time::Duration};

use neonchat_common::token::Tokens;
use neonchat_testbed::{
    client::{Api, PASSWORD},
    process::{Process, Signal},
    system::{Ports, System, binary},
};
use serde_json::json;
use tokio::process::Command;

use crate::helpers::{QUICK, Running};

const TESTBED: &str = env!("CARGO_BIN_EXE_testbed");

async fn output(command: &mut Command) -> (Option<i32>, String) {
    let output = command.stdin(Stdio::null()).output().await.expect("run process");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_binary_explains_itself() {
    for name in ["chat-service", "notification-service", "testbed", "chaos", "bench"] {
        let binary = binary(name).expect("find binary");
        let (code, said) = output(Command::new(&binary).arg("--help")).await;
        assert!(code == Some(0) && said.contains("Usage"), "{name}: {said}");
        let (code, said) = output(Command::new(&binary).arg("--version")).await;
        assert_eq!((code, said), (Some(0), format!("{name} {}\n", env!("CARGO_PKG_VERSION"))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_setting_stops_a_service_and_is_named() {
    let folder = tempfile::tempdir().expect("create directory");
    for (name, setting) in [("chat-service", "CHAT_SERVICE_PORT"), ("notification-service", "NOTIFICATION_WS_PORT")] {
        let mut command = Command::new(binary(name).expect("find binary"));
        let (code, said) = output(command.current_dir(&folder).env(setting, "http")).await;
        assert_eq!((code, said), (Some(1), format!("Error: {setting} should be a whole number from 0 to 65535\n")));

        let mut command = Command::new(binary(name).expect("find binary"));
        let (code, said) = output(command.current_dir(&folder).env("APP_ENV", "production")).await;
        assert!(code == Some(1) && said.contains("JWT_SECRET should be a random secret of your own"), "{name}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_settings_file_stops_a_service_without_showing_secrets() {
    for (file, content, expected) in [
        (".env", "LOG_LEVEL=info\nJWT_SECRET=hunter$22\n", "Error: .env: line 2 has a `$`, which other programs"),
        ("config.yaml", "JWT_SECRET: [hunter22]\n", "Error: config.yaml: line 1: JWT_SECRET should have one value"),
        (
            "config.yaml",
            "REDSI_HOST: hunter22\n",
            "Error: config.yaml: line 1: there is no setting REDSI_HOST; did you",
        ),
        (".env", "JWT_SECRET_FILE=/nowhere\n", "Error: JWT_SECRET_FILE should be the path of a file with the secret"),
    ] {
        let folder = tempfile::tempdir().expect("create directory");
        std::fs::write(folder.path().join(file), content).expect("write file");
        for name in ["chat-service", "notification-service"] {
            let (code, said) = output(Command::new(binary(name).expect("find binary")).current_dir(&folder)).await;
            assert!(code == Some(1) && said.starts_with(expected) && !said.contains("hunter"), "{name}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exec_passes_on_servers_and_exit_code() {
    let script = "test -n \"$NEONCHAT_TEST_DATABASE_URL\" && test -n \"$NEONCHAT_TEST_REDIS_URL\" && exit 7";
    let (code, said) = output(Command::new(TESTBED).args(["exec", "--", "sh", "-c", script])).await;
    assert_eq!(code, Some(7), "{said}");
    let (code, _) = output(Command::new(TESTBED).args(["exec", "--", "sh", "-c", "kill -9 $$"])).await;
    assert_eq!(code, Some(128 + 9));
}

#[tokio::test(flavor = "multi_thread")]
async fn healthcheck_tests_liveness_and_readiness() {
    let mut running = Running::start(&[]).await;
    let folder = tempfile::tempdir().expect("create directory");
    let ports = running.system.ports();
    let asked = async |name: &str, setting: &str, port: u16, flags: &[&str]| {
        let mut command = Command::new(binary(name).expect("find binary"));
        output(command.arg("healthcheck").args(flags).current_dir(&folder).env(setting, port.to_string())).await
    };
    for (name, setting, port) in [
        ("chat-service", "CHAT_SERVICE_PORT", ports.rest),
        ("notification-service", "NOTIFICATION_WS_PORT", ports.websocket),
    ] {
        for (flags, path) in [(&[][..], "live"), (&["--ready"], "ready")] {
            assert_eq!(asked(name, setting, port, flags).await, (Some(0), String::new()));
            let (code, said) = asked(name, setting, 1, flags).await;
            assert!(code == Some(1) && said.contains(&format!(":1/{path}")), "{name}: {said}");
        }
    }
    // Without chat-service, notification-service is live but not ready.
    running.system.kill_chat_service().await.expect("kill chat-service");
    let of_notification =
        async |flags: &[&str]| asked("notification-service", "NOTIFICATION_WS_PORT", ports.websocket, flags).await;
    assert_eq!(of_notification(&[]).await, (Some(0), String::new()));
    let (code, said) = of_notification(&["--ready"]).await;
    assert!(code == Some(1) && said.contains("HTTP/1.1 503"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn healthcheck_uses_the_operations_port() {
    let folder = tempfile::tempdir().expect("create directory");
    let database = neonchat_testbed::harness::test_database().await;
    let redis = neonchat_testbed::harness::redis_url();
    let [chat, notification] = [(); 2].map(|()| neonchat_testbed::port::reserve().expect("reserve port"));
    let ports = Ports {
        chat_operations: Some(chat),
        notification_operations: Some(notification),
        ..Ports::reserve().expect("reserve ports")
    };
    let mut settings = vec![("DATABASE_URL", database.as_str()), ("REDIS_URL", redis.as_str())];
    settings.extend(QUICK);
    let system = System::start(folder.path(), ports, &settings).await.expect("start both services");
    for (name, public, own, port) in [
        ("chat-service", ("CHAT_SERVICE_PORT", ports.rest), "CHAT_METRICS_PORT", chat),
        ("notification-service", ("NOTIFICATION_WS_PORT", ports.websocket), "NOTIFICATION_METRICS_PORT", notification),
    ] {
        let healthcheck = async |port: Option<u16>| {
            let mut command = Command::new(binary(name).expect("find binary"));
            command.arg("healthcheck").current_dir(&folder).env(public.0, public.1.to_string());
            command.envs(port.map(|port| (own, port.to_string())));
            output(&mut command).await
        };
        assert_eq!(healthcheck(Some(port)).await, (Some(0), String::new()), "{name}");
        let (code, said) = healthcheck(None).await;
        assert!(code == Some(1) && said.contains("404"), "{name}: {said}");
    }
    system.stop().await.expect("stop system");
}

#[tokio::test(flavor = "multi_thread")]
async fn demo_passes() {
    let (code, said) = output(Command::new(TESTBED).arg("demo").env("BCRYPT_COST", "4").kill_on_drop(true)).await;
    assert!(code == Some(0) && said.ends_with("\nEvery step passed.\n"), "{said}");
}

fn run(folder: &std::path::Path, ports: Ports) -> Command {
    let mut command = Command::new(TESTBED);
    command.arg("run").current_dir(folder).envs(ports.named().map(|(name, port)| (name, port.to_string())));
    command.env("CHAT_SERVICE_ADDR", format!("127.0.0.1:{}", ports.chat_grpc)).envs(QUICK);
    command
}

/// Returns whether a token is signed with `secret`.
fn is_signed_with(secret: &str, token: &str) -> bool {
    Tokens::new(&secret.into(), Duration::from_mins(1)).verify(token).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn run_names_a_taken_port_and_leaves_no_process() {
    let folder = tempfile::tempdir().expect("create directory");
    let mut ports = Ports::reserve().expect("reserve ports");
    let taken = TcpListener::bind("127.0.0.1:0").expect("bind port");
    ports.websocket = taken.local_addr().expect("get address").port();
    let (code, said) = output(&mut run(folder.path(), ports)).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("port {} (NOTIFICATION_WS_PORT) is taken", ports.websocket)), "{said}");
    assert!(!folder.path().join(".neonchat/postgres").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn second_run_keeps_the_data_and_concurrent_runs_are_refused() {
    let folder = tempfile::tempdir().expect("create directory");
    let alice = json!({ "username": "alice", "password": PASSWORD });
    for (path, status) in [("/api/v1/auth/register", 201), ("/api/v1/auth/login", 200)] {
        let ports = Ports::reserve().expect("reserve ports");
        let log = folder.path().join("run.log");
        let mut running = Process::spawn("run", &mut run(folder.path(), ports), &log).expect("run process");
        let api = Api::new(format!("http://127.0.0.1:{}", ports.rest));
        let said = async || std::fs::read_to_string(&log).is_ok_and(|log| log.contains("NeonChat is running."));
        running.ready_when(Duration::from_mins(1), said).await.expect("start system");

        let answer = api.call("POST", path, None, Some(&alice)).await.expect("receive answer");
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        if let Some(token) = answer.body["token"].as_str() {
            let own = std::fs::read_to_string(folder.path().join(".neonchat/secrets/JWT_SECRET")).expect("read secret");
            assert!(is_signed_with(own.trim(), token));
            assert!(!is_signed_with("your-super-secret-jwt-key-change-in-production", token));
        }
        for port in ports.named().map(|(_, port)| port) {
            let elsewhere = std::net::TcpStream::connect(("127.0.0.2", port));
            assert!(elsewhere.is_err(), "{port} is open at another address than 127.0.0.1");
        }
        let (code, second) = output(&mut run(folder.path(), Ports::reserve().expect("reserve ports"))).await;
        assert!(code == Some(1) && second.contains("another `make run` is active"), "{second}");

        let ended = running.stop(Signal::SIGTERM, Duration::from_secs(30)).await.expect("wait for end");
        assert!(ended.success(), "{ended}: {}", running.tail());
        std::fs::remove_file(&log).expect("remove files");
    }
    // If another user runs Postgres, the data may be in another directory.
    if let Ok(data) = std::fs::canonicalize(folder.path().join(".neonchat/postgres/data")) {
        std::fs::remove_dir_all(data).expect("remove files");
    }
}
