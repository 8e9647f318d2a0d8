//! The load scripts in `k6/` at their smallest size, run by the script that `make load` calls.

use std::{net::SocketAddr, process::Stdio};

use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    process::Command,
};

use crate::helpers::Running;

/// Thresholds for a debug build that runs in parallel with other tests: ten seconds instead of milliseconds, and five seconds to
/// open the sockets.
const GENEROUS: [(&str, &str); 4] =
    [("DELIVERY_P95", "10000"), ("REST_P95", "10000"), ("SETTLE", "5"), ("DURATION", "2s")];

/// Runs a scenario. Returns its exit code and its output.
async fn load(running: &Running, scenario: &str, settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../k6/run.sh"));
    command.arg(scenario).env("BASE_URL", running.system.rest()).env("WS_URL", running.system.websocket());
    command.env("SMOKE", "true").envs(GENEROUS).envs(settings.iter().copied());
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.expect("run bash");
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_load_passes_when_small() {
    let running = Running::start(&[]).await;
    let (code, said) = load(&running, "smoke", &[]).await;
    assert_eq!(code, Some(0), "{said}");
    // Four runs, each with its thresholds.
    assert_eq!(said.matches("THRESHOLDS").count(), 4, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn load_fails_if_a_limit_is_missed() {
    let running = Running::start(&[]).await;
    for (scenario, limit) in [("messages", "DELIVERY_P95"), ("rest", "REST_P95")] {
        // k6's exit code for thresholds.
        let (code, said) = load(&running, scenario, &[(limit, "0.001")]).await;
        assert_eq!(code, Some(99), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn load_explains_why_it_cannot_run() {
    let running = Running::start(&[("RATE_LIMIT_PER_MINUTE", "5")]).await;
    let (code, said) = load(&running, "sockets", &[]).await;
    assert_ne!(code, Some(0), "{said}");
    assert!(said.contains("RATE_LIMIT_PER_MINUTE=0 BCRYPT_COST=4 make run"), "{said}");
}

/// Starts a proxy for chat-service that answers the first connections with 503. Returns its address.
async fn busy_for(connections: usize, upstream: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind port");
    let address = listener.local_addr().expect("get address");
    tokio::spawn(async move {
        for number in 0.. {
            let (mut client, _) = listener.accept().await.expect("accept connection");
            let upstream = upstream.clone();
            tokio::spawn(async move {
                if number < connections {
                    client.write_all(BUSY).await?;
                    client.shutdown().await?;
                    return tokio::io::copy(&mut client, &mut tokio::io::sink()).await.map(drop);
                }
                let mut server = TcpStream::connect(upstream).await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
            });
        }
    });
    address
}

const BUSY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn load_retries_registrations_on_a_busy_system() {
    let running = Running::start(&[]).await;
    let address = busy_for(3, format!("127.0.0.1:{}", running.system.ports().rest)).await;
    let base = format!("http://{address}");
    let (code, said) = load(&running, "rest", &[("BASE_URL", &base)]).await;
    assert_eq!(code, Some(0), "{said}");
}
