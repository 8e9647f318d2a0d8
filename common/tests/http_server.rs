//! The HTTP server against clients that draw things out.

#![expect(clippy::expect_used, reason = "a test that cannot go on says so by a panic")]
#![expect(clippy::disallowed_methods, reason = "a task of a test ends with the runtime of the test")]

use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use actix_web::{
    App, HttpResponse,
    web::{Bytes, get, post},
};
use futures_util::stream;
use neonchat_common::http::server::{ServerLimits, server};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
    time::{interval, timeout},
};

/// What the server grants, made short.
const PATIENCE: Duration = Duration::from_millis(400);

/// The longest that a test waits for it to lose its patience.
const LIMIT: Duration = Duration::from_secs(10);

const ASK: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

static CHUNK: [u8; 65_536] = [0; 65_536];

/// A server, and what is told when it has given up an answer that nobody takes.
fn start() -> (SocketAddr, mpsc::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (told, hearing) = mpsc::channel::<()>(1);
    let hearing = std::sync::Arc::new(std::sync::Mutex::new(Some(hearing)));
    let endless = move || {
        let hearing = hearing.lock().expect("a receiver").take();
        let chunk = Ok::<_, actix_web::Error>(Bytes::from_static(&CHUNK));
        let chunks = stream::unfold(hearing, move |hearing| {
            let chunk = chunk.as_ref().map(Bytes::clone).map_err(|_| unreachable!());
            std::future::ready(Some((chunk, hearing)))
        });
        std::future::ready(HttpResponse::Ok().streaming::<_, actix_web::Error>(chunks))
    };
    let bounds = ServerLimits { head: PATIENCE, silence: PATIENCE, ..ServerLimits::default() };
    let server = server(listener, bounds, move || {
        App::new()
            .route("/", get().to(HttpResponse::NoContent))
            .route("/", post().to(HttpResponse::NoContent))
            .route("/endless", get().to(endless.clone()))
    });
    tokio::spawn(server.expect("a server"));
    (address, told)
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("a connection")
}

/// The next answer, of which there is no body.
async fn answer(client: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(timeout(LIMIT, client.read_u8()).await.expect("in time").expect("a byte"));
    }
    String::from_utf8(answer).expect("text")
}

/// What comes until the connection is closed.
async fn rest(client: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    // It may be reset: we have sent what nobody read.
    let _ = timeout(LIMIT, client.read_to_end(&mut rest)).await.expect("closed in time");
    String::from_utf8(rest).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_end_is_not_waited_for() {
    let (address, _) = start();
    let mut client = connect(address).await;
    client.write_all(b"GET / HT").await.expect("written");
    assert!(rest(&mut client).await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_is_a_later_one() {
    let (address, _) = start();
    let mut client = connect(address).await;
    client.write_all(ASK.as_bytes()).await.expect("written");
    answer(&mut client).await;
    client.write_all(b"GET / HT").await.expect("written");
    assert_eq!(rest(&mut client).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_is_a_body_that_nobody_reads() {
    let (address, _) = start();
    let mut client = connect(address).await;
    client.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await.expect("written");
    assert!(answer(&mut client).await.starts_with("HTTP/1.1 204 "));
    // It goes on and on, slowly.
    let mut drops = interval(PATIENCE / 10);
    let dripping = async {
        while client.write_all(b"1\r\nx\r\n").await.is_ok() {
            drops.tick().await;
        }
    };
    timeout(LIMIT, dripping).await.expect("closed in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_is_a_client_that_does_not_take_its_answer() {
    let (address, told) = start();
    let mut client = connect(address).await;
    client.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("written");
    timeout(LIMIT, told.closed()).await.expect("given up in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_on_asking_is_answered_on_one_connection() {
    let (address, _) = start();
    let mut client = connect(address).await;
    let mut turns = interval(PATIENCE / 4);
    for _ in 0..12 {
        turns.tick().await;
        client.write_all(ASK.as_bytes()).await.expect("written");
        assert!(answer(&mut client).await.starts_with("HTTP/1.1 204 "));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_has_a_size() {
    let (address, _) = start();
    let mut client = connect(address).await;
    let head = format!("GET / HTTP/1.1\r\nhost: x\r\nx-much: {}\r\n\r\n", "x".repeat(256 * 1024));
    // It may stop reading before all is written.
    let _ = client.write_all(head.as_bytes()).await;
    let answer = rest(&mut client).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    // And whoever keeps to it is answered.
    let mut client = connect(address).await;
    client.write_all(ASK.as_bytes()).await.expect("written");
    assert!(self::answer(&mut client).await.starts_with("HTTP/1.1 204 "));
}
