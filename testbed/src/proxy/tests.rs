//! Tests each disturbance on real sockets. The timeouts are long enough for a busy machine.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, timeout},
};

use super::*;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a test waits to see that nothing arrives.
const SILENCE: Duration = Duration::from_millis(200);

/// Starts a proxy for an echo server.
async fn echo() -> Proxy {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bind port");
    let port = listener.local_addr().expect("get address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    Proxy::start(port).expect("start proxy")
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).await.expect("connect")
}

/// Sends `text` and waits for the echo. Returns the round-trip time.
async fn round_trip(stream: &mut TcpStream, text: &[u8]) -> Duration {
    let begun = Instant::now();
    let mut answer = vec![0; text.len()];
    let (mut read, mut write) = stream.split();
    let exchange = async { tokio::try_join!(write.write_all(text), read.read_exact(&mut answer)) };
    timeout(ANSWER_TIMEOUT, exchange).await.expect("receive answer in time").expect("receive answer");
    assert_eq!(answer, text);
    begun.elapsed()
}

#[tokio::test]
async fn undisturbed_link_carries_data_and_close_both_ways() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    round_trip(&mut stream, &vec![7; 3_000_000]).await;
    stream.shutdown().await.expect("wait for end");
    assert_eq!(
        timeout(ANSWER_TIMEOUT, stream.read(&mut [0])).await.expect("finish in time").expect("read without error"),
        0
    );
}

#[tokio::test]
async fn delay_does_not_limit_throughput() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    round_trip(&mut stream, b"before").await;
    let delay = Duration::from_millis(150);
    proxy.disturb(Disturbance::Delay(delay));
    assert!(round_trip(&mut stream, b"there and back").await >= 2 * delay);
    // Some hundred chunks in each direction.
    let taken = round_trip(&mut stream, &vec![7; 1_600_000]).await;
    assert!(taken < 20 * delay, "{taken:?}");
}

#[tokio::test]
async fn cut_link_stays_open_and_delivers_after_healing() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    round_trip(&mut stream, b"before").await;
    proxy.disturb(Disturbance::Cut);
    let mut late = connect(&proxy).await;
    for stream in [&mut stream, &mut late] {
        stream.write_all(b"kept").await.expect("write to cut link");
        timeout(SILENCE, stream.read_u8()).await.expect_err("receive nothing");
    }
    proxy.heal();
    for mut stream in [stream, late] {
        let mut answer = [0; 4];
        timeout(ANSWER_TIMEOUT, stream.read_exact(&mut answer)).await.expect("finish in time").expect("receive answer");
        assert_eq!(&answer, b"kept");
    }
}

#[tokio::test]
async fn reset_fails_open_and_new_connections() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    round_trip(&mut stream, b"before").await;
    proxy.disturb(Disturbance::Reset);
    let ended = timeout(ANSWER_TIMEOUT, stream.read_u8()).await.expect("finish in time");
    assert_eq!(ended.expect_err("fail to read").kind(), std::io::ErrorKind::ConnectionReset);
    let mut late = connect(&proxy).await;
    timeout(ANSWER_TIMEOUT, late.read_u8()).await.expect("finish in time").expect_err("fail to read");
    proxy.heal();
    round_trip(&mut connect(&proxy).await, b"after").await;
}

#[tokio::test]
async fn throttled_link_limits_throughput() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    round_trip(&mut stream, b"before").await;
    proxy.disturb(Disturbance::Throttle(10_000));
    let taken = round_trip(&mut stream, &[7; 5000]).await;
    assert!(taken >= Duration::from_millis(300), "{taken:?}");
}

#[tokio::test]
async fn connection_ends_if_the_upstream_does_not_listen() {
    let port = crate::port::reserve().expect("reserve port");
    let proxy = Proxy::start(port).expect("start proxy");
    let mut stream = connect(&proxy).await;
    timeout(ANSWER_TIMEOUT, stream.read_u8()).await.expect("finish in time").expect_err("fail to read");
}
