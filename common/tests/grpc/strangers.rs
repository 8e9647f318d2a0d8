//! Connections without an authorised call: what they may hold, and for how long.

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
    stand_in::{StandIn, call, peer, peer_with, settings},
};

const LIMIT: Duration = Duration::from_secs(5);

/// Longer than a test runs.
const LONG: Duration = Duration::from_hours(1);

/// As long as a connection may be unknown in a test that waits for its end.
const SHORT: Duration = Duration::from_millis(300);

/// The start of an HTTP/2 connection, with empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A connection that has sent this and is then silent.
async fn stranger(server: &StandIn, sent: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.expect("a connection");
    stream.write_all(sent).await.expect("written");
    stream
}

/// Waits until the server has closed a connection.
async fn closed(mut stream: TcpStream) {
    let read = async { while stream.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {} };
    timeout(LIMIT, read).await.expect("the server closes the connection");
}

/// Whether the server has closed a connection.
fn is_closed(stream: &TcpStream) -> bool {
    loop {
        match stream.try_read(&mut [0; 1024]) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}

async fn limited(connections: usize, unknown: Duration) -> StandIn {
    StandIn::start_limited(&settings(), connections, unknown, |builder| builder).await
}

#[tokio::test]
async fn closes_connections_without_an_authorised_call() {
    let server = limited(16, SHORT).await;
    for sent in [&b""[..], &PREFACE[..10], PREFACE] {
        closed(stranger(&server, sent).await).await;
    }
    // One that goes on sending.
    let mut trickling = stranger(&server, PREFACE).await;
    let settings_frame = b"\0\0\0\x04\0\0\0\0\0";
    let trickle = async {
        while trickling.write_all(settings_frame).await.is_ok() {
            tokio::task::yield_now().await;
            // Its answers have to be read, or the server waits for that.
            let _ = trickling.try_read(&mut [0; 4096]);
        }
    };
    timeout(LIMIT, trickle).await.expect("the server closes the connection");
}

#[tokio::test]
async fn health_checks_do_not_make_a_connection_known() {
    let server = limited(16, SHORT).await;
    let (relay, through) = relay(&server).await;
    let channel = Channel::from_shared(format!("http://{through}")).expect("an address").connect_lazy();
    let mut health = HealthClient::new(channel);
    let asking = async {
        while !relay.is_cut_off() {
            // The call may meet the end of the connection.
            let _ = health.check(Request::new(HealthCheckRequest::default())).await;
        }
    };
    timeout(LIMIT, asking).await.expect("the server closes the connection");
}

#[tokio::test]
async fn a_known_connection_outlives_the_limit() {
    let server = limited(16, SHORT).await;
    let peer = peer(&[server.address]);
    call(&peer, LIMIT).await.expect("an answer");
    // One that came later is closed: the limit of the first is over.
    closed(stranger(&server, b"").await).await;
    call(&peer, LIMIT).await.expect("an answer");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn strangers_do_not_keep_a_peer_out() {
    const MAX: usize = 4;

    let server = limited(MAX, LONG).await;
    let mut strangers = Vec::new();
    for _ in 0..MAX {
        strangers.push(stranger(&server, PREFACE).await);
    }
    let peer = peer(&[server.address]);
    call(&peer, LIMIT).await.expect("an answer");
    closed(strangers.remove(0)).await;
    assert!(!strangers.iter().any(is_closed), "only the oldest has to go");
    // More of them displace one another, and not the peer.
    for _ in 0..3 * MAX {
        strangers.push(stranger(&server, b"").await);
        closed(strangers.remove(0)).await;
    }
    call(&peer, LIMIT).await.expect("an answer");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn refuses_a_connection_when_all_are_known() {
    let metrics = Metrics::install().expect("a recorder");
    let server = limited(1, LONG).await;
    let first = peer(&[server.address]);
    call(&first, LIMIT).await.expect("an answer");
    closed(stranger(&server, b"").await).await;
    call(&first, LIMIT).await.expect("an answer");
    let text = metrics.render();
    assert!(text.contains("grpc_connections_closed_total{reason=\"full\"} "), "{text}");
    assert!(text.contains("grpc_connections_closed_total{reason=\"unknown\"} "), "{text}");

    // When its caller is gone, its place is free.
    drop(first);
    let second = peer_with(&[server.address], &settings());
    let mut answered = false;
    while !answered {
        answered = call(&second, LIMIT).await.is_ok();
    }
}

#[tokio::test]
async fn strangers_do_not_delay_the_end() {
    let server = limited(16, LONG).await;
    let strangers = [stranger(&server, b"").await, stranger(&server, PREFACE).await];
    let peer = peer(&[server.address]);
    // They were accepted before this one.
    call(&peer, LIMIT).await.expect("an answer");
    timeout(LIMIT, server.stop()).await.expect("the server ends");
    for stranger in strangers {
        closed(stranger).await;
    }
}

#[tokio::test]
async fn a_caller_that_hangs_is_noticed() {
    let moment = Duration::from_millis(100);
    let keepalive = |server: crate::stand_in::Builder| {
        server.http2_keepalive_interval(Some(moment)).http2_keepalive_timeout(Some(moment))
    };
    let server = StandIn::start_limited(&settings(), 16, LONG, keepalive).await;
    let (relay, through) = relay(&server).await;
    let peer = peer(&[through]);
    call(&peer, LIMIT).await.expect("an answer");
    relay.hang();
    let noticed = async {
        while !relay.is_cut_off() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, noticed).await.expect("the server closes the connection");
}

#[tokio::test]
async fn metadata_that_is_too_large_is_refused() {
    let server = StandIn::start(async |_| Ok(())).await;
    let channel = Channel::from_shared(format!("http://{}", server.address)).expect("an address").connect_lazy();
    let mut health = HealthClient::new(channel);
    let mut request = Request::new(HealthCheckRequest::default());
    request.metadata_mut().insert("x-large", "x".repeat(20 * 1024).parse().expect("ASCII"));
    health.check(request).await.expect_err("refused");
    health.check(HealthCheckRequest::default()).await.expect("an answer");
}

#[tokio::test]
async fn a_refused_token_is_a_security_event() {
    let metrics = Metrics::install().expect("a recorder");
    let (log, _guard) = Log::start();
    let server = StandIn::start(async |_| Ok(())).await;
    let stranger = peer_with(&[server.address], &GrpcSettings { internal_token: "another".into(), ..settings() });
    let count = || {
        let text = metrics.render();
        let name = "security_events_total{event=\"internal_token_rejected\"} ";
        text.lines().find_map(|line| line.strip_prefix(name)?.parse::<u64>().ok()).unwrap_or_default()
    };
    let before = count();
    for _ in 0..3 {
        assert_eq!(call(&stranger, LIMIT).await.expect_err("refused").code(), Code::Unauthenticated);
    }
    // Other tests of this process may count too.
    assert!(count() >= before + 3);
    let log = log.text();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("internal_token_rejected")).collect();
    let [line] = lines[..] else { panic!("one line for the connection: {log}") };
    assert!(line.contains("client.address=127.0.0.1:") && line.contains("reason=\"wrong\""), "{line}");
    assert!(!log.contains("another"), "no token is in the log: {log}");
}

/// A relay of one connection, which can stop passing on what the caller sends, and sees whether the server closes it.
struct Relay {
    hang: CancellationToken,
    cut_off: CancellationToken,
}

impl Relay {
    fn hang(&self) {
        self.hang.cancel();
    }

    fn is_cut_off(&self) -> bool {
        self.cut_off.is_cancelled()
    }
}

async fn relay(server: &StandIn) -> (Relay, std::net::SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let relay = Relay { hang: CancellationToken::new(), cut_off: CancellationToken::new() };
    let (hang, cut_off, server) = (relay.hang.clone(), relay.cut_off.clone(), server.address);
    tokio::spawn(async move {
        let (caller, _) = listener.accept().await.expect("a caller");
        let (mut from_caller, mut to_caller) = caller.into_split();
        let (mut from_server, mut to_server) = TcpStream::connect(server).await.expect("the server").into_split();
        tokio::spawn(async move {
            let _ = hang.run_until_cancelled(tokio::io::copy(&mut from_caller, &mut to_server)).await;
            // Kept: the server shall not see an end.
            std::future::pending::<()>().await;
        });
        let _ = tokio::io::copy(&mut from_server, &mut to_caller).await;
        cut_off.cancel();
    });
    (relay, address)
}
