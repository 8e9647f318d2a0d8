//! Limits of connections without an authenticated call.

use std::{io, time::Duration};

use neonchat_common::{settings::GrpcSettings, telemetry::Metrics};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    log::Log,
    stand_in::{StandIn, call, client, client_with, settings},
};

const TIMEOUT: Duration = Duration::from_secs(5);

/// Longer than a test takes.
const LONG: Duration = Duration::from_hours(1);

/// The timeout for authentication in tests that wait until it expires.
const SHORT: Duration = Duration::from_millis(300);

/// The start of an HTTP/2 connection, with empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Opens a connection that sends these bytes and then nothing.
async fn open_silent(server: &StandIn, sent: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.expect("connect");
    stream.write_all(sent).await.expect("write");
    stream
}

/// Waits until the server closes a connection.
async fn wait_until_closed(mut stream: TcpStream) {
    let read = async { while stream.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {} };
    timeout(TIMEOUT, read).await.expect("server closes connection");
}

/// Returns whether the server has closed a connection.
fn is_closed(stream: &TcpStream) -> bool {
    loop {
        match stream.try_read(&mut [0; 1024]) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}

async fn limited(connections: usize, auth_timeout: Duration) -> StandIn {
    StandIn::start_limited(&settings(), connections, auth_timeout, |builder| builder).await
}

#[tokio::test]
async fn closes_connection_without_authenticated_call() {
    let server = limited(16, SHORT).await;
    for sent in [&b""[..], &PREFACE[..10], PREFACE] {
        wait_until_closed(open_silent(&server, sent).await).await;
    }
    // A connection that keeps sending.
    let mut trickling = open_silent(&server, PREFACE).await;
    let settings_frame = b"\0\0\0\x04\0\0\0\0\0";
    let trickle = async {
        while trickling.write_all(settings_frame).await.is_ok() {
            tokio::task::yield_now().await;
            // Reads the answers, because the server would wait for that.
            let _ = trickling.try_read(&mut [0; 4096]);
        }
    };
    timeout(TIMEOUT, trickle).await.expect("server closes connection");
}

#[tokio::test]
async fn health_check_does_not_authenticate_connection() {
    let server = limited(16, SHORT).await;
    let (relay, through) = relay(&server).await;
    let channel = Channel::from_shared(format!("http://{through}")).expect("read address").connect_lazy();
    let mut health = HealthClient::new(channel);
    let asking = async {
        while !relay.is_closed_by_server() {
            // The call fails if the server closes the connection during it.
            let _ = health.check(Request::new(HealthCheckRequest::default())).await;
        }
    };
    timeout(TIMEOUT, asking).await.expect("server closes connection");
}

#[tokio::test]
async fn authenticated_connection_outlives_timeout() {
    let server = limited(16, SHORT).await;
    let client = client(&[server.address]);
    call(&client, TIMEOUT).await.expect("call succeeds");
    // A later connection is closed, so the timeout of the first one has expired as well.
    wait_until_closed(open_silent(&server, b"").await).await;
    call(&client, TIMEOUT).await.expect("call succeeds");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn unauthenticated_connections_do_not_block_client() {
    const MAX: usize = 4;

    let server = limited(MAX, LONG).await;
    let mut strangers = Vec::new();
    for _ in 0..MAX {
        strangers.push(open_silent(&server, PREFACE).await);
    }
    let client = client(&[server.address]);
    call(&client, TIMEOUT).await.expect("call succeeds");
    wait_until_closed(strangers.remove(0)).await;
    assert!(!strangers.iter().any(is_closed), "only the oldest is closed");
    // Further ones displace each other, but not the client.
    for _ in 0..3 * MAX {
        strangers.push(open_silent(&server, b"").await);
        wait_until_closed(strangers.remove(0)).await;
    }
    call(&client, TIMEOUT).await.expect("call succeeds");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn refuses_connection_when_all_are_authenticated() {
    let metrics = Metrics::install().expect("install recorder");
    let server = limited(1, LONG).await;
    let first = client(&[server.address]);
    call(&first, TIMEOUT).await.expect("call succeeds");
    wait_until_closed(open_silent(&server, b"").await).await;
    call(&first, TIMEOUT).await.expect("call succeeds");
    let text = metrics.render();
    assert!(text.contains("grpc_connections_closed_total{reason=\"full\"} "), "{text}");
    assert!(text.contains("grpc_connections_closed_total{reason=\"unknown\"} "), "{text}");

    // The slot is free after the caller disconnects.
    drop(first);
    let second = client_with(&[server.address], &settings());
    let mut answered = false;
    while !answered {
        answered = call(&second, TIMEOUT).await.is_ok();
    }
}

#[tokio::test]
async fn unauthenticated_connections_do_not_delay_shutdown() {
    let server = limited(16, LONG).await;
    let strangers = [open_silent(&server, b"").await, open_silent(&server, PREFACE).await];
    let client = client(&[server.address]);
    // The server accepted them before this one.
    call(&client, TIMEOUT).await.expect("call succeeds");
    timeout(TIMEOUT, server.stop()).await.expect("server stops");
    for stranger in strangers {
        wait_until_closed(stranger).await;
    }
}

#[tokio::test]
async fn detects_hanging_caller() {
    let moment = Duration::from_millis(100);
    let keepalive = |server: crate::stand_in::Builder| {
        server.http2_keepalive_interval(Some(moment)).http2_keepalive_timeout(Some(moment))
    };
    let server = StandIn::start_limited(&settings(), 16, LONG, keepalive).await;
    let (relay, through) = relay(&server).await;
    let client = client(&[through]);
    call(&client, TIMEOUT).await.expect("call succeeds");
    relay.hang();
    let detected = async {
        while !relay.is_closed_by_server() {
            tokio::task::yield_now().await;
        }
    };
    timeout(TIMEOUT, detected).await.expect("server closes connection");
}

#[tokio::test]
async fn refuses_too_large_metadata() {
    let server = StandIn::start(async |_| Ok(())).await;
    let channel = Channel::from_shared(format!("http://{}", server.address)).expect("read address").connect_lazy();
    let mut health = HealthClient::new(channel);
    let mut request = Request::new(HealthCheckRequest::default());
    request.metadata_mut().insert("x-large", "x".repeat(20 * 1024).parse().expect("value is ASCII"));
    health.check(request).await.expect_err("call is refused");
    health.check(HealthCheckRequest::default()).await.expect("call succeeds");
}

#[tokio::test]
async fn reports_refused_token_as_security_event() {
    let metrics = Metrics::install().expect("install recorder");
    let (log, _guard) = Log::start();
    let server = StandIn::start(async |_| Ok(())).await;
    let unauthenticated =
        client_with(&[server.address], &GrpcSettings { internal_token: "another".into(), ..settings() });
    let count = || {
        let text = metrics.render();
        let name = "security_events_total{event=\"internal_token_rejected\"} ";
        text.lines().find_map(|line| line.strip_prefix(name)?.parse::<u64>().ok()).unwrap_or_default()
    };
    let before = count();
    for _ in 0..3 {
        assert_eq!(call(&unauthenticated, TIMEOUT).await.expect_err("call is refused").code(), Code::Unauthenticated);
    }
    // Other tests in this process may count as well.
    assert!(count() >= before + 3);
    let log = log.text();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("internal_token_rejected")).collect();
    let [line] = lines[..] else { panic!("one line for the connection: {log}") };
    assert!(line.contains("client.address=127.0.0.1:") && line.contains("reason=\"wrong\""), "{line}");
    assert!(!log.contains("another"), "no token is in the log: {log}");
}

/// A relay of one connection. It can stop forwarding the bytes of the caller, and detects when the server closes the connection.
struct Relay {
    hang: CancellationToken,
    closed_by_server: CancellationToken,
}

impl Relay {
    fn hang(&self) {
        self.hang.cancel();
    }

    fn is_closed_by_server(&self) -> bool {
        self.closed_by_server.is_cancelled()
    }
}

async fn relay(server: &StandIn) -> (Relay, std::net::SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind port");
    let address = listener.local_addr().expect("read address");
    let relay = Relay { hang: CancellationToken::new(), closed_by_server: CancellationToken::new() };
    let (hang, closed_by_server, server) = (relay.hang.clone(), relay.closed_by_server.clone(), server.address);
    tokio::spawn(async move {
        let (caller, _) = listener.accept().await.expect("accept caller");
        let (mut from_caller, mut to_caller) = caller.into_split();
        let (mut from_server, mut to_server) =
            TcpStream::connect(server).await.expect("connect to server").into_split();
        tokio::spawn(async move {
            let _ = hang.run_until_cancelled(tokio::io::copy(&mut from_caller, &mut to_server)).await;
            // Keeps the writing half, so that the server does not see an end of the stream.
            std::future::pending::<()>().await;
        });
        let _ = tokio::io::copy(&mut from_server, &mut to_caller).await;
        closed_by_server.cancel();
    });
    (relay, address)
}
