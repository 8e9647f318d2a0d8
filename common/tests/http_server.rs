//! The HTTP server with slow clients.

#![expect(clippy::expect_used, reason = "a failed step of a test panics")]
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

/// The timeouts of the server, short for tests.
const SERVER_TIMEOUT: Duration = Duration::from_millis(400);

/// The longest time that a test waits for the server.
const TIMEOUT: Duration = Duration::from_secs(10);

const REQUEST: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

static CHUNK: [u8; 65_536] = [0; 65_536];

/// Starts a server. The returned sender is closed when the server drops the endless response.
fn start() -> (SocketAddr, mpsc::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind port");
    let address = listener.local_addr().expect("read address");
    let (dropped, receiver) = mpsc::channel::<()>(1);
    let receiver = std::sync::Arc::new(std::sync::Mutex::new(Some(receiver)));
    let endless = move || {
        let receiver = receiver.lock().expect("lock receiver").take();
        let chunk = Ok::<_, actix_web::Error>(Bytes::from_static(&CHUNK));
        let chunks = stream::unfold(receiver, move |receiver| {
            let chunk = chunk.as_ref().map(Bytes::clone).map_err(|_| unreachable!());
            std::future::ready(Some((chunk, receiver)))
        });
        std::future::ready(HttpResponse::Ok().streaming::<_, actix_web::Error>(chunks))
    };
    let limits = ServerLimits { head: SERVER_TIMEOUT, silence: SERVER_TIMEOUT, ..ServerLimits::default() };
    let server = server(listener, limits, move || {
        App::new()
            .route("/", get().to(HttpResponse::NoContent))
            .route("/", post().to(HttpResponse::NoContent))
            .route("/endless", get().to(endless.clone()))
    });
    tokio::spawn(server.expect("build server"));
    (address, dropped)
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("connect")
}

/// Reads the next response, which has no body.
async fn read_response(client: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(timeout(TIMEOUT, client.read_u8()).await.expect("response in time").expect("read byte"));
    }
    String::from_utf8(answer).expect("response is UTF-8")
}

/// Reads until the connection is closed.
async fn read_to_end(client: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    // The connection may be reset, because the server did not read all bytes.
    let _ = timeout(TIMEOUT, client.read_to_end(&mut rest)).await.expect("server closes connection in time");
    String::from_utf8(rest).expect("response is UTF-8")
}

#[tokio::test(flavor = "multi_thread")]
async fn closes_connection_with_incomplete_head() {
    let (address, _) = start();
    let mut client = connect(address).await;
    client.write_all(b"GET / HT").await.expect("write request");
    assert!(read_to_end(&mut client).await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn closes_connection_with_incomplete_second_head() {
    let (address, _) = start();
    let mut client = connect(address).await;
    client.write_all(REQUEST.as_bytes()).await.expect("write request");
    read_response(&mut client).await;
    client.write_all(b"GET / HT").await.expect("write request");
    assert_eq!(read_to_end(&mut client).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn closes_connection_with_endless_unread_body() {
    let (address, _) = start();
    let mut client = connect(address).await;
    client.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await.expect("write request");
    assert!(read_response(&mut client).await.starts_with("HTTP/1.1 204 "));
    // The client keeps sending, slowly.
    let mut drops = interval(SERVER_TIMEOUT / 10);
    let dripping = async {
        while client.write_all(b"1\r\nx\r\n").await.is_ok() {
            drops.tick().await;
        }
    };
    timeout(TIMEOUT, dripping).await.expect("server closes connection in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn closes_connection_of_client_that_does_not_read() {
    let (address, dropped) = start();
    let mut client = connect(address).await;
    client.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("write request");
    timeout(TIMEOUT, dropped.closed()).await.expect("server drops response in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_connection_of_active_client() {
    let (address, _) = start();
    let mut client = connect(address).await;
    let mut turns = interval(SERVER_TIMEOUT / 4);
    for _ in 0..12 {
        turns.tick().await;
        client.write_all(REQUEST.as_bytes()).await.expect("write request");
        assert!(read_response(&mut client).await.starts_with("HTTP/1.1 204 "));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_too_large_head() {
    let (address, _) = start();
    let mut client = connect(address).await;
    let head = format!("GET / HTTP/1.1\r\nhost: x\r\nx-much: {}\r\n\r\n", "x".repeat(256 * 1024));
    // The server may stop reading before the client has written everything.
    let _ = client.write_all(head.as_bytes()).await;
    let answer = read_to_end(&mut client).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    // A small request is answered.
    let mut client = connect(address).await;
    client.write_all(REQUEST.as_bytes()).await.expect("write request");
    assert!(read_response(&mut client).await.starts_with("HTTP/1.1 204 "));
}
